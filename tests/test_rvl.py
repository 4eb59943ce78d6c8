"""RVL streams: by hand, round trips, and every way to be broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_anything_ros.errors import ImageError
from depth_anything_ros.rvl import decode_rvl
from tests.image_messages import encode_rvl


def stream(words: str) -> bytes:
    """Little-endian words, written from their top nibble as the numbers follow each other."""
    return b"".join(bytes.fromhex(word)[::-1] for word in words.split())


def test_stream_by_hand():
    # 0 5 6 0 is: 1 zero, 2 others, +5 -> 10 (low 010 with more, then 001), +1 -> 2, 1 zero, no others.
    assert encode_rvl(np.array([0, 5, 6, 0])) == stream("12a12100")
    assert decode_rvl(stream("12a12100"), 4).tolist() == [0, 5, 6, 0]
    # 7 6 is: no zero, 2 others, +7 -> 14 (110 with more, 001), -1 -> 1.
    assert decode_rvl(stream("02e11000"), 2).tolist() == [7, 6]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.just(0), st.integers(1, 65535), st.integers(1000, 1020)), min_size=1, max_size=90))
def test_round_trip(values):
    decoded = decode_rvl(encode_rvl(np.array(values)), len(values))
    assert decoded.dtype == np.uint16
    assert decoded.tolist() == values


def test_long_runs():
    counts = np.zeros(300_000, np.uint16)
    counts[100_000:220_000] = 1 + np.arange(120_000) % 65535
    np.testing.assert_array_equal(decode_rvl(encode_rvl(counts), counts.size), counts)
    np.testing.assert_array_equal(decode_rvl(encode_rvl(counts * 0), counts.size), counts * 0)


def test_every_truncation_is_one_line():
    counts = np.random.default_rng(0).integers(0, 3, 81) * 700
    whole = encode_rvl(counts)
    for end in range(len(whole)):
        with pytest.raises(ImageError, match=r"^RVL data is truncated: [^\n]*of 81[^\n]*$"):
            decode_rvl(whole[:end], 81)


@pytest.mark.parametrize(
    ("num_pixels", "words", "message"),
    [
        (4, "50000000", r"corrupt: a run of 5 \+ 0 at pixel 0 of 4"),
        (4, "23111000", r"corrupt: a run of 2 \+ 3 at pixel 0 of 4"),
        (4, "00000000", r"corrupt: a run of 0 \+ 0 at pixel 0 of 4"),
        (4, "ffffffff ffffffff 00000000", "corrupt: a number of 17 nibbles, 11 at most"),
        (4, "ffffffff", "truncated: it ends at pixel 0 of 4"),
        (1, "01100000", "corrupt: a value is outside 0 to 65535"),
        (2, "20120000", "corrupt: it goes on after the last of 2 pixels"),
    ],
)
def test_corruption_is_named(num_pixels, words, message):
    with pytest.raises(ImageError, match=message):
        decode_rvl(stream(words), num_pixels)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 200))
def test_garbage_is_values_or_one_line(data, num_pixels):
    try:
        values = decode_rvl(data, num_pixels)
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert values.shape == (num_pixels,)
