"""What JPEG and PNG files say of themselves, read before anything is decoded.

A decoder allocates what the header asks for, and some versions of OpenCV fill the missing part of a truncated file with
grey and say so on stderr only. So size and completeness are checked here first.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from .encodings import check_size
from .errors import ImageError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"

_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
# C4, C8 and CC lie in the range of the start-of-frame markers, but are tables.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))


class ImageHeader(NamedTuple):
    """Kind ("jpeg" or "png") and size of a complete file."""

    kind: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader:
    """Header of a JPEG or PNG file, told apart by its first bytes.

    Raises ImageError if it is neither, truncated or damaged in its structure, without area, or over the size limit.
    """
    if data.startswith(PNG_MAGIC):
        return ImageHeader("png", *check_size(*_png_size(data), "PNG"))
    if data.startswith(JPEG_MAGIC):
        return ImageHeader("jpeg", *check_size(*_jpeg_size(data), "JPEG"))
    if not data:
        raise ImageError("compressed data is empty; a JPEG or PNG file is needed")
    raise ImageError(f"compressed data starts with {data[:4].hex(' ')}; JPEG (ff d8 ff) or PNG (89 50 4e 47) is needed")


def _png_size(data: bytes) -> tuple[int, int]:
    """Width and height, after every chunk up to IEND was found whole and undamaged."""
    size = None
    at = len(PNG_MAGIC)
    while True:
        if at + 12 > len(data):
            raise ImageError(f"PNG is truncated after {len(data)} bytes: no IEND chunk")
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise ImageError(f"PNG is truncated: chunk {kind!r} at byte {at} needs {end - len(data)} bytes more")
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != checksum:
            raise ImageError(f"PNG is corrupt: checksum of chunk {kind!r} at byte {at} does not match")
        if size is None:
            if kind != b"IHDR" or length != 13:
                raise ImageError(f"PNG is corrupt: first chunk is {kind!r} of {length} bytes, not IHDR of 13")
            size = struct.unpack_from(">II", data, at + 8)
        if kind == b"IEND":
            return size
        at = end


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height, after the segments before the first scan were found whole, and an end marker behind it."""
    size = None
    at = 2
    while True:
        at = _skip_fill(data, at)
        marker = data[at]
        at += 1
        if marker in _WITHOUT_LENGTH:
            continue
        if at + 2 > len(data):
            raise ImageError(f"JPEG is truncated after {len(data)} bytes: no scan")
        (length,) = struct.unpack_from(">H", data, at)
        end = at + length
        if length < 2 or end > len(data):
            raise ImageError(f"JPEG is truncated or corrupt: segment {marker:02x} at byte {at} has {length} bytes")
        if marker in _START_OF_FRAME:
            if length < 8:
                raise ImageError(f"JPEG is corrupt: frame header of {length} bytes")
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = width, height
        if marker == _START_OF_SCAN:
            break
        at = end
    if size is None:
        raise ImageError("JPEG is corrupt: scan without a frame header")
    # In a scan's data an ff is followed by 00 or a restart marker, so this pair ends the image and nothing else.
    if data.find(bytes((0xFF, _END_OF_IMAGE)), end) < 0:
        raise ImageError(f"JPEG is truncated after {len(data)} bytes: no end marker")
    return size


def _skip_fill(data: bytes, at: int) -> int:
    """Position of the marker code behind one or more ff bytes."""
    start = at
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at >= len(data):
        raise ImageError(f"JPEG is truncated after {len(data)} bytes: no scan")
    if at == start or data[at] in (0x00, _END_OF_IMAGE):
        raise ImageError(f"JPEG is corrupt: byte {start} is {data[start]:02x}, not a marker")
    return at
