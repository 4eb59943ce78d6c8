"""The last quarter of a recording is test; nothing of it, or next to it, is trained on."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros.errors import SourceError
from training.bag_split import MIN_FRAMES, split_by_time


def test_eighty_frames() -> None:
    stamps = [1000 + 100 * number for number in range(80)]
    split = split_by_time(stamps, "bag")
    assert split.part(stamps, "train") == (0, 45)
    assert split.part(stamps, "validation") == (48, 57)
    assert split.part(stamps, "test") == (60, 79)


@given(
    st.lists(st.integers(0, 10**12), min_size=MIN_FRAMES, max_size=200, unique=True).map(sorted),
    st.randoms(use_true_random=False),
)
def test_parts_do_not_touch_whatever_is_left_out_later(stamps: list[int], random: object) -> None:
    split = split_by_time(stamps, "bag")
    chosen = [stamp for stamp in stamps if random.random() < 0.7]  # type: ignore[attr-defined]
    for kept in (stamps, chosen):
        parts = [split.part(kept, name) for name in ("train", "validation", "test")]
        ranges = [kept[first : last + 1] for first, last in parts]
        for earlier, later in itertools.pairwise(ranges):
            if earlier and later:
                between = [stamp for stamp in stamps if earlier[-1] < stamp < later[0]]
                assert between, "no gap"
    assert all(last >= first for first, last in [split.part(stamps, name) for name in ("train", "validation", "test")])


def test_an_empty_part_is_empty() -> None:
    stamps = list(range(40))
    assert split_by_time(stamps, "bag").part([0, 1, 2], "test") == (0, -1)


def test_too_few_frames() -> None:
    with pytest.raises(SourceError, match="short: 19 frames that can be used; at least 20 are needed"):
        split_by_time(list(range(19)), "short")
