"""sensor_msgs/CompressedImage -> arrays: JPEG and PNG pictures, and compressedDepth (PNG or RVL)."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from .depth_codec import DEPTH_ENCODINGS, millimetres_to_depth
from .encodings import NAMED_ENCODINGS, Encoding, check_size
from .errors import ImageError
from .image_codec import pixels_to_rgb
from .image_headers import PNG_MAGIC, read_header
from .message_fields import as_bytes, field, one_line, short
from .rvl import decode_rvl

# int32 format (unused), float32 depthQuantA, float32 depthQuantB
_DEPTH_HEADER = struct.Struct("<iff")
_RVL_SIZE = struct.Struct("<II")


def decode_compressed(msg: Any) -> np.ndarray:
    """A CompressedImage message that holds a JPEG or PNG as image_HW3 uint8 RGB, contiguous.

    The first bytes decide which of the two it is, not ``format``: drivers fill that in all ways, or leave it empty. The
    file's own colours count as well (a JPEG tagged "rgb8; jpeg compressed rgb8" is still an ordinary JPEG); ``format``
    is asked only whether it is depth and whether one channel is a Bayer mosaic. Orientation tags are ignored: the
    intrinsics belong to the pixels as stored. 16 bits are divided by 257, alpha is dropped. Raises ImageError for other
    contents (depth too), truncated or corrupt files and sizes over the limit.
    """
    declared, rest = _format(msg)
    if "compressedDepth" in rest or declared in ("16UC1", "32FC1"):
        raise ImageError(f"format {short(field(msg, 'format'))} holds depth; a JPEG or PNG picture is needed")
    pixels = _decode_file(as_bytes(field(msg, "data")).tobytes())
    mosaic = NAMED_ENCODINGS.get(f"{declared.rstrip('0123456789')}{8 * pixels.itemsize}")
    if pixels.ndim == 2 and mosaic is not None and mosaic.layout.startswith("bayer_"):
        return pixels_to_rgb(pixels, mosaic)
    return pixels_to_rgb(pixels, _opencv_encoding(pixels))


def decode_compressed_depth(msg: Any) -> np.ndarray:
    """A CompressedImage message that holds depth as depth_HW float32 [m], NaN where there is none.

    ``format`` is "<encoding>; compressedDepth" with nothing, "png" or "rvl" after it (12 bytes of parameters, then the
    data), or "16UC1; png compressed". 16UC1 and mono16 are millimetres; 32FC1 is a quantised inverse depth v with
    depth = A / (v - B). Raises ImageError for another format, truncated or corrupt data, and parameters that give no
    depth.
    """
    declared, rest = _format(msg)
    data = as_bytes(field(msg, "data")).tobytes()
    if declared not in DEPTH_ENCODINGS:
        raise ImageError(
            f"format {short(field(msg, 'format'))} names no depth encoding; "
            f"accepted: '<encoding>; compressedDepth [png|rvl]' with {', '.join(DEPTH_ENCODINGS)}"
        )
    if "compressedDepth" not in rest:
        if declared == "32FC1":
            raise ImageError(f"format {short(field(msg, 'format'))}: 32FC1 needs compressedDepth")
        return millimetres_to_depth(_decode_uint16(data))
    if len(data) <= _DEPTH_HEADER.size:
        raise ImageError(f"compressedDepth data has {len(data)} bytes; more than {_DEPTH_HEADER.size} are needed")
    _, quant_a, quant_b = _DEPTH_HEADER.unpack_from(data)
    body = data[_DEPTH_HEADER.size :]
    counts = _decode_uint16(body) if body.startswith(PNG_MAGIC) or "rvl" not in rest else _decode_rvl_body(body)
    return _dequantise(counts, quant_a, quant_b) if declared == "32FC1" else millimetres_to_depth(counts)


def _format(msg: Any) -> tuple[str, str]:
    """The image encoding that ``format`` names before the semicolon, if any, and all that follows it."""
    text = field(msg, "format")
    if not isinstance(text, str):
        raise ImageError(f"format is {short(text)}; text is needed")
    declared, _, rest = text.partition(";")
    return declared.strip(), rest


def _decode_file(data: bytes) -> np.ndarray:
    """A JPEG or PNG file as OpenCV stores it: grey, BGR or BGRA, uint8 or uint16."""
    kind, width, height = read_header(data)
    try:
        # UNCHANGED also leaves orientation tags alone.
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"{kind} of {width} x {height} cannot be decoded: {one_line(error)}") from error
    if pixels is None or pixels.shape[:2] != (height, width):
        raise ImageError(f"{kind} of {width} x {height} cannot be decoded: its data is corrupt or of a rare kind")
    return pixels


def _opencv_encoding(pixels: np.ndarray) -> Encoding:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    name = {1: "mono", 3: "bgr", 4: "bgra"}.get(channels)
    if name is None or pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"file holds {channels} channels of {pixels.dtype}; 1, 3 or 4 of 8 or 16 bits are needed")
    return NAMED_ENCODINGS[f"{name}{8 * pixels.itemsize}"]


def _decode_uint16(data: bytes) -> np.ndarray:
    pixels = _decode_file(data)
    if pixels.ndim != 2 or pixels.dtype != np.uint16:
        raise ImageError(f"depth file holds {pixels.dtype} of shape {pixels.shape}; one channel of uint16 is needed")
    return pixels


def _decode_rvl_body(body: bytes) -> np.ndarray:
    if len(body) < _RVL_SIZE.size:
        raise ImageError(f"RVL data has {len(body)} bytes; {_RVL_SIZE.size} bytes of size are needed")
    columns, rows = _RVL_SIZE.unpack_from(body)
    width, height = check_size(columns, rows, "RVL image")
    return decode_rvl(body[_RVL_SIZE.size :], width * height).reshape(height, width)


def _dequantise(counts: np.ndarray, quant_a: float, quant_b: float) -> np.ndarray:
    """Quantised inverse depth to metres; 0 and what gives no positive depth become NaN, no inverse depth +Inf."""
    if not (np.isfinite(quant_a) and np.isfinite(quant_b) and quant_a > 0):
        raise ImageError(f"compressedDepth parameters A={quant_a}, B={quant_b}: A > 0 and a finite B are needed")
    with np.errstate(all="ignore"):
        depth = np.float32(quant_a) / (counts - np.float32(quant_b))
    depth[(counts == 0) | ~(depth > 0)] = np.nan
    return depth
