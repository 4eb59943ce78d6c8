"""Frames for the overhead benchmark: a made-up scene, and the messages it arrives in."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

NETWORK_HW = {(640, 480): (392, 518), (1280, 720): (294, 518)}
"""The network's input for a camera's size, by the rule that its long side is 518."""


def make_scene(size: tuple[int, int], *, sky: float = 0.0) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """An image (H, W, 3) and the network's depth (h, w) [m]: a floor, a wall and boxes with edges blurred as a network
    blurs them; the upper part `sky` of the picture is +Inf."""
    rng = np.random.default_rng(0)
    h, w = NETWORK_HW[size]
    v = np.linspace(0.0, 1.0, h)[:, None] + np.zeros((1, w))
    depth_hw = np.minimum(8.0, 1.2 / np.maximum(v - 0.35, 0.05))
    for _ in range(14):
        top, left = rng.integers(0, h), rng.integers(0, w)
        height, width = rng.integers(20, 120, 2)
        box = np.s_[top : top + height, left : left + width]
        depth_hw[box] = np.minimum(depth_hw[box], rng.uniform(1.0, 5.0))
    depth_hw = cv2.GaussianBlur(depth_hw.astype(np.float32), (0, 0), 1.0)
    depth_hw[: int(sky * h)] = np.inf
    coarse = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    image_HW3 = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    return image_HW3, depth_hw


def image_message(image_HW3: NDArray[np.uint8]) -> Any:
    """An rgb8 sensor_msgs/Image as rclpy delivers it."""
    height, width = image_HW3.shape[:2]
    header = SimpleNamespace(frame_id="camera_optical_frame")
    data = array("B", image_HW3.tobytes())
    fields = {"height": height, "width": width, "encoding": "rgb8", "is_bigendian": 0, "step": 3 * width}
    return SimpleNamespace(header=header, **fields, data=data)


def jpeg_message(image_HW3: NDArray[np.uint8]) -> Any:
    """A sensor_msgs/CompressedImage of quality 90."""
    _, file = cv2.imencode(".jpg", cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    header = SimpleNamespace(frame_id="camera_optical_frame")
    return SimpleNamespace(header=header, format="rgb8; jpeg compressed bgr8", data=array("B", file.tobytes()))
