"""sensor_msgs/Image <-> arrays, by encoding, step and endianness; messages are duck-typed, so no ROS is needed.

The conversions are cv_bridge's documented ones. What cannot be decoded exactly as declared is an ImageError: nothing is
guessed, cut or padded.
"""

from __future__ import annotations

from array import array
from typing import Any

import cv2
import numpy as np

from .encodings import NAMED_ENCODINGS, Encoding, check_size, parse_encoding
from .errors import ImageError
from .message_fields import as_bytes, field, one_line, whole_field
from .scratch import message_data

# OpenCV names a Bayer pattern by the 2x2 block one pixel down and right of the corner, ROS by the corner itself.
_BAYER_TO_RGB = {
    "bayer_rggb": cv2.COLOR_BayerBG2RGB,
    "bayer_bggr": cv2.COLOR_BayerRG2RGB,
    "bayer_gbrg": cv2.COLOR_BayerGR2RGB,
    "bayer_grbg": cv2.COLOR_BayerGB2RGB,
}
_TO_RGB = {
    "mono": cv2.COLOR_GRAY2RGB,
    "bgr": cv2.COLOR_BGR2RGB,
    "rgba": cv2.COLOR_RGBA2RGB,
    "bgra": cv2.COLOR_BGRA2RGB,
    "uyvy": cv2.COLOR_YUV2RGB_UYVY,
    "yuyv": cv2.COLOR_YUV2RGB_YUY2,
}


def decode_image(msg: Any) -> np.ndarray:
    """The pixels of an Image message in its own channels, type and range, in native byte order.

    Shape (H, W) for one channel, (H, W, C) for more. A read-only view of the message's bytes wherever the byte order
    and alignment allow it (row padding stays in the strides), else a copy. Raises ImageError for an unknown encoding, a
    size without area or over ``MAX_PIXELS``, a step too small, or data whose length is not ``step * height``.
    """
    encoding = parse_encoding(field(msg, "encoding"))
    width, height = check_size(field(msg, "width"), field(msg, "height"))
    if encoding.layout in ("uyvy", "yuyv") and width % 2:
        raise ImageError(f"width {width} is odd; {encoding.name} stores pixels in pairs")
    step = whole_field(msg, "step")
    row_bytes = width * encoding.pixel_bytes
    if step < row_bytes:
        raise ImageError(f"step {step} is too small; {width} pixels of {encoding.name} need at least {row_bytes}")
    is_bigendian = whole_field(msg, "is_bigendian")
    if is_bigendian not in (0, 1):
        raise ImageError(f"is_bigendian is {is_bigendian}; 0 or 1 is needed")
    data = as_bytes(field(msg, "data"))
    if data.size != step * height:
        raise ImageError(f"data has {data.size} bytes; step {step} x height {height} needs {step * height}")

    stored = encoding.dtype.newbyteorder(">" if is_bigendian else "<")
    shape: tuple[int, ...] = (height, width)
    strides: tuple[int, ...] = (step, encoding.pixel_bytes)
    if encoding.channels > 1:
        shape, strides = (*shape, encoding.channels), (*strides, encoding.dtype.itemsize)
    pixels: np.ndarray = np.ndarray(shape, stored, data, 0, strides)
    if not stored.isnative or not pixels.flags.aligned:
        return pixels.astype(encoding.dtype)
    pixels.flags.writeable = False
    return pixels


def to_rgb(msg: Any) -> np.ndarray:
    """An Image message as image_HW3 uint8 RGB.

    ``rgb8`` comes back as a read-only view of the message (with its row padding in the strides), everything else as a
    new contiguous array: grey repeated, alpha dropped, mosaics and 4:2:2 interpolated, 16 bits divided by 257. Raises
    ImageError as ``decode_image``, and for encodings that do not say which colour a channel is.
    """
    encoding = parse_encoding(field(msg, "encoding"))
    if not encoding.is_colour:
        raise ImageError(
            f"encoding {encoding.name} does not say which colours its channels are; "
            f"accepted for a picture: {', '.join(NAMED_ENCODINGS)}"
        )
    return pixels_to_rgb(decode_image(msg), encoding)


def pixels_to_rgb(pixels: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Pixels of a colour encoding, uint8 or uint16, as image_HW3 uint8 RGB; the same array if they are that already."""
    height, width = pixels.shape[:2]
    if encoding.layout in _BAYER_TO_RGB and min(height, width) < 3:
        raise ImageError(f"image size {width} x {height} is too small for {encoding.name}; at least 3 x 3 is needed")
    try:
        # The mosaic is interpolated before the bits are cut; for the rest the order makes no difference but in time.
        if encoding.layout in _BAYER_TO_RGB:
            return _to_uint8(cv2.cvtColor(pixels, _BAYER_TO_RGB[encoding.layout]))
        pixels = _to_uint8(pixels)
        return pixels if encoding.layout == "rgb" else cv2.cvtColor(pixels, _TO_RGB[encoding.layout])
    except cv2.error as error:
        raise ImageError(f"{encoding.name} of {width} x {height} cannot be converted: {one_line(error)}") from error


def encode_image(
    pixels: np.ndarray, encoding: str, *, row_padding: int = 0, is_bigendian: bool = False
) -> dict[str, Any]:
    """The fields of an Image message but its header: height, width, encoding, is_bigendian, step, data.

    ``pixels`` must already have the encoding's channels and type, (H, W) or (H, W, C); ``row_padding`` zero bytes
    follow each row. ``data`` is an ``array.array('B')``, the one type that rclpy takes without a check of every byte:
    the very one that ``pixels`` is a view of, if it is one of a whole one, else a new one.
    Raises ImageError for an unknown encoding or pixels that do not fit it.
    """
    wanted = parse_encoding(encoding)
    if pixels.ndim == 3 and wanted.channels == 1 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    ndim = 2 if wanted.channels == 1 else 3
    if pixels.ndim != ndim or channels != wanted.channels or pixels.dtype.newbyteorder("=") != wanted.dtype:
        raise ImageError(
            f"pixels are {pixels.dtype} of shape {pixels.shape}; {encoding} needs {wanted.dtype} "
            f"of shape (H, W{f', {wanted.channels}' if wanted.channels > 1 else ''})"
        )
    if row_padding < 0:
        raise ImageError(f"row_padding is {row_padding}; 0 or more is needed")
    width, height = check_size(pixels.shape[1], pixels.shape[0])
    if wanted.layout in ("uyvy", "yuyv") and width % 2:
        raise ImageError(f"width {width} is odd; {encoding} stores pixels in pairs")

    stored = np.ascontiguousarray(pixels, wanted.dtype.newbyteorder(">" if is_bigendian else "<"))
    row_bytes = width * wanted.pixel_bytes
    rows = stored.view(np.uint8).reshape(height, row_bytes)
    if row_padding:
        rows = np.pad(rows, ((0, 0), (0, row_padding)))
    data = message_data(rows)
    if data is None:
        data = array("B")
        data.frombytes(rows.data.cast("B"))
    return {
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": int(is_bigendian),
        "step": row_bytes + row_padding,
        "data": data,
    }


def _to_uint8(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.dtype == np.uint8 else cv2.convertScaleAbs(pixels, alpha=1 / 257)
