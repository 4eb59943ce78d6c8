"""The image topics of a recording, each by its first message: what it holds, how large, in which frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compressed_codec import decode_compressed, decode_compressed_depth
from ..depth_codec import decode_depth
from ..errors import ImageError
from ..image_codec import to_rgb
from .reader import BagReader
from .records import Topic

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"

_TRANSPORTS = frozenset({"compressed", "compressedDepth"})
# Ends of topic names that say what kind of message it is, not which camera's.
_GENERIC = frozenset({"data", "raw", "info", "camera_info"})


@dataclass(frozen=True)
class ImageStream:
    """An image topic.

    Parameters
    ----------
    topic: its name and type.
    count: number of messages.
    is_depth: whether it holds depth rather than a picture.
    width, height: of its first image [px]; 0 if that cannot be decoded.
    frame_id: of its first image.
    encoding: of an Image, or the format of a CompressedImage.
    """

    topic: Topic
    count: int
    is_depth: bool
    width: int
    height: int
    frame_id: str
    encoding: str

    @property
    def size(self) -> str:
        """The size as text."""
        return f"{self.width}x{self.height}" if self.width else "of unknown size"


def image_streams(reader: BagReader) -> list[ImageStream]:
    """Return every image topic that has messages, in the order of names."""
    topics = sorted(topic for topic in reader.counts if topic.type in (IMAGE, COMPRESSED))
    return [_look(reader, topic) for topic in topics if reader.counts[topic] and reader.can_decode(topic)]


def decode_picture(topic: Topic, message: Any) -> npt.NDArray[np.uint8]:
    """Return the picture in a message as (H, W, 3) uint8 RGB. Raises ImageError."""
    return to_rgb(message) if topic.type == IMAGE else decode_compressed(message)


def decode_range_image(topic: Topic, message: Any) -> npt.NDArray[np.float32]:
    """Return the depth in a message as (H, W) float32 [m], NaN unknown. Raises ImageError."""
    return decode_depth(message) if topic.type == IMAGE else decode_compressed_depth(message)


def base_name(topic: str) -> str:
    """Return a topic's name without its transport: /camera/image_raw/compressed is /camera/image_raw."""
    head, _, last = topic.rpartition("/")
    return head if last in _TRANSPORTS else topic


def camera_name(topic: str) -> str:
    """Return what an image topic and its CameraInfo topic share.

    /camera/color/image_raw/compressed and /camera/color/camera_info share /camera/color; /Color_0/image/data and
    /Color_0/info/camera_info share /Color_0.
    """
    parts = base_name(topic).split("/")
    while len(parts) > 1 and (parts[-1] in _GENERIC or parts[-1].startswith("image")):
        parts.pop()
    return "/".join(parts)


def _look(reader: BagReader, topic: Topic) -> ImageStream:
    message = reader.first(topic)
    if message is None:
        return ImageStream(topic, reader.counts[topic], False, 0, 0, "", "")
    declared = str(message.encoding if topic.type == IMAGE else message.format)
    is_depth = _is_depth(topic, declared)
    width, height = (int(message.width), int(message.height)) if topic.type == IMAGE else (0, 0)
    if topic.type == COMPRESSED:
        try:
            decode = decode_range_image if is_depth else decode_picture
            height, width = decode(topic, message).shape[:2]
        except ImageError:
            pass
    frame_id = str(message.header.frame_id)
    return ImageStream(topic, reader.counts[topic], is_depth, width, height, frame_id, declared)


def _is_depth(topic: Topic, declared: str) -> bool:
    """16-bit and float single channels are depth by REP 118; mono16 is only if the name says so (librealsense)."""
    if topic.type == COMPRESSED:
        encoding, _, rest = declared.partition(";")
        return "compressedDepth" in rest or topic.name.endswith("/compressedDepth") or encoding in ("16UC1", "32FC1")
    return declared in ("16UC1", "32FC1") or (declared == "mono16" and "depth" in topic.name.lower())
