"""Image messages against cv_bridge itself, encoding by encoding: equal to the last bit, or the difference is named.

The differences are those of cv_bridge 4.1.0, which Jazzy ships.
"""

from __future__ import annotations

import subprocess
import sys
from copy import copy
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.compressed_codec import decode_compressed
from depth_anything_ros.depth_codec import decode_depth, encode_depth_image
from depth_anything_ros.encodings import NAMED_ENCODINGS, parse_encoding
from depth_anything_ros.errors import ImageError
from depth_anything_ros.image_codec import decode_image, encode_image, to_rgb
from tests.image_messages import ALL_ENCODINGS, file_bytes

try:
    # Its compiled half, which the rest imports at the first conversion only.
    import cv_bridge.boost.cv_bridge_boost  # noqa: F401
    from cv_bridge import CvBridge, CvBridgeError
    from sensor_msgs.msg import CompressedImage, Image
except ImportError as error:
    pytest.skip(f"needs ROS 2: cv_bridge does not import: {error}", allow_module_level=True)

# Beside a NumPy that it was not compiled for, cv_bridge imports all the same; its first conversion ends the process.
FIRST_CONVERSION = """
import cv_bridge.boost.cv_bridge_boost, numpy
cv_bridge.boost.cv_bridge_boost.cvtColor2(numpy.zeros((2, 2), numpy.uint8), "mono8", "rgb8")
"""
if subprocess.run([sys.executable, "-c", FIRST_CONVERSION], check=False, capture_output=True).returncode < 0:
    pytest.skip(f"cv_bridge crashes: it was compiled for another NumPy than {np.__version__}", allow_module_level=True)

pytestmark = pytest.mark.ros

BRIDGE = CvBridge()
# cv_bridge refuses the names that sensor_msgs gave to the two 4:2:2 encodings; it is asked by those they had before.
OLDER_NAMES = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2"}
YUV_NAMES = ("yuv422", "uyvy", "yuv422_yuy2", "yuyv")
BAYER_NAMES = [name for name in NAMED_ENCODINGS if name.startswith("bayer_")]
PLAIN_NAMES = [name for name in ALL_ENCODINGS if name not in NAMED_ENCODINGS]
# Width and height: the smallest that every encoding allows, and one past the widths that SIMD code takes at once.
SIZES = [(4, 3), (70, 37)]


def random_pixels(name: str, width: int, height: int) -> np.ndarray:
    """Any bit patterns (NaN and infinities among the floats)."""
    encoding = parse_encoding(name)
    raw = np.random.default_rng(width).integers(0, 256, height * width * encoding.pixel_bytes, np.uint8)
    return raw.view(encoding.dtype).reshape((height, width, encoding.channels)[: 2 if encoding.channels == 1 else 3])


def ros_image(pixels: np.ndarray, name: str, **options: Any) -> Image:
    return Image(**encode_image(pixels, name, **options))


def rgb8_image(**changes: Any) -> Image:
    """5 x 4 pixels of rgb8, with changes."""
    data = random_pixels("rgb8", 5, 4).tobytes()
    return Image(**{"height": 4, "width": 5, "encoding": "rgb8", "step": 15, "data": data, **changes})


def by_cv_bridge(msg: Image, desired: str = "passthrough") -> np.ndarray:
    known = copy(msg)
    known.encoding = OLDER_NAMES.get(msg.encoding, msg.encoding)
    return BRIDGE.imgmsg_to_cv2(known, desired)


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Shape, type and every bit, also those of a NaN."""
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("padding_pixels", [0, 2])
@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ALL_ENCODINGS)
def test_decoding_is_passthrough(name, size, is_bigendian, padding_pixels):
    pixels = random_pixels(name, *size)
    padding = padding_pixels * parse_encoding(name).pixel_bytes
    msg = ros_image(pixels, name, is_bigendian=is_bigendian, row_padding=padding)
    assert_same(decode_image(msg), by_cv_bridge(msg))


@pytest.mark.parametrize("padding_pixels", [0, 2])
@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMED_ENCODINGS)
def test_pictures_are_rgb8(name, size, is_bigendian, padding_pixels):
    padding = padding_pixels * parse_encoding(name).pixel_bytes
    msg = ros_image(random_pixels(name, *size), name, is_bigendian=is_bigendian, row_padding=padding)
    assert_same(to_rgb(msg), by_cv_bridge(msg, "rgb8"))


@pytest.mark.parametrize("name", ["mono16", "bayer_rggb16"])
def test_every_16_bit_value_is_rounded_to_the_same_8(name):
    counts = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    # Blocks of one value, so that a mosaic of them has flat places too.
    msg = ros_image(counts.repeat(3, 0).repeat(3, 1), name)
    assert_same(to_rgb(msg), by_cv_bridge(msg, "rgb8"))


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_both_refuse_to_guess_colours(name):
    msg = ros_image(random_pixels(name, 4, 3), name)
    with pytest.raises(CvBridgeError, match=rf"\[{name}\] is not a color format"):
        by_cv_bridge(msg, "rgb8")
    with pytest.raises(ImageError, match=f"{name} does not say which colours"):
        to_rgb(msg)


@pytest.mark.parametrize("name", ["", "rgb", "RGB8", "rgb8 ", "bayer_rgbg8", "16FC1", "32UC1", "8UC", "jpeg"])
def test_both_refuse_unknown_names(name):
    msg = rgb8_image(encoding=name)
    with pytest.raises(CvBridgeError, match="Unrecognized image encoding"):
        by_cv_bridge(msg)
    with pytest.raises(ImageError, match="is unknown"):
        decode_image(msg)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        # One channel in cv_bridge; no encoding in sensor_msgs, whose own check of names cv_bridge's C++ half applies.
        ("8U", (4, 15)),
        # OpenCV has 1 to 512 channels, and cv_bridge takes the number modulo 512.
        ("8UC0", (4, 0, 512)),
        ("8UC600", (4, 0, 88)),
    ],
)
def test_difference_numbers_of_channels_that_cv_bridge_makes_up(name, shape):
    msg = rgb8_image(encoding=name, width=15)
    assert by_cv_bridge(msg).shape == shape
    with pytest.raises(ImageError, match=f"encoding '{name}' is unknown"):
        decode_image(msg)


@pytest.mark.parametrize(
    ("name", "padding"), [("mono16", 1), ("rgb8", 1), ("rgba8", 2), ("rgb16", 4), ("32FC1", 2), ("32FC3", 4)]
)
def test_difference_padding_that_is_no_whole_pixel(name, padding):
    """cv_bridge in Python rounds ``step`` down to whole pixels, so that each row starts too early.

    Nothing in the message asks for whole pixels, and cv_bridge in C++ keeps the step. We give what cv_bridge gives for
    the same picture without padding.
    """
    pixels = random_pixels(name, 5, 4)
    msg = ros_image(pixels, name, row_padding=padding)
    assert_same(decode_image(msg), by_cv_bridge(ros_image(pixels, name)))
    pixel_bytes = parse_encoding(name).pixel_bytes
    starts = np.arange(4) * (msg.step // pixel_bytes * pixel_bytes)
    sheared = b"".join(msg.data[start : start + 5 * pixel_bytes].tobytes() for start in starts)
    assert sheared != pixels.tobytes()
    assert by_cv_bridge(msg).tobytes() == sheared


@pytest.mark.parametrize("size", [(1, 1), (9, 2), (2, 9)])
@pytest.mark.parametrize("name", BAYER_NAMES)
def test_difference_mosaics_too_small_to_interpolate(name, size):
    """OpenCV leaves the border to its neighbours; where there is only border, cv_bridge gives a black picture."""
    msg = ros_image(np.full(size[::-1], 200, parse_encoding(name).dtype), name)
    assert not by_cv_bridge(msg, "rgb8").any()
    with pytest.raises(ImageError, match=f"too small for {name}"):
        to_rgb(msg)


@pytest.mark.parametrize("name", YUV_NAMES)
def test_difference_half_a_pair_of_pixels(name):
    """The last pixel's second chroma is not in an odd row; cv_bridge reads on, in the next row or past the end."""
    pixels = random_pixels("8UC2", 5, 4)
    odd = ros_image(pixels, "8UC2")
    odd.encoding = name
    whole_pairs = ros_image(pixels[:, :4], name)
    assert_same(to_rgb(whole_pairs), np.ascontiguousarray(by_cv_bridge(odd, "rgb8")[:, :4]))
    with pytest.raises(ImageError, match="width 5 is odd"):
        to_rgb(odd)


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"data": bytes(62)}, (4, 5, 3), "data has 62 bytes"),
        ({"step": 12}, (4, 4, 3), "step 12 is too small"),
        ({"height": 0, "data": b""}, (0, 5, 3), "image size 5 x 0 has no area"),
        ({"width": 0, "step": 0, "data": b""}, (4, 0, 3), "image size 0 x 4 has no area"),
    ],
)
def test_difference_malformed_messages(changes, shape, message):
    """cv_bridge in Python cuts to what is there, where cv_bridge in C++ and we refuse; and it takes empty images."""
    msg = rgb8_image(**changes)
    assert by_cv_bridge(msg).shape == shape
    with pytest.raises(ImageError, match=message):
        decode_image(msg)


def test_both_refuse_data_that_is_too_short():
    msg = rgb8_image(data=bytes(59))
    with pytest.raises(TypeError, match="too small"):
        by_cv_bridge(msg)
    with pytest.raises(ImageError, match="data has 59 bytes"):
        decode_image(msg)


def assert_encoded_alike(pixels: np.ndarray, name: str, is_bigendian: bool = False) -> None:
    ours = encode_image(pixels, name, is_bigendian=is_bigendian)
    # Given a name, cv_bridge encodes 1 to 4 channels only; without one it makes up the same name for any number.
    asked = OLDER_NAMES.get(name, name) if parse_encoding(name).channels <= 4 else "passthrough"
    theirs = BRIDGE.cv2_to_imgmsg(pixels, asked)
    assert {**ours, "encoding": OLDER_NAMES.get(name, name)} == {field: getattr(theirs, field) for field in ours}
    theirs.encoding = name
    assert Image(**ours) == theirs


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ALL_ENCODINGS)
def test_encoding(name, size):
    assert_encoded_alike(random_pixels(name, *size), name)


@pytest.mark.parametrize("name", [name for name in ALL_ENCODINGS if parse_encoding(name).dtype.itemsize > 1])
def test_encoding_big_endian_pixels(name):
    """cv_bridge keeps the array's byte order and says so in the message; we do when told to."""
    pixels = random_pixels(name, 4, 3)
    assert_encoded_alike(pixels.astype(pixels.dtype.newbyteorder(">")), name, is_bigendian=True)


@pytest.mark.parametrize("name", ["mono8", "rgb8", "rgba16", "32FC1"])
def test_encoding_any_memory_layout(name):
    pixels = random_pixels(name, 8, 6)
    for same in (np.asfortranarray(pixels), pixels[::-1, ::2], pixels.swapaxes(0, 1)):
        assert_encoded_alike(same, name)


def test_encoding_a_channel_of_its_own():
    assert_encoded_alike(random_pixels("mono8", 4, 3)[..., None], "mono8")


@pytest.mark.parametrize(
    ("shape", "dtype", "name"),
    [
        ((2, 2), np.uint8, "rgb8"),
        ((2, 2, 4), np.uint8, "rgb8"),
        ((2, 2, 3), np.uint16, "rgb8"),
        ((2, 2, 3), np.uint8, "mono8"),
        ((2, 2), np.float64, "32FC1"),
        ((2, 2), np.int16, "16UC1"),
        ((2, 2), np.uint8, "grey"),
    ],
)
def test_both_refuse_pixels_that_do_not_fit(shape, dtype, name):
    pixels = np.zeros(shape, dtype)
    with pytest.raises(CvBridgeError):
        BRIDGE.cv2_to_imgmsg(pixels, name)
    with pytest.raises(ImageError):
        encode_image(pixels, name)


def test_difference_depth_in_metres():
    """REP 117 has no depth of zero and no finite negative one: NaN for us, while cv_bridge leaves all as it is."""
    depth = np.array([[np.nan, 0, -0.0, -2, 0.25, 1e30, np.inf, -np.inf]], np.float32)
    msg = ros_image(depth, "32FC1")
    theirs = by_cv_bridge(msg, "32FC1")
    assert_same(theirs, depth)
    no_depth = (theirs <= 0) & np.isfinite(theirs)
    np.testing.assert_array_equal(decode_depth(msg), np.where(no_depth, np.float32(np.nan), theirs))


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("name", ["16UC1", "mono16"])
def test_difference_depth_in_millimetres(name, is_bigendian):
    """By REP 118 16 bits are millimetres, 0 for none; cv_bridge's 32FC1 of them are the same numbers, unscaled."""
    msg = ros_image(np.arange(65536, dtype=np.uint16).reshape(256, 256), name, is_bigendian=is_bigendian)
    theirs = by_cv_bridge(msg, "32FC1")
    metres = (theirs.astype(np.float64) / 1000).astype(np.float32)
    np.testing.assert_array_equal(decode_depth(msg), np.where(theirs == 0, np.float32(np.nan), metres))


def test_encoding_depth():
    depth = np.array([[0.001, 1.5, 12.3456], [65.535, 2.0004, 2.0006]], np.float32)
    counts = np.array([[1, 1500, 12346], [65535, 2000, 2001]], np.uint16)
    assert Image(**encode_depth_image(depth, "32FC1")) == BRIDGE.cv2_to_imgmsg(depth, "32FC1")
    assert Image(**encode_depth_image(depth, "16UC1")) == BRIDGE.cv2_to_imgmsg(counts, "16UC1")


@pytest.mark.parametrize(("extension", "name"), [(".jpg", "bgr8"), (".png", "bgr8"), (".png", "bgra8")])
def test_compressed_pictures(extension, name):
    msg = CompressedImage(format=extension[1:], data=file_bytes(extension, random_pixels(name, 70, 37)))
    assert_same(decode_compressed(msg), BRIDGE.compressed_imgmsg_to_cv2(msg, "rgb8"))
