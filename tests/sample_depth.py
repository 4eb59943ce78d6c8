"""Depth frames to write, and what a bag that was written holds, for the tests of the bag writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import Reader

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import DepthFrame
from tests.sample_bags import START_NS, STORE

CAMERA = CameraModel(8, 6, 10.0, 11.0, 3.5, 2.5)


def depth_frame(index: int = 0, width: int = 8, height: int = 6, camera: CameraModel | None = CAMERA) -> DepthFrame:
    depth_HW = np.full((height, width), 1.0 + index, np.float32)
    depth_HW[0, :3] = np.nan, np.inf, -np.inf
    image_HW3 = np.full((height, width, 3), index % 256, np.uint8)
    return DepthFrame(depth_HW, image_HW3, camera, START_NS + index, "front_optical")


def large_frame(index: int) -> DepthFrame:
    """One frame of about 1.2 MB of depth: a chunk of its own."""
    camera = CameraModel(640, 480, 500.0, 500.0, 319.5, 239.5)
    return depth_frame(index, 640, 480, camera)


def messages_in(bag: Path) -> list[tuple[str, int, Any]]:
    with Reader(bag) as reader:
        return [
            (connection.topic, log_ns, STORE.deserialize_cdr(raw, connection.msgtype))
            for connection, log_ns, raw in reader.messages()
        ]


def is_tidy(folder: Path) -> bool:
    """Whether no temporary file or folder was left."""
    return not [path for path in folder.iterdir() if path.name.startswith(".")]
