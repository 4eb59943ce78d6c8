"""Depth images: millimetres and metres, and what stands for no depth, too near and too far."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from depth_anything_ros.depth_codec import decode_depth, depth_to_millimetres, encode_depth_image
from depth_anything_ros.errors import ImageError
from tests.image_messages import image_message

NAN, INF = np.nan, np.inf


def metres(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


@pytest.mark.parametrize("name", ["16UC1", "mono16"])
@pytest.mark.parametrize("is_bigendian", [False, True])
def test_millimetres_to_metres(name, is_bigendian):
    counts = np.array([[0, 1, 1500, 65535]], np.uint16)
    depth = decode_depth(image_message(counts, name, row_padding=1, is_bigendian=is_bigendian))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, metres(NAN, 0.001, 1.5, 65.535))


def test_every_millimetre_is_correctly_rounded():
    counts = np.arange(1, 65536, dtype=np.uint16)[None]
    expected = (counts / 1000.0).astype(np.float32)
    np.testing.assert_array_equal(decode_depth(image_message(counts, "16UC1")), expected)


def test_metres_keep_infinities_and_lose_zeros():
    depth = decode_depth(image_message(metres(NAN, 0, -0.0, -2, 1.25, INF, -INF), "32FC1"))
    np.testing.assert_array_equal(depth, metres(NAN, NAN, NAN, NAN, 1.25, INF, -INF))


def test_decoding_leaves_the_message_alone():
    msg = image_message(metres(0, -1, 2), "32FC1")
    before = bytes(msg.data)
    decode_depth(msg)[:] = 9
    assert bytes(msg.data) == before


@pytest.mark.parametrize("name", ["8UC1", "mono8", "rgb8", "64FC1", "16SC1", "32FC2", "bayer_rggb16"])
def test_other_encodings_are_no_depth(name):
    with pytest.raises(ImageError, match=f"encoding {name} is no depth; accepted: 32FC1, 16UC1, mono16"):
        decode_depth(SimpleNamespace(encoding=name, width=1, height=1, step=8, is_bigendian=0, data=bytes(8)))


def test_metres_to_millimetres_by_hand():
    depth = metres(NAN, INF, -INF, 0, -1, 0.0004, 0.0006, 1.2344, 1.2346, 65.5354, 65.5356, 70, 1e30, -1e30, 3e6)
    expected = [[0, 0, 0, 0, 0, 0, 1, 1234, 1235, 65535, 0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(depth_to_millimetres(depth), expected)


def test_last_float_below_the_limit():
    last = np.float32(65.5355)
    neighbours = [np.nextafter(last, np.float32(0)), last, np.nextafter(last, np.float32(99))]
    counts = depth_to_millimetres(np.array([neighbours]))
    assert counts.tolist() == [[65535, 65535, 0]]


@settings(max_examples=200, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        elements=st.one_of(st.floats(width=32), st.floats(0, 70, width=32)),
    )
)
def test_millimetres_of_any_float(depth):
    with np.errstate(all="ignore"):
        exact = np.rint(depth.astype(np.float64) * 1000)
    expected = np.where((exact >= 1) & (exact <= 65535), exact, 0)
    np.testing.assert_array_equal(depth_to_millimetres(depth), expected)


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.uint16, (3, 4)))
def test_millimetres_survive_the_round_trip(counts):
    msg = SimpleNamespace(**encode_depth_image(decode_depth(image_message(counts, "16UC1")), "16UC1"))
    assert msg.encoding == "16UC1"
    np.testing.assert_array_equal(np.frombuffer(msg.data, "<u2").reshape(3, 4), counts)


def test_metres_survive_the_round_trip(tolerance):
    depth = metres(NAN, INF, -INF, 0.3, 79.9)
    msg = SimpleNamespace(**encode_depth_image(depth))
    assert (msg.encoding, msg.step, msg.is_bigendian) == ("32FC1", 20, 0)
    np.testing.assert_array_equal(decode_depth(msg), depth)
    through_mm = decode_depth(SimpleNamespace(**encode_depth_image(metres(0.3004, 1.23456), "16UC1")))
    np.testing.assert_allclose(through_mm, metres(0.3004, 1.23456), **tolerance["millimetre"])


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (1, 1), (4, 4)])
def test_an_image_of_the_size_of_an_opencv_scalar(shape):
    np.testing.assert_array_equal(depth_to_millimetres(np.full(shape, 2, np.float32)), np.full(shape, 2000))


def test_any_memory_layout():
    depth = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    for view in (depth[::-1], depth[:, ::-1], depth.T, depth[:, 1:3]):
        np.testing.assert_array_equal(depth_to_millimetres(view), view * 1000)


@pytest.mark.parametrize(
    ("depth", "encoding", "message"),
    [
        (metres(1), "64FC1", "depth encoding '64FC1' is unknown; accepted: 32FC1, 16UC1"),
        (metres(1).astype(np.float64), "16UC1", "depth is float64"),
        (np.ones((1, 2), np.uint16), "32FC1", "depth is uint16"),
        (np.ones((1, 2, 1), np.float32), "16UC1", r"shape \(1, 2, 1\)"),
        (np.ones((0, 2), np.float32), "16UC1", r"shape \(0, 2\)"),
    ],
)
def test_what_is_no_depth_is_refused(depth, encoding, message):
    with pytest.raises(ImageError, match=message):
        encode_depth_image(depth, encoding)
