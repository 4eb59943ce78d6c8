"""Depth images in sensor_msgs/Image, by REP 117 and 118: 32FC1 in metres, 16UC1 in millimetres with 0 for "none"."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np

from .encodings import parse_encoding
from .errors import ImageError
from .image_codec import decode_image, encode_image
from .message_fields import field

DEPTH_ENCODINGS = ("32FC1", "16UC1", "mono16")
# The last float32 that still rounds to 65535 mm.
_MAX_16UC1_M = float(np.float32(65.5355))


def decode_depth(msg: Any) -> np.ndarray:
    """A depth Image message as depth_HW float32 [m], a new array.

    ``16UC1`` and ``mono16`` are millimetres, 0 = NaN. ``32FC1`` is metres: NaN (unknown), +Inf (beyond range) and -Inf
    (too near) stay, zero and negative depths become NaN. Raises ImageError as ``decode_image``, and for any other
    encoding.
    """
    encoding = parse_encoding(field(msg, "encoding"))
    if encoding.name not in DEPTH_ENCODINGS:
        raise ImageError(f"encoding {encoding.name} is no depth; accepted: {', '.join(DEPTH_ENCODINGS)}")
    pixels = decode_image(msg)
    return millimetres_to_depth(pixels) if encoding.dtype == np.uint16 else _without_zeros(pixels)


def encode_depth_image(depth_HW: np.ndarray, encoding: Literal["32FC1", "16UC1"] = "32FC1") -> dict[str, Any]:
    """The fields of a depth Image message (see ``encode_image``) from depth_HW float32 [m].

    ``32FC1`` holds the values as they are, ``16UC1`` those of ``depth_to_millimetres``. Raises ImageError for another
    encoding or an array that is not one float32 image.
    """
    if encoding not in ("32FC1", "16UC1"):
        raise ImageError(f"depth encoding {encoding!r} is unknown; accepted: 32FC1, 16UC1")
    _check_depth(depth_HW)
    return encode_image(depth_HW if encoding == "32FC1" else depth_to_millimetres(depth_HW), encoding)


def depth_to_millimetres(depth_HW: np.ndarray) -> np.ndarray:
    """depth_HW float32 [m] as uint16 [mm], rounded; 0 for NaN, both infinities and what is not in 1 to 65535 mm."""
    _check_depth(depth_HW)
    # What does not fit is zeroed before the cast: what NaN, Inf and too large a float are cast to depends on the CPU.
    # As one row: OpenCV up to 4.8 at least takes the four numbers of a scalar for an array where an image is 4 x 1.
    row = depth_HW.reshape(1, -1)
    fitting = cv2.copyTo(row, cv2.inRange(row, 0.0, _MAX_16UC1_M))
    millimetres = cv2.multiply(fitting, 1000.0, dtype=cv2.CV_16U)  # type: ignore[call-overload]
    return millimetres.reshape(depth_HW.shape)


def millimetres_to_depth(millimetres_HW: np.ndarray) -> np.ndarray:
    """uint16 [mm] as float32 [m], 0 = NaN."""
    depth = np.divide(millimetres_HW, np.float32(1000), dtype=np.float32)
    depth[depth == 0] = np.nan
    return depth


def _without_zeros(depth_HW: np.ndarray) -> np.ndarray:
    """A copy with NaN for zero and finite negative depths; -Inf, "too near", stays."""
    depth = depth_HW.copy()
    depth[(depth <= 0) & (depth > -np.inf)] = np.nan
    return depth


def _check_depth(depth_HW: np.ndarray) -> None:
    if depth_HW.ndim != 2 or depth_HW.dtype != np.float32 or not depth_HW.size:
        raise ImageError(f"depth is {depth_HW.dtype} of shape {depth_HW.shape}; float32 of shape (H, W) is needed")
