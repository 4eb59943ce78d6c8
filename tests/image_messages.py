"""Image messages for the tests, without ROS, and the hypothesis strategies that draw them."""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from depth_anything_ros.encodings import NAMED_ENCODINGS, PLAIN_TYPES
from depth_anything_ros.image_codec import encode_image

# Every named encoding, and every plain type with one channel, some and more than OpenCV's colours have.
ALL_ENCODINGS = (*NAMED_ENCODINGS, *(f"{kind}C{channels}" for kind in PLAIN_TYPES for channels in (1, 2, 3, 4, 7)))


def image_message(pixels: np.ndarray, encoding: str, **options: Any) -> SimpleNamespace:
    """An Image message of those pixels."""
    return SimpleNamespace(**encode_image(pixels, encoding, **options))


def compressed_message(data: Any, image_format: str = "") -> SimpleNamespace:
    """A CompressedImage message."""
    return SimpleNamespace(format=image_format, data=data)


def file_bytes(extension: str, pixels: np.ndarray, *parameters: int) -> bytes:
    """A file as OpenCV writes it: ``pixels`` grey, BGR or BGRA."""
    done, data = cv2.imencode(extension, pixels, parameters)
    assert done
    return data.tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bytes(width: int, height: int, bits: int, colour_type: int, rows: bytes, *chunks: bytes) -> bytes:
    """A PNG by hand, for kinds that OpenCV does not write and sizes that nobody has; ``rows`` with filter bytes."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + b"".join(chunks) + png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def picture(height: int = 16, width: int = 24) -> np.ndarray:
    """Smooth RGB, so that JPEG changes it little; its three channels differ everywhere."""
    rows, columns = np.indices((height, width))
    return np.stack([200 + rows, 90 + columns, 10 + rows + columns], axis=-1).astype(np.uint8)


def jpeg_bytes(image_HW3: np.ndarray, *parameters: int) -> bytes:
    """A JPEG of RGB pixels, hardly lossy."""
    return file_bytes(".jpg", image_HW3[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 98, *parameters)


def encode_rvl(counts: np.ndarray) -> bytes:
    """RVL by its definition, one number at a time."""
    numbers: list[int] = []
    values = counts.ravel().tolist()
    at = previous = 0
    while at < len(values):
        start = at
        while at < len(values) and values[at] == 0:
            at += 1
        numbers.append(at - start)
        start = at
        while at < len(values) and values[at]:
            at += 1
        numbers.append(at - start)
        for value in values[start:at]:
            difference, previous = value - previous, value
            numbers.append(2 * difference if difference >= 0 else -2 * difference - 1)
    nibbles: list[int] = []
    for number in numbers:
        while number >= 8:
            nibbles.append(8 | number % 8)
            number //= 8
        nibbles.append(number)
    nibbles += [0] * (-len(nibbles) % 8)
    text = "".join(f"{nibble:x}" for nibble in nibbles)
    return b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))
