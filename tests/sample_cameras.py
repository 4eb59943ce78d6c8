"""Cameras that several test files use: a distorted one, and a strategy that draws pinhole cameras."""

from __future__ import annotations

from hypothesis import strategies as st

from depth_anything_ros.camera import CameraModel

BARREL = CameraModel(640, 480, 600.0, 610.0, 330.0, 250.0, "plumb_bob", (-0.3, 0.1, 0.001, -0.001, 0.0))


@st.composite
def cameras(draw: st.DrawFn, max_side: int = 4000) -> CameraModel:
    """Draw a pinhole camera of up to `max_side` pixels a side, its principal point inside the image or near it."""
    width, height = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    focal = st.floats(0.2 * max(width, height), 4.0 * max(width, height))
    centre = st.floats(-0.5, 1.5)
    return CameraModel(width, height, draw(focal), draw(focal), draw(centre) * width, draw(centre) * height)
