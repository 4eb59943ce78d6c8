"""Which pixels are left out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.losses.maps import mask, random_maps, row
from tests.training.losses.slow_losses import pixels, smallest
from training.losses import keep_smallest


def test_by_hand() -> None:
    kept = keep_smallest(row(3, 1, 9, 2, 8), mask(1, 1, 0, 1, 1), 0.5)
    assert kept.flatten().tolist() == [False, True, False, True, False]


@given(seed=st.integers(0, 10_000), share=st.floats(0, 0.99), valid_share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_the_share_is_of_each_image_alone(seed: int, share: float, valid_share: float) -> None:
    """Not over the batch, as in Video Depth Anything's released loss: the second image's loss is 100 times larger."""
    loss, _, valid = random_maps(seed, 2, 5, 6, valid_share=valid_share)
    loss = loss.abs() * torch.tensor([1.0, 100.0]).reshape(2, 1, 1)
    kept = keep_smallest(loss, valid, share)
    for n in range(2):
        places = {tuple(place) for place in kept[n].nonzero().tolist()}
        assert places == smallest(pixels(loss[n], valid[n]), share)


@pytest.mark.parametrize(("share", "pixels_left_out"), [(0.1, 10), (0.29, 29), (0.57, 57), (0.019, 1)])
def test_a_hundred_pixels(share: float, pixels_left_out: int) -> None:
    """0.29 * 100 and 0.57 * 100 are a little less than 29 and 57 in floating point."""
    kept = keep_smallest(row(*range(100)), mask(*[1] * 100), share)
    assert kept.flatten().tolist() == [True] * (100 - pixels_left_out) + [False] * pixels_left_out


def test_no_share_keeps_all_and_equal_losses_keep_the_first() -> None:
    valid = mask(1, 0, 1, 1, 1)
    assert torch.equal(keep_smallest(row(1, 1, 1, 1, 1), valid, 0.0), valid)
    assert torch.equal(keep_smallest(row(1, 1, 1, 1, 1), valid, 0.5), mask(1, 0, 1, 0, 0))
