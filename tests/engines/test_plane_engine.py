"""The exact plane: hand-computed walls and grounds, and the text that describes them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.engines.plane_engine import open_plane
from depth_anything_ros.errors import ConfigError, EngineError
from depth_anything_ros.geometry import unproject

IMAGES = np.zeros((2, 392, 518, 3), np.uint8)


def test_wall_is_at_its_distance_everywhere() -> None:
    assert (open_plane("z=3.5").infer(IMAGES) == np.float32(3.5)).all()
    assert (open_plane("").infer(IMAGES) == 2.0).all()


def test_ground_straight_below_by_hand() -> None:
    """Looking down by 45 degrees from 1 m, the axis meets the ground after 1 / sin(45 deg) metres."""
    depth_hw = open_plane("height=1,pitch=45").infer(np.zeros((1, 14, 14, 3), np.uint8))[0]
    middle = 2.0 / (1.0 / depth_hw[6] + 1.0 / depth_hw[7])  # the axis passes between two rows; 1/z is linear there
    np.testing.assert_allclose(middle, math.sqrt(2.0), rtol=1e-6)


def test_level_camera_sees_sky_above_the_horizon() -> None:
    depth_hw = open_plane("height=1.2").infer(IMAGES)[0]
    assert np.isposinf(depth_hw[:196]).all() and np.isfinite(depth_hw[196:]).all()
    assert (np.diff(depth_hw[196:, 0]) < 0).all()


@pytest.mark.parametrize("pitch_deg", [-5.0, 0.0, 10.0, 60.0])
def test_ground_points_lie_on_one_plane(pitch_deg: float) -> None:
    """Unprojected with the camera whose fields of view were given, every point is 1.2 m below the camera."""
    camera = CameraModel(width=518, height=392, fx=600.0, fy=500.0, cx=258.5, cy=195.5)
    fields = f"hfov={camera.hfov_deg!r},vfov={camera.vfov_deg!r}"
    depth_hw = open_plane(f"height=1.2,pitch={pitch_deg},{fields}").infer(IMAGES)[0]
    points_N3 = unproject(depth_hw, camera)[np.isfinite(depth_hw)]
    pitch_rad = math.radians(pitch_deg)
    below_N = points_N3[:, 1] * math.cos(pitch_rad) + points_N3[:, 2] * math.sin(pitch_rad)
    assert below_N.size > 1000
    near_N = points_N3[:, 2] < 50.0
    np.testing.assert_allclose(below_N[near_N], 1.2, rtol=2e-5)


def test_pixels_are_square_without_a_vertical_field_of_view() -> None:
    vertical = 2 * math.degrees(math.atan(392 / 518 * math.tan(math.radians(30.0))))
    np.testing.assert_allclose(
        open_plane("height=1,hfov=60").infer(IMAGES), open_plane(f"height=1,hfov=60,vfov={vertical!r}").infer(IMAGES)
    )


def test_images_of_a_batch_do_not_share_memory() -> None:
    for options in ("z=2", "height=1"):
        depth_nhw = open_plane(options).infer(IMAGES)
        depth_nhw[0] = -1.0
        assert (depth_nhw[1] > 0).all()


def test_it_says_what_it_is_for() -> None:
    engine = open_plane("z=2")
    assert "geometry tests and camera checks only" in engine.spec.description
    assert engine.info.notes == (engine.spec.description,) and engine.info.engine == "plane"


@pytest.mark.parametrize(
    "options",
    [
        "z",
        "z=",
        "z=near",
        "z=0",
        "z=-1",
        "z=nan",
        "z=inf",
        "z=1,z=2",
        "z=2,pitch=3",
        "pitch=3",
        "height=1,roll=2",
        "height=1,pitch=90",
        "height=1,hfov=180",
        "depth=2",
    ],
)
def test_other_text_is_refused(options: str) -> None:
    with pytest.raises(ConfigError, match="accepted"):
        open_plane(options)


def test_wrong_input_and_closed_engine_are_refused() -> None:
    with open_plane("z=2") as engine, pytest.raises(EngineError, match="float32"):
        engine.infer(IMAGES.astype(np.float32))
    with pytest.raises(EngineError, match="closed"):
        engine.infer(IMAGES)
