"""Gradient matching against the slow loop, at the borders of masks, and image by image."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from tests.training.losses.maps import mask, random_maps, row
from tests.training.losses.slow_losses import difference, gradient_matching, pixels
from training.losses import gradient_matching_loss


def test_by_hand() -> None:
    """Residual 1 0 2 0 4: across 1 2 2 4, at stride 2 1 2, at stride 4 3, at 8 none."""
    loss = gradient_matching_loss(row(1, 0, 2, 0, 4), row(0, 0, 0, 0, 0), mask(1, 1, 1, 1, 1))
    assert loss.tolist() == pytest.approx([9 / 4 + 3 / 2 + 3])
    assert gradient_matching_loss(
        row(1, 0, 2, 0, 4), row(0, 0, 0, 0, 0), mask(1, 1, 1, 1, 1), num_scales=1
    ).tolist() == pytest.approx([9 / 4])


@pytest.mark.parametrize("seed", range(3))
def test_against_the_slow_loss(seed: int) -> None:
    pred, true, valid = random_maps(seed, 3, 18, 11)
    slow = [
        gradient_matching(difference(pixels(pred[n], valid[n]), pixels(true[n], valid[n])), 18, 11) for n in range(3)
    ]
    assert gradient_matching_loss(pred, true, valid).tolist() == pytest.approx(slow, rel=1e-12)


def test_a_jump_at_the_border_of_the_mask_does_not_count() -> None:
    """Sky at 0 beside a wall at 7, where only the wall is valid."""
    pred = row(7, 7, 0, 0).requires_grad_()
    loss = gradient_matching_loss(pred, row(7, 7, torch.nan, torch.nan), mask(1, 1, 0, 0))
    loss.sum().backward()
    assert loss.item() == 0 and pred.grad is not None and (pred.grad == 0).all()


def test_an_edge_of_the_truth_that_is_missing_costs_and_one_that_is_there_does_not() -> None:
    edge, valid = row(0, 0, 5, 5), mask(1, 1, 1, 1)
    assert gradient_matching_loss(edge + 3, edge, valid).item() == 0
    assert gradient_matching_loss(row(1, 2, 3, 4), edge, valid).item() > 1


def test_images_do_not_share_their_count() -> None:
    pred, true, valid = random_maps(4, 2, 9, 9)
    valid[1, 2:] = False
    together = gradient_matching_loss(pred, true, valid)
    alone = torch.cat([gradient_matching_loss(pred[n : n + 1], true[n : n + 1], valid[n : n + 1]) for n in range(2)])
    torch.testing.assert_close(together, alone)


def test_without_valid_pixels_it_is_0() -> None:
    pred, true, valid = random_maps(5, 1, 4, 4)
    pred.requires_grad_()
    loss = gradient_matching_loss(pred, true * torch.nan, torch.zeros_like(valid))
    loss.sum().backward()
    assert loss.item() == 0 and pred.grad is not None and (pred.grad == 0).all()


def test_gradients() -> None:
    pred, true, valid = random_maps(6, 2, 4, 5)
    assert gradcheck(lambda p: gradient_matching_loss(p, true, valid), (pred.requires_grad_(),))
