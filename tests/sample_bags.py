"""Small recordings for the tests, written by rosbags' own writers: what a driver records, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from depth_anything_ros.bag.source import BagSource
from depth_anything_ros.source_frame import SourceFrame

STORE = get_typestore(Stores.ROS2_HUMBLE)
STORE_1 = get_typestore(Stores.ROS1_NOETIC)
IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
FRAME = "camera_optical_frame"
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
STORAGE = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


@dataclass
class Recorded:
    """A message with its topic and its time of recording [ns]."""

    topic: str
    message: Any
    log_ns: int


def picture(seed: int = 0, width: int = 64, height: int = 48) -> np.ndarray:
    """A smooth (H, W, 3) uint8 RGB picture that differs by seed."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (3, 4, 3), np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)


def jpeg(image_HW3: np.ndarray) -> bytes:
    """The picture as a JPEG file."""
    return bytes(cv2.imencode(".jpg", image_HW3[..., ::-1])[1])


def header(stamp_ns: int, frame_id: str = FRAME, store: Any = STORE) -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = store.types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    extra = {"seq": 0} if store is STORE_1 else {}
    return store.types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id, **extra)


def image_message(
    pixels: np.ndarray, encoding: str, stamp_ns: int, frame_id: str = FRAME, store: Any = STORE, **changes: Any
) -> Any:
    """An Image of little-endian pixels; `changes` replaces fields by wrong ones."""
    height, width = pixels.shape[:2]
    fields = {
        "header": header(stamp_ns, frame_id, store),
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": 0,
        "step": pixels.nbytes // height,
        "data": np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    }
    return store.types[IMAGE](**{**fields, **changes})


def compressed_message(
    data: bytes, stamp_ns: int, image_format: str = "rgb8; jpeg compressed bgr8", frame_id: str = FRAME
) -> Any:
    return STORE.types[COMPRESSED](
        header=header(stamp_ns, frame_id), format=image_format, data=np.frombuffer(data, np.uint8)
    )


def camera_info_message(
    stamp_ns: int,
    width: int = 64,
    height: int = 48,
    fx: float = 50.0,
    D: Sequence[float] = (),
    frame_id: str = FRAME,
    store: Any = STORE,
    model: str = "plumb_bob",
    px: float | None = None,
) -> Any:
    """A CameraInfo with square pixels and a centred principal point; `px` is P's focal length, fx by default."""
    cx, cy, px = (width - 1) / 2, (height - 1) / 2, fx if px is None else px
    matrices = {
        "d": np.array(D, np.float64),
        "k": np.array([fx, 0, cx, 0, fx, cy, 0, 0, 1], np.float64),
        "r": np.eye(3).ravel(),
        "p": np.array([px, 0, cx, 0, 0, px, cy, 0, 0, 0, 1, 0], np.float64),
    }
    if store is STORE_1:
        matrices = {name.upper(): matrix for name, matrix in matrices.items()}
    roi = store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return store.types[CAMERA_INFO](
        header=header(stamp_ns, frame_id, store),
        height=height,
        width=width,
        distortion_model=model,
        binning_x=0,
        binning_y=0,
        roi=roi,
        **matrices,
    )


def depth_mm(value_m: float = 2.0, width: int = 64, height: int = 48) -> np.ndarray:
    """A flat (H, W) uint16 depth image [mm] with a hole in its corner."""
    depth = np.full((height, width), round(value_m * 1000), np.uint16)
    depth[0, 0] = 0
    return depth


def camera_recording(
    count: int = 5, *, depth: bool = True, info: bool = True, width: int = 64, height: int = 48
) -> list[Recorded]:
    """What one camera records: rgb8 images, CameraInfo and aligned 16UC1 depth, all with the same stamps."""
    recorded = []
    for index in range(count):
        stamp = START_NS + index * PERIOD_NS
        pixels = picture(index, width, height)
        recorded.append(Recorded("/camera/image_raw", image_message(pixels, "rgb8", stamp), stamp))
        if info:
            message = camera_info_message(stamp, width, height)
            recorded.append(Recorded("/camera/camera_info", message, stamp + 1))
        if depth:
            message = image_message(depth_mm(1.0 + index, width, height), "16UC1", stamp)
            recorded.append(Recorded("/camera/aligned_depth/image_raw", message, stamp + 2))
    return recorded


def write_bag(
    path: Path,
    recorded: Iterable[Recorded],
    storage: str = "mcap",
    *,
    version: Any = 8,
    compression: str = "",
    serialization_format: str = "cdr",
) -> Path:
    """Write a rosbag2 folder and return it; `compression` is file, message or storage (chunks)."""
    writer = Writer(path, version=version, storage_plugin=STORAGE[storage])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections: dict[str, Any] = {}
        for item in recorded:
            kind = item.message.__msgtype__
            if item.topic not in connections:
                connections[item.topic] = writer.add_connection(
                    item.topic, kind, typestore=STORE, serialization_format=serialization_format
                )
            writer.write(connections[item.topic], item.log_ns, STORE.serialize_cdr(item.message, kind))
    return path


def storage_file(bag: Path) -> Path:
    """The one storage file of a bag folder."""
    (file,) = (path for path in bag.iterdir() if path.name != "metadata.yaml")
    return file


def write_ros1_bag(path: Path, recorded: Iterable[Recorded], compression: str = "") -> Path:
    """Write a ROS 1 bag file of messages made with STORE_1; `compression` is bz2 or lz4."""
    writer = Ros1Writer(path)
    if compression:
        writer.set_compression(Ros1Writer.CompressionFormat[compression.upper()])
    with writer:
        connections: dict[str, Any] = {}
        for item in recorded:
            kind = item.message.__msgtype__
            if item.topic not in connections:
                connections[item.topic] = writer.add_connection(item.topic, kind, typestore=STORE_1)
            writer.write(connections[item.topic], item.log_ns, STORE_1.serialize_ros1(item.message, kind))
    return path


def ros1_recording(count: int = 5) -> list[Recorded]:
    """What a ROS 1 driver records: rgb8 images and CameraInfo."""
    recorded = []
    for index in range(count):
        stamp = START_NS + index * PERIOD_NS
        message = image_message(picture(index), "rgb8", stamp, store=STORE_1)
        recorded.append(Recorded("/camera/image_raw", message, stamp))
        recorded.append(Recorded("/camera/camera_info", camera_info_message(stamp, store=STORE_1), stamp + 1))
    return recorded


def large_recording(count: int = 12) -> list[Recorded]:
    """Images of 0.9 MB, so that an MCAP has several chunks."""
    return camera_recording(count, depth=False, width=640, height=480)


def cut(path: Path, size: int) -> None:
    """Truncate a file to its first `size` bytes."""
    path.write_bytes(path.read_bytes()[:size])


def read_back(path: Path) -> tuple[list[int], list[str]]:
    """Read a recording of `camera_recording` or `ros1_recording`, whole or not.

    Returns the indices of the frames that come, each checked to be the right picture at its place, and the notes.
    """
    with BagSource(path, image_topic="/camera/image_raw") as source:
        frames = [frame.frame for frame in source if isinstance(frame, SourceFrame)]
    indices = [(frame.stamp_ns - START_NS) // PERIOD_NS for frame in frames]
    for index, frame in zip(indices, frames, strict=True):
        height, width = frame.image_HW3.shape[:2]
        np.testing.assert_array_equal(frame.image_HW3, picture(index, width, height))
    assert indices == sorted(set(indices))
    return indices, source.notes
