"""The loss of a sky output counts where sky is known."""

from __future__ import annotations

import math
import statistics

import pytest
import torch
from torch.autograd import gradcheck

from tests.training.losses.maps import mask, random_maps, row
from training.losses import sky_loss


def test_known_pixels_only() -> None:
    logit, sky = row(10, -10, -10), mask(1, 0, 1)
    assert sky_loss(logit, sky, mask(1, 1, 0)).item() == pytest.approx(0, abs=1e-4)
    assert sky_loss(logit, sky, mask(1, 1, 1)).item() == pytest.approx(10 / 3, abs=1e-3)


def test_against_the_slow_loss_image_by_image() -> None:
    logit, other, known = random_maps(0, 3, 5, 6)
    known[2] = False
    slow = [
        statistics.fmean(
            math.log1p(math.exp(float(-x if s else x)))
            for x, s in zip(logit[n][known[n]], other[n][known[n]] > 0, strict=True)
        )
        for n in range(2)
    ]
    assert sky_loss(logit, other > 0, known).tolist() == pytest.approx([*slow, 0], rel=1e-12)


def test_gradients() -> None:
    logit, other, known = random_maps(1, 2, 4, 5)
    known[1] = False
    logit.requires_grad_()
    assert gradcheck(lambda x: sky_loss(x, other > 0, known), (logit,))
    sky_loss(logit, other > 0, known).sum().backward()
    assert logit.grad is not None and (logit.grad[~known] == 0).all() and torch.isfinite(logit.grad).all()
