"""The losses against hand-computed values, slow reference loops and float64 gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from training.losses import gradient_matching_loss, scale_loss, silog_loss, sky_loss


def full(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1)


def test_silog_of_a_pure_scale_error_is_the_share_of_it_that_is_kept() -> None:
    error = full(0.3, 0.3, 0.3)
    valid = torch.ones_like(error, dtype=torch.bool)
    zero = torch.zeros_like(error)
    assert silog_loss(error, zero, valid, variance_focus=0.0).item() == pytest.approx(0.3, abs=1e-5)
    assert silog_loss(error, zero, valid, variance_focus=0.5).item() == pytest.approx(0.3 * math.sqrt(0.5), abs=1e-5)
    assert silog_loss(error, zero, valid, variance_focus=1.0).item() == pytest.approx(1e-3, abs=1e-6)


def test_silog_is_computed_image_by_image() -> None:
    pred = torch.zeros(2, 1, 4, dtype=torch.float64)
    pred[1] = 0.4
    valid = torch.ones(2, 1, 4, dtype=torch.bool)
    valid[1, 0, 1:] = False
    loss = silog_loss(pred, torch.zeros_like(pred), valid, variance_focus=0.0)
    assert loss.item() == pytest.approx((1e-3 + 0.4) / 2, abs=1e-5)


def test_scale_loss_is_the_mean_and_leaves_the_shape_to_silog() -> None:
    pred = torch.tensor([[[0.5, 0.1, 9.0]], [[-0.2, -0.2, -0.2]]], dtype=torch.float64)
    valid = torch.tensor([[[True, True, False]], [[True, True, True]]])
    assert scale_loss(pred, torch.zeros_like(pred), valid).item() == pytest.approx((0.3 + 0.2) / 2)


def test_invalid_pixels_count_for_nothing_even_when_they_are_nan() -> None:
    pred = full(0.1, 0.2, 0.3).requires_grad_()
    true = full(0.0, 0.0, float("nan"))
    valid = torch.tensor([[[True, True, False]]])
    total = silog_loss(pred, true, valid, variance_focus=0.5) + gradient_matching_loss(pred, true, valid)
    total.backward()
    assert torch.isfinite(total) and torch.isfinite(pred.grad).all() and pred.grad[0, 0, 2] == 0


def test_an_empty_mask_gives_zero_and_not_nan() -> None:
    pred = full(0.1, 0.2).requires_grad_()
    nothing = torch.zeros(1, 1, 2, dtype=torch.bool)
    losses = (
        silog_loss(pred, full(0.0, 0.0), nothing, variance_focus=0.5),
        gradient_matching_loss(pred, full(0.0, 0.0), nothing),
        scale_loss(pred, full(0.0, 0.0), nothing),
        sky_loss(pred, nothing, nothing),
    )
    for loss in losses:
        assert loss.item() == 0.0
    sum(losses).backward()
    assert torch.isfinite(pred.grad).all()


def test_gradient_matching_against_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    pred, true = (torch.randn(2, 9, 11, generator=generator, dtype=torch.float64) for _ in range(2))
    valid = torch.rand(2, 9, 11, generator=generator) > 0.3
    expected = 0.0
    for step in (1, 2, 4, 8):
        total, count = 0.0, 0
        residual = pred - true
        for n in range(2):
            for y in range(0, 9, step):
                for x in range(0, 11, step):
                    for yy, xx in ((y + step, x), (y, x + step)):
                        if yy < 9 and xx < 11 and valid[n, y, x] and valid[n, yy, xx]:
                            total += abs(float(residual[n, yy, xx] - residual[n, y, x]))
                            count += 1
        expected += total / max(1, count) / 4
    assert gradient_matching_loss(pred, true, valid).item() == pytest.approx(expected, rel=1e-10)


def test_gradients_are_right_in_float64() -> None:
    generator = torch.Generator().manual_seed(2)
    pred = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    true = torch.randn(2, 4, 5, generator=generator, dtype=torch.float64)
    valid = torch.rand(2, 4, 5, generator=generator) > 0.2
    assert gradcheck(lambda p: silog_loss(p, true, valid, variance_focus=0.5), (pred,))
    assert gradcheck(lambda p: gradient_matching_loss(p, true, valid), (pred,))
    assert gradcheck(lambda p: sky_loss(p, true > 0, valid), (pred,))


def test_sky_loss_takes_known_pixels_only() -> None:
    logit = full(10.0, -10.0, -10.0)
    sky = torch.tensor([[[True, False, True]]])
    known = torch.tensor([[[True, True, False]]])
    assert sky_loss(logit, sky, known).item() == pytest.approx(0.0, abs=1e-4)
    assert sky_loss(logit, sky, torch.ones_like(known)).item() > 3
