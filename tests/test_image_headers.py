"""Headers of JPEG and PNG files: sizes, and whether the file is whole."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ImageError
from depth_anything_ros.image_headers import ImageHeader, read_header
from tests.image_messages import file_bytes, jpeg_bytes, picture, png_bytes

KINDS = {
    "jpeg": jpeg_bytes(picture()),
    "progressive jpeg": jpeg_bytes(picture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "jpeg with restarts": jpeg_bytes(picture(), cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "png": file_bytes(".png", picture()),
}


@pytest.mark.parametrize("name", KINDS)
def test_size(name):
    kind = "png" if name == "png" else "jpeg"
    assert read_header(KINDS[name]) == ImageHeader(kind, width=24, height=16)


def test_fill_bytes_before_a_marker():
    data = KINDS["jpeg"]
    assert read_header(data[:2] + b"\xff\xff" + data[2:]) == ImageHeader("jpeg", 24, 16)


@pytest.mark.parametrize("name", KINDS)
def test_every_truncation_is_one_line(name):
    for end in range(len(KINDS[name])):
        with pytest.raises(ImageError) as caught:
            read_header(KINDS[name][:end])
        assert "\n" not in str(caught.value)


def test_a_thumbnail_does_not_hide_a_truncation():
    data = jpeg_bytes(picture(256, 256))
    thumbnail = jpeg_bytes(picture())
    with_thumbnail = data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + data[2:]
    assert read_header(with_thumbnail) == ImageHeader("jpeg", 256, 256)
    with pytest.raises(ImageError, match=r"JPEG is truncated after \d+ bytes: no end marker"):
        read_header(with_thumbnail[: len(with_thumbnail) - len(data) // 8])


def test_every_damaged_byte_of_a_png_is_found():
    data = file_bytes(".png", picture(4, 4))
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        with pytest.raises(ImageError):
            read_header(bytes(damaged))


def huge_jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose frame header claims another size."""
    data = bytearray(KINDS["jpeg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_bytes(50_000, 50_000, 8, 2, b""), "PNG size 50000 x 50000 is over the limit of 100 megapixels"),
        (png_bytes(2**31 - 1, 2**31 - 1, 8, 2, b""), "over the limit"),
        (png_bytes(0, 5, 8, 2, b""), "PNG size 0 x 5 has no area"),
        (huge_jpeg(65_000, 65_000), "JPEG size 65000 x 65000 is over the limit"),
        (huge_jpeg(0, 16), "JPEG size 0 x 16 has no area"),
        (huge_jpeg(24, 0), "JPEG size 24 x 0 has no area"),
        (b"\xff\xd8\xff\xd9", "JPEG is corrupt: byte 2 is ff, not a marker"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "JPEG is corrupt: scan without a frame header"),
        (b"", "compressed data is empty"),
        (b"RIFF\x00\x00\x00\x00WEBP", "compressed data starts with 52 49 46 46; JPEG"),
    ],
)
def test_wrong_sizes_and_structures_are_named(data, message):
    with pytest.raises(ImageError, match=message):
        read_header(data)


def test_the_tests_own_png_is_a_png():
    # So that a refusal above is not the fault of the writer.
    written = np.frombuffer(png_bytes(2, 1, 8, 0, bytes([0, 7, 9])), np.uint8)
    assert cv2.imdecode(written, cv2.IMREAD_UNCHANGED).tolist() == [[7, 9]]
