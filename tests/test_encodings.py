"""Names of pixel encodings: what each stores, and which names are refused."""

from __future__ import annotations

import numpy as np
import pytest

from depth_anything_ros.encodings import MAX_PIXELS, NAMED_ENCODINGS, check_size, parse_encoding
from depth_anything_ros.errors import ImageError


@pytest.mark.parametrize(
    ("name", "channels", "dtype", "pixel_bytes"),
    [
        ("mono8", 1, np.uint8, 1),
        ("mono16", 1, np.uint16, 2),
        ("rgb8", 3, np.uint8, 3),
        ("bgr8", 3, np.uint8, 3),
        ("rgba8", 4, np.uint8, 4),
        ("bgra8", 4, np.uint8, 4),
        ("rgb16", 3, np.uint16, 6),
        ("bgr16", 3, np.uint16, 6),
        ("rgba16", 4, np.uint16, 8),
        ("bgra16", 4, np.uint16, 8),
        *((f"bayer_{pattern}8", 1, np.uint8, 1) for pattern in ("rggb", "bggr", "gbrg", "grbg")),
        *((f"bayer_{pattern}16", 1, np.uint16, 2) for pattern in ("rggb", "bggr", "gbrg", "grbg")),
        *((name, 2, np.uint8, 2) for name in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv")),
    ],
)
def test_named_encodings(name, channels, dtype, pixel_bytes):
    encoding = parse_encoding(name)
    assert (encoding.name, encoding.channels, encoding.dtype, encoding.pixel_bytes) == (
        name,
        channels,
        np.dtype(dtype),
        pixel_bytes,
    )
    assert encoding.is_colour


def test_there_are_no_other_names():
    assert len(NAMED_ENCODINGS) == 22


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 10, 512])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("8U", np.uint8),
        ("8S", np.int8),
        ("16U", np.uint16),
        ("16S", np.int16),
        ("32S", np.int32),
        ("32F", np.float32),
        ("64F", np.float64),
    ],
)
def test_plain_encodings(kind, dtype, channels):
    encoding = parse_encoding(f"{kind}C{channels}")
    assert (encoding.layout, encoding.dtype, encoding.channels) == ("plain", np.dtype(dtype), channels)
    assert not encoding.is_colour


@pytest.mark.parametrize(
    "name",
    [
        *("", "rgb", "RGB8", " rgb8", "rgb8 ", "rgb8\n", "mono32", "bayer_rgbg8", "nv12", "jpeg"),
        *("8UC", "8UC0", "8UC01", "8UC513", "8UC9999", "16FC1", "32UC1", "8UC³"),
        *(None, 8, b"rgb8", ["rgb8"], "x" * 10_000),
    ],
)
def test_unknown_names_are_refused(name):
    with pytest.raises(ImageError, match=r"^encoding .*is unknown; known: mono8, .*\{8U,.*64F\}C<1\.\.512>$") as caught:
        parse_encoding(name)
    assert len(str(caught.value)) < 600


def test_sizes():
    assert check_size(np.uint32(3), 2) == (3, 2)
    assert check_size(MAX_PIXELS, 1) == (MAX_PIXELS, 1)
    assert check_size(8000, 6000) == (8000, 6000)


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (0, 5, "PNG size 0 x 5 has no area"),
        (5, 0, "PNG size 5 x 0 has no area"),
        (-1, -1, "PNG size -1 x -1 has no area"),
        (10_001, 10_000, "PNG size 10001 x 10000 is over the limit of 100 megapixels"),
        (2**32, 2**32, "over the limit"),
        (5.0, 5, "PNG size 5.0 x 5: whole numbers are needed"),
        (None, 5, "PNG size None x 5"),
    ],
)
def test_impossible_sizes_are_refused(width, height, message):
    with pytest.raises(ImageError, match=message):
        check_size(width, height, "PNG")
