"""Image messages: round trips through every encoding, colours by hand, views, and every way to be wrong."""

from __future__ import annotations

import array
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_anything_ros.encodings import parse_encoding
from depth_anything_ros.errors import ImageError
from depth_anything_ros.image_codec import decode_image, encode_image, to_rgb
from tests.image_messages import ALL_ENCODINGS, image_message

CONTAINERS = {
    "array": lambda data: data,
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": lambda data: memoryview(bytes(data)),
    "numpy": lambda data: np.frombuffer(bytes(data), np.uint8),
    "unaligned numpy": lambda data: np.frombuffer(b"x" + bytes(data), np.uint8)[1:],
    "list": list,
    "tuple": tuple,
}
# One letter a channel, as stored; each encoding's own words, written out independently of the code under test.
STORED = {"mono": "g", "rgb": "rgb", "bgr": "bgr", "rgba": "rgba", "bgra": "bgra"}


def random_pixels(name: str, width: int, height: int, seed: int) -> np.ndarray:
    """Any bit patterns (NaN and infinities among the floats)."""
    encoding = parse_encoding(name)
    raw = np.random.default_rng(seed).integers(0, 256, height * width * encoding.pixel_bytes, np.uint8)
    shape = (height, width) if encoding.channels == 1 else (height, width, encoding.channels)
    return raw.view(encoding.dtype).reshape(shape)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(ALL_ENCODINGS),
    width=st.integers(1, 7),
    height=st.integers(1, 5),
    padding=st.integers(0, 9),
    is_bigendian=st.booleans(),
    container=st.sampled_from(sorted(CONTAINERS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip_of_every_encoding(name, width, height, padding, is_bigendian, container, seed):
    width += width % 2 if name in ("yuv422", "uyvy", "yuv422_yuy2", "yuyv") else 0
    pixels = random_pixels(name, width, height, seed)
    msg = image_message(pixels, name, row_padding=padding, is_bigendian=is_bigendian)
    assert msg.step == width * parse_encoding(name).pixel_bytes + padding
    msg.data = CONTAINERS[container](msg.data)
    decoded = decode_image(msg)
    assert decoded.dtype == pixels.dtype and decoded.dtype.isnative and decoded.flags.aligned
    assert decoded.shape == pixels.shape
    assert decoded.tobytes() == pixels.tobytes()


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize(("kind", "code"), [("16U", "H"), ("16S", "h"), ("32S", "i"), ("32F", "f"), ("64F", "d")])
def test_bytes_lie_as_declared(kind, code, is_bigendian):
    pixels = np.array([[1, 2], [3, 1000]]).astype(parse_encoding(f"{kind}C1").dtype)
    msg = image_message(pixels, f"{kind}C1", row_padding=3, is_bigendian=is_bigendian)
    order = ">" if is_bigendian else "<"
    rows = [struct.pack(f"{order}2{code}", *row) + bytes(3) for row in pixels.tolist()]
    assert bytes(msg.data) == b"".join(rows)
    assert (msg.height, msg.width, msg.is_bigendian) == (2, 2, int(is_bigendian))
    assert isinstance(msg.data, array.array) and msg.data.typecode == "B"


@pytest.mark.parametrize("padding", [0, 5])
def test_rgb8_is_a_read_only_view(padding):
    pixels = random_pixels("rgb8", 6, 4, 0)
    msg = image_message(pixels, "rgb8", row_padding=padding)
    for decoded in (decode_image(msg), to_rgb(msg)):
        assert np.shares_memory(decoded, np.frombuffer(msg.data, np.uint8))
        assert not decoded.flags.writeable
        np.testing.assert_array_equal(decoded, pixels)
    msg.data[0] ^= 255
    assert to_rgb(msg)[0, 0, 0] != pixels[0, 0, 0]


@pytest.mark.parametrize("name", ["mono8", "mono16", "bgra8", "32FC1", "64FC3", "yuv422"])
def test_native_order_is_a_view_and_the_other_a_copy(name):
    pixels = random_pixels(name, 4, 4, 1)
    little = image_message(pixels, name, row_padding=8)
    assert np.shares_memory(decode_image(little), np.frombuffer(little.data, np.uint8))
    big = image_message(pixels, name, row_padding=8, is_bigendian=True)
    one_byte = pixels.itemsize == 1
    assert np.shares_memory(decode_image(big), np.frombuffer(big.data, np.uint8)) == one_byte


def test_a_step_that_splits_samples_gives_an_aligned_copy():
    pixels = random_pixels("mono16", 3, 3, 2)
    decoded = decode_image(image_message(pixels, "mono16", row_padding=1))
    assert decoded.flags.aligned
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("layout", sorted(STORED))
def test_channel_order(layout, bits, padding, is_bigendian):
    colour = {"r": 200, "g": 100, "b": 50, "a": 7}
    factor = 257 if bits == 16 else 1
    stored = np.array([colour[letter] * factor for letter in STORED[layout]], f"u{bits // 8}")
    pixels = np.tile(stored, (2, 3, 1))
    msg = image_message(pixels, f"{layout}{bits}", row_padding=padding, is_bigendian=is_bigendian)
    expected = (100, 100, 100) if layout == "mono" else (200, 100, 50)
    picture = to_rgb(msg)
    assert picture.dtype == np.uint8 and picture.shape == (2, 3, 3)
    assert (picture == expected).all()


def test_sixteen_bits_are_divided_by_257():
    counts = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    picture = to_rgb(image_message(counts, "mono16"))
    np.testing.assert_array_equal(picture[..., 0], np.rint(counts / 257).astype(np.uint8))
    eight = np.arange(256, dtype=np.uint16)[None]
    np.testing.assert_array_equal(to_rgb(image_message(eight * 257, "mono16"))[..., 1], eight)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (5, 7), (6, 3)])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_mosaic_of_one_colour(pattern, size, bits):
    colour = {"r": 200, "g": 100, "b": 50}
    rows, columns = np.indices(size)
    corner = np.array([colour[letter] for letter in pattern]).reshape(2, 2)
    mosaic = corner[rows % 2, columns % 2].astype(f"u{bits // 8}")
    picture = to_rgb(image_message(mosaic * (257 if bits == 16 else 1), f"bayer_{pattern}{bits}"))
    assert (picture == (200, 100, 50)).all()


def test_bayer_is_interpolated_before_the_bits_are_cut():
    # At a blue pixel with green neighbours 0, 0, 200, 200: their mean 100 is nearer to 0 than to 257. Cut to 8 bits
    # first they would be 0, 0, 1, 1, and their mean would round up.
    mosaic = np.zeros((4, 4), np.uint16)
    mosaic[:, ::2] = 200
    picture = to_rgb(image_message(mosaic, "bayer_rggb16"))
    assert picture[1, 1].tolist() == [1, 0, 0]


# BT.601 with luma 16 to 235: hand-computed from R = 1.164 (Y - 16) + 1.596 (V - 128) and its two sisters.
YUV_COLOURS = [
    ((16, 128, 128), (0, 0, 0)),
    ((235, 128, 128), (255, 255, 255)),
    ((81, 90, 240), (254, 0, 0)),
    ((145, 54, 34), (0, 255, 1)),
    ((41, 240, 110), (0, 0, 255)),
]


@pytest.mark.parametrize(("yuv", "rgb"), YUV_COLOURS)
@pytest.mark.parametrize("name", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_yuv_colours(name, yuv, rgb):
    y, u, v = yuv
    pair = [[u, y], [v, y]] if name in ("yuv422", "uyvy") else [[y, u], [y, v]]
    pixels = np.tile(np.array(pair, np.uint8), (2, 2, 1))
    picture = to_rgb(image_message(pixels, name, row_padding=3))
    assert picture.shape == (2, 4, 3)
    assert np.abs(picture.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize("name", ["8UC1", "8UC3", "16UC1", "32FC1", "8SC3"])
def test_plain_encodings_are_no_picture(name):
    with pytest.raises(ImageError, match=rf"^encoding {name} does not say which colours .*accepted.*rgb8"):
        to_rgb(image_message(random_pixels(name, 2, 2, 0), name))


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (9, 2)])
def test_bayer_too_small_to_interpolate(size):
    with pytest.raises(ImageError, match=rf"{size[1]} x {size[0]} is too small for bayer_rggb8"):
        to_rgb(image_message(np.zeros(size, np.uint8), "bayer_rggb8"))


def good_message(**changes) -> SimpleNamespace:
    """4 x 3 pixels of rgb8, with changes."""
    fields = {"height": 3, "width": 4, "encoding": "rgb8", "is_bigendian": 0, "step": 12, "data": bytes(36)}
    return SimpleNamespace(**{**fields, **changes})


def test_the_unchanged_message_is_good():
    assert to_rgb(good_message()).shape == (3, 4, 3)
    assert to_rgb(good_message(height=np.uint32(3), step=np.int64(12), is_bigendian=np.bool_(True))).shape == (3, 4, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "image size 0 x 3 has no area"),
        ({"height": 0, "data": b""}, "image size 4 x 0 has no area"),
        ({"height": -3}, "image size 4 x -3 has no area"),
        ({"width": 4.0}, "whole numbers"),
        ({"width": 2**31, "height": 2**31, "step": 2**33}, "over the limit of 100 megapixels"),
        ({"width": 10_001, "height": 10_000}, "over the limit"),
        ({"step": 11, "data": bytes(33)}, "step 11 is too small; 4 pixels of rgb8 need at least 12"),
        ({"step": 0, "data": b""}, "step 0 is too small"),
        ({"step": -12}, "step -12 is too small"),
        ({"step": "12"}, "step is '12'; a whole number is needed"),
        ({"step": None}, "step is None"),
        ({"data": bytes(35)}, "data has 35 bytes; step 12 x height 3 needs 36"),
        ({"data": bytes(37)}, "data has 37 bytes"),
        ({"data": b""}, "data has 0 bytes"),
        ({"step": 13}, "data has 36 bytes; step 13 x height 3 needs 39"),
        ({"is_bigendian": 2}, "is_bigendian is 2; 0 or 1"),
        ({"is_bigendian": "no"}, "is_bigendian is 'no'"),
        ({"encoding": "rgb"}, "encoding 'rgb' is unknown"),
        ({"encoding": "bgr16"}, "step 12 is too small; 4 pixels of bgr16 need at least 24"),
        ({"encoding": "yuv422", "width": 3}, "width 3 is odd; yuv422 stores pixels in pairs"),
        ({"data": None}, "data is a NoneType; a sequence of bytes"),
        ({"data": "0" * 36}, "data is a str"),
        ({"data": [0] * 35 + [256]}, "data is a list that holds more than bytes"),
        ({"data": [0] * 35 + ["a"]}, "data is a list"),
        ({"data": np.zeros(36, np.uint16)}, "data holds 'H' items"),
        ({"data": np.zeros(72, np.uint8)[::2]}, r"strides \(2,\); contiguous"),
        ({"data": array.array("f", [0] * 9)}, "data holds 'f' items"),
    ],
)
def test_wrong_fields_are_refused(changes, message):
    for function in (decode_image, to_rgb):
        with pytest.raises(ImageError, match=message) as caught:
            function(good_message(**changes))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["height", "width", "encoding", "is_bigendian", "step", "data"])
def test_a_missing_field_is_named(name):
    msg = good_message()
    delattr(msg, name)
    with pytest.raises(ImageError, match=f"a SimpleNamespace has no field '{name}'"):
        to_rgb(msg)


@settings(max_examples=300, deadline=None)
@given(
    encoding=st.one_of(st.sampled_from(ALL_ENCODINGS), st.text(max_size=8)),
    width=st.integers(-2, 9),
    height=st.integers(-2, 9),
    step=st.integers(-3, 60),
    is_bigendian=st.integers(-1, 2),
    data=st.binary(max_size=120),
    fit=st.booleans(),
)
def test_any_message_is_a_picture_or_one_line(encoding, width, height, step, is_bigendian, data, fit):
    if fit and height > 0 and step > 0:
        data = bytes(height * step)
    msg = good_message(encoding=encoding, width=width, height=height, step=step, is_bigendian=is_bigendian, data=data)
    try:
        picture = to_rgb(msg)
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert picture.shape == (height, width, 3) and picture.dtype == np.uint8


@pytest.mark.parametrize(
    ("pixels", "encoding", "message"),
    [
        (np.zeros((2, 2), np.uint8), "rgb8", r"uint8 of shape \(2, 2\); rgb8 needs uint8 of shape \(H, W, 3\)"),
        (np.zeros((2, 2, 4), np.uint8), "rgb8", r"\(2, 2, 4\)"),
        (np.zeros((2, 2, 3), np.uint16), "rgb8", "uint16 of shape"),
        (np.zeros((2, 2, 3), np.uint8), "mono8", r"mono8 needs uint8 of shape \(H, W\)"),
        (np.zeros((2, 2), np.float64), "32FC1", "float64.*32FC1 needs float32"),
        (np.zeros((2, 2, 2, 1), np.uint8), "mono8", "shape"),
        (np.zeros(4, np.uint8), "mono8", "shape"),
        (np.zeros((0, 2), np.uint8), "mono8", "no area"),
        (np.zeros((2, 3, 2), np.uint8), "yuyv", "odd"),
        (np.zeros((2, 2), np.uint8), "grey", "unknown"),
    ],
)
def test_pixels_that_do_not_fit_are_refused(pixels, encoding, message):
    with pytest.raises(ImageError, match=message):
        encode_image(pixels, encoding)


def test_encoding_takes_any_memory_layout():
    pixels = random_pixels("rgb16", 4, 3, 5)
    for same in (np.asfortranarray(pixels), pixels.astype(">u2"), np.flip(np.flip(pixels, 1).copy(), 1)):
        np.testing.assert_array_equal(decode_image(image_message(same, "rgb16")), pixels)
    assert decode_image(image_message(np.zeros((2, 3, 1), np.uint8), "mono8")).shape == (2, 3)


def test_negative_padding_is_refused():
    with pytest.raises(ImageError, match="row_padding is -1"):
        encode_image(np.zeros((2, 2), np.uint8), "mono8", row_padding=-1)
