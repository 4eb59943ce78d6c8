"""Frames: image, depth and camera of one size, or none at all."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame, DepthFrame
from depth_anything_ros.errors import CameraError, ImageError

IMAGE = np.zeros((4, 6, 3), np.uint8)
DEPTH = np.ones((4, 6), np.float32)
CAMERA = CameraModel(6, 4, 5.0, 5.0, 2.5, 1.5)
DISTORTED = CameraModel(6, 4, 5.0, 5.0, 2.5, 1.5, "plumb_bob", (0.1, 0.0, 0.0, 0.0, 0.0))


@pytest.mark.parametrize("camera", [None, CAMERA, DISTORTED])
def test_camera_frame_holds_what_it_was_given(camera: CameraModel | None) -> None:
    frame = CameraFrame(IMAGE, camera, 12, "head_optical")
    assert frame.image_HW3 is IMAGE and frame.camera is camera
    with pytest.raises(FrozenInstanceError):
        frame.stamp_ns = 13  # type: ignore[misc]


@pytest.mark.parametrize("camera", [None, CAMERA])
def test_depth_frame_defaults(camera: CameraModel | None) -> None:
    first, second = (DepthFrame(DEPTH, IMAGE, camera, 12, "head_optical") for _ in range(2))
    first.timings_ms["engine"] = 3.0
    assert second.timings_ms == {} and second.assumed_camera is False


@pytest.mark.parametrize(
    "image",
    [IMAGE[..., 0], IMAGE.astype(np.float32), np.zeros((4, 6, 4), np.uint8), np.zeros((0, 6, 3), np.uint8)],
)
def test_image_of_another_kind_is_refused(image: Any) -> None:
    with pytest.raises(ImageError, match="accepted: uint8"):
        CameraFrame(image, None, 0, "")
    with pytest.raises(ImageError, match="accepted: uint8"):
        DepthFrame(DEPTH, image, None, 0, "")


@pytest.mark.parametrize("depth", [DEPTH.astype(np.float64), DEPTH.T, DEPTH[None], DEPTH[:2]])
def test_depth_of_another_kind_is_refused(depth: Any) -> None:
    with pytest.raises(ImageError, match=r"accepted: float32 \(4, 6\)"):
        DepthFrame(depth, IMAGE, None, 0, "")


def test_camera_of_another_size_is_refused() -> None:
    other = CAMERA.scaled_to(width=12, height=8)
    with pytest.raises(CameraError, match="image is 6x4 but its camera is 12x8"):
        CameraFrame(IMAGE, other, 0, "")
    with pytest.raises(CameraError, match="image is 6x4 but its camera is 12x8"):
        DepthFrame(DEPTH, IMAGE, other, 0, "")


def test_depth_belongs_to_a_rectified_view() -> None:
    with pytest.raises(CameraError, match="a depth frame needs a rectified image"):
        DepthFrame(DEPTH, IMAGE, DISTORTED, 0, "")
