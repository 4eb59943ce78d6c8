"""The ``encoding`` names of sensor_msgs/Image: what the bytes of one pixel are.

A name says either what the channels mean (``rgb8``, ``bayer_rggb8``) or only how they are stored (``8UC3``, ``32FC1``).
Names are compared exactly, as everywhere in ROS.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .errors import ImageError
from .message_fields import short

MAX_PIXELS = 100_000_000
# OpenCV's own limit of channels in one array.
MAX_CHANNELS = 512

Layout = Literal[
    "mono",
    "rgb",
    "bgr",
    "rgba",
    "bgra",
    "uyvy",
    "yuyv",
    "bayer_rggb",
    "bayer_bggr",
    "bayer_gbrg",
    "bayer_grbg",
    "plain",
]


@dataclass(frozen=True)
class Encoding:
    """One encoding: ``channels`` samples of ``dtype`` (native byte order) a pixel, read as ``layout``.

    ``plain`` means that the name says nothing about the channels' meaning. The two 4:2:2 layouts store two bytes a
    pixel: the luma and, in turn, one of the two chroma values that a pair of pixels shares.
    """

    name: str
    layout: Layout
    dtype: np.dtype
    channels: int

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return self.channels * self.dtype.itemsize

    @property
    def is_colour(self) -> bool:
        """Whether a colour (or grey) picture can be made of it without guessing."""
        return self.layout != "plain"


def _named() -> dict[str, Encoding]:
    table: dict[str, Encoding] = {}

    def add(name: str, layout: Layout, dtype: type, channels: int) -> None:
        table[name] = Encoding(name, layout, np.dtype(dtype), channels)

    depths: tuple[tuple[int, type], ...] = ((8, np.uint8), (16, np.uint16))
    colours: tuple[tuple[Layout, int], ...] = (("mono", 1), ("rgb", 3), ("bgr", 3), ("rgba", 4), ("bgra", 4))
    mosaics: tuple[Layout, ...] = ("bayer_rggb", "bayer_bggr", "bayer_gbrg", "bayer_grbg")
    for bits, dtype in depths:
        for layout, channels in colours:
            add(f"{layout}{bits}", layout, dtype, channels)
        for layout in mosaics:
            add(f"{layout}{bits}", layout, dtype, 1)
    # ROS renamed the two 4:2:2 encodings after their byte order; both spellings are in recordings.
    for name in ("yuv422", "uyvy"):
        add(name, "uyvy", np.uint8, 2)
    for name in ("yuv422_yuy2", "yuyv"):
        add(name, "yuyv", np.uint8, 2)
    return table


NAMED_ENCODINGS = _named()
PLAIN_TYPES: dict[str, np.dtype] = {
    "8U": np.dtype(np.uint8),
    "8S": np.dtype(np.int8),
    "16U": np.dtype(np.uint16),
    "16S": np.dtype(np.int16),
    "32S": np.dtype(np.int32),
    "32F": np.dtype(np.float32),
    "64F": np.dtype(np.float64),
}
_PLAIN_NAME = re.compile(r"(8U|8S|16U|16S|32S|32F|64F)C([1-9][0-9]{0,2})")


def parse_encoding(name: Any) -> Encoding:
    """The encoding of that name. Raises ImageError for an unknown one."""
    if isinstance(name, str):
        if name in NAMED_ENCODINGS:
            return NAMED_ENCODINGS[name]
        match = _PLAIN_NAME.fullmatch(name)
        if match is not None and int(match[2]) <= MAX_CHANNELS:
            return Encoding(name, "plain", PLAIN_TYPES[match[1]], int(match[2]))
    raise ImageError(
        f"encoding {short(name)} is unknown; known: {', '.join(NAMED_ENCODINGS)} and "
        f"{{{','.join(PLAIN_TYPES)}}}C<1..{MAX_CHANNELS}>"
    )


def check_size(width: Any, height: Any, what: str = "image") -> tuple[int, int]:
    """Width and height as ints; ImageError unless they are a positive area of at most ``MAX_PIXELS``."""
    try:
        size = operator.index(width), operator.index(height)
    except TypeError:
        raise ImageError(f"{what} size {short(width)} x {short(height)}: whole numbers are needed") from None
    if min(size) <= 0:
        raise ImageError(f"{what} size {size[0]} x {size[1]} has no area")
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageError(f"{what} size {size[0]} x {size[1]} is over the limit of {MAX_PIXELS // 1_000_000} megapixels")
    return size
