"""What the spec of a known checkpoint says, and the view that its golden sample shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .models import KnownModel
from .preprocess import network_size
from .spec import EngineSpec

GOLDEN_CAMERA = (640, 480)
"""Size of the camera [px] whose size at the network the golden sample has: checking it makes an engine ready for the
commonest camera."""
GOLDEN_TOLERANCE = 1e-3
"""Largest accepted mean relative difference from the golden sample in fp32."""
MAX_BATCH = 8


def known_spec(
    model: KnownModel, *, transformers_rule: bool, artifact: str, artifact_sha256: str, **changes: Any
) -> EngineSpec:
    """The promise of a network that was made from the weights of a known checkpoint.

    ``transformers_rule`` takes the resize rule of transformers' image processor instead of the official one;
    ``changes`` are fields of EngineSpec that are known better, or not by the model.
    """
    values: dict[str, Any] = {
        "name": model.name,
        "description": model.title,
        "resize": model.transformers_resize if transformers_rule else model.resize,
        "max_batch": MAX_BATCH,
        "meaning": model.meaning,
        "quantity": model.quantity,
        "min_depth_m": model.min_depth_m,
        "max_depth_m": model.max_depth_m,
        "canonical_focal_px": model.canonical_focal_px,
        "training_focal_px": model.training_focal_px,
        "licence": model.licence,
    }
    if model.sky_threshold is not None:
        values.update(sky_output="sky", sky_threshold=model.sky_threshold)
    return EngineSpec(artifact=artifact, artifact_sha256=artifact_sha256, **{**values, **changes})


def golden_size(spec: EngineSpec) -> tuple[int, int]:
    """(h, w) [px] of the golden sample of a network with this spec."""
    return network_size(*GOLDEN_CAMERA, spec.resize)


def golden_view(size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """A drawn RGB view (h, w, 3): floor with tiles, wall, sky and boxes, shaded and with fine texture.

    It has what networks look at (perspective, occlusion, plain and textured places) at every size, and needs no picture
    from elsewhere.
    """
    h, w = size_hw
    rows = np.arange(h, dtype=np.float64)[:, None] / h
    columns = np.arange(w, dtype=np.float64)[None, :] / w
    image = np.empty((h, w, 3), np.float64)
    image[:] = np.array([120.0, 165.0, 225.0]) + 60.0 * rows[:, :, None]
    wall = (rows > 0.28) & (rows < 0.52) & (columns > 0.08)
    bricks = (np.floor(rows * 60) + np.floor(columns * 24 + 0.5 * (np.floor(rows * 60) % 2))) % 2
    image[wall] = (np.array([150.0, 95.0, 75.0]) + 18.0 * bricks[:, :, None])[wall]
    floor = np.broadcast_to(rows >= 0.5, (h, w))
    depth = 0.5 / np.maximum(rows - 0.45, 0.05)
    tiles = (np.floor(depth * 2.0) + np.floor((columns - 0.5) * depth * 8.0)) % 2
    shade = np.clip(1.2 - 0.08 * depth, 0.3, 1.0) * (95.0 + 70.0 * tiles)
    image[floor] = (shade[:, :, None] * np.array([1.0, 0.95, 0.85]))[floor]
    for top, bottom, left, right, colour in (
        (0.40, 0.66, 0.62, 0.74, (70.0, 110.0, 60.0)),
        (0.35, 0.80, 0.18, 0.36, (185.0, 60.0, 50.0)),
        (0.58, 0.92, 0.55, 0.90, (60.0, 75.0, 150.0)),
    ):
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        side = np.where(columns > 0.7 * right + 0.3 * left, 0.6, 1.0) * np.ones_like(rows)
        image[inside] = (side[:, :, None] * np.array(colour))[inside]
    grain = np.random.Generator(np.random.PCG64(7)).integers(-6, 7, (h, w, 1))
    return np.clip(np.floor(image) + grain, 0, 255).astype(np.uint8)
