"""The losses of log depth: shares of the scale error, image by image."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from torch.autograd import gradcheck

from tests.training.losses.maps import mask, random_maps, row
from tests.training.losses.slow_losses import difference, pixels
from training.losses import scale_loss, silog_loss


def test_silog_of_a_pure_scale_error_is_the_share_of_it_that_is_kept() -> None:
    error, zero, valid = row(0.3, 0.3, 0.3), row(0, 0, 0), mask(1, 1, 1)
    assert silog_loss(error, zero, valid, variance_focus=0.0).tolist() == pytest.approx([0.3], abs=1e-5)
    assert silog_loss(error, zero, valid, variance_focus=0.5).tolist() == pytest.approx([0.3 * 0.5**0.5], abs=1e-5)
    assert silog_loss(error, zero, valid, variance_focus=1.0).tolist() == pytest.approx([1e-3], abs=1e-6)


@pytest.mark.parametrize("focus", [0.0, 0.5, 1.0])
def test_against_the_slow_loss(focus: float) -> None:
    pred, true, valid = random_maps(0, 3, 5, 6)
    slow, slow_scale = [], []
    for n in range(3):
        errors = list(difference(pixels(pred[n], valid[n]), pixels(true[n], valid[n])).values())
        mean = statistics.fmean(errors)
        slow.append(math.sqrt(statistics.fmean(e * e for e in errors) - focus * mean * mean + 1e-6))
        slow_scale.append(abs(mean))
    assert silog_loss(pred, true, valid, variance_focus=focus).tolist() == pytest.approx(slow, rel=1e-12)
    assert scale_loss(pred, true, valid).tolist() == pytest.approx(slow_scale, rel=1e-12)


def test_invalid_pixels_count_for_nothing_even_when_they_are_nan() -> None:
    pred = row(0.1, 0.2, 0.3).requires_grad_()
    true, valid = row(0, 0, torch.nan), mask(1, 1, 0)
    total = silog_loss(pred, true, valid, variance_focus=0.5) + scale_loss(pred, true, valid)
    total.sum().backward()
    assert torch.isfinite(total).all() and pred.grad is not None
    assert torch.isfinite(pred.grad).all() and pred.grad[0, 0, 2] == 0


def test_an_empty_image_is_0_and_not_nan() -> None:
    pred, true, valid = random_maps(1, 2, 5, 6)
    valid[1] = False
    pred.requires_grad_()
    losses = silog_loss(pred, true, valid, variance_focus=0.5), scale_loss(pred, true, valid)
    sum(loss.sum() for loss in losses).backward()
    assert all(loss[0] > 0 and loss[1] == 0 for loss in losses)
    assert pred.grad is not None and torch.isfinite(pred.grad).all() and (pred.grad[1] == 0).all()


def test_a_perfect_prediction_has_a_finite_gradient() -> None:
    pred = row(0.1, 0.2).requires_grad_()
    silog_loss(pred, pred.detach(), mask(1, 1), variance_focus=0.5).sum().backward()
    assert pred.grad is not None and torch.isfinite(pred.grad).all()


def test_gradients() -> None:
    pred, true, valid = random_maps(2, 2, 4, 5)
    pred.requires_grad_()
    assert gradcheck(lambda p: silog_loss(p, true, valid, variance_focus=0.5), (pred,))
    assert gradcheck(lambda p: scale_loss(p, true, valid), (pred,))
