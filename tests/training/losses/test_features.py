"""Feature alignment: the margin, the borders of CutMix, and what must stay still."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from training.losses import feature_alignment_loss, whole_patches


def tokens(*angles_deg: float) -> torch.Tensor:
    """One image whose tokens have these angles in the plane: (1, l, 2), float64."""
    angles = torch.tensor(angles_deg, dtype=torch.float64).deg2rad()
    return torch.stack((angles.cos(), angles.sin()), dim=1)[None]


def test_by_hand() -> None:
    """cos 0, 30, 60, 90 and 180 degrees: the first two are above 0.85."""
    student, frozen = tokens(0, 30, 60, 90, 180), tokens(0, 0, 0, 0, 0)
    assert feature_alignment_loss(student, frozen).tolist() == pytest.approx([(0.5 + 1 + 2) / 3])
    expected = (1 - math.cos(math.pi / 6) + 0.5 + 1 + 2) / 4
    assert feature_alignment_loss(student, frozen, margin=0.9).tolist() == pytest.approx([expected])


def test_tokens_beyond_the_margin_get_no_gradient() -> None:
    student = tokens(30, 60).requires_grad_()
    feature_alignment_loss(student, tokens(0, 0)).sum().backward()
    assert student.grad is not None and (student.grad[0, 0] == 0).all() and student.grad[0, 1].abs().max() > 0.1


def test_identical_features_have_neither_loss_nor_gradient() -> None:
    frozen = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    student = frozen.clone().requires_grad_()
    loss = feature_alignment_loss(student, frozen)
    loss.sum().backward()
    assert loss.tolist() == [0, 0] and student.grad is not None and (student.grad == 0).all()


def test_the_frozen_encoder_stays_frozen() -> None:
    student, frozen = tokens(60).requires_grad_(), tokens(0).requires_grad_()
    feature_alignment_loss(student, frozen).sum().backward()
    assert student.grad is not None and frozen.grad is None


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_length_does_not_matter(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    student, frozen = (torch.randn(2, 5, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(
        feature_alignment_loss(scale * student, frozen), feature_alignment_loss(student, frozen), rtol=1e-9, atol=1e-12
    )


def test_each_image_has_its_own_mean() -> None:
    student = torch.cat((tokens(90, 0, 0), tokens(90, 180, 60)))
    assert feature_alignment_loss(student, torch.cat((tokens(0, 0, 0),) * 2)).tolist() == pytest.approx([1, 3.5 / 3])


def test_patches_that_are_not_kept_do_not_count() -> None:
    keep = torch.tensor([[True, False, True]])
    assert feature_alignment_loss(tokens(90, 180, 90), tokens(0, 0, 0), keep).tolist() == pytest.approx([1])
    assert feature_alignment_loss(tokens(90, 180, 10), tokens(0, 0, 0), keep).tolist() == pytest.approx([1])
    assert feature_alignment_loss(tokens(90, 180, 90), tokens(0, 0, 0), torch.zeros_like(keep)).tolist() == [0]


def test_patches_that_a_border_cuts() -> None:
    """A box over rows 2 to 5 and columns 2 to 4 of patches of 2: it cuts the third column's patches."""
    inside = torch.zeros(2, 6, 8, dtype=torch.bool)
    inside[0, 2:6, 2:5] = True
    whole = whole_patches(inside, patch_size=2).reshape(2, 3, 4)
    assert whole[0].tolist() == [[True] * 4, [True, True, False, True], [True, True, False, True]]
    assert whole[1].all()


@given(top=st.integers(0, 27), left=st.integers(0, 41), height=st.integers(0, 28), width=st.integers(0, 42))
@settings(max_examples=30, deadline=None)
def test_whole_patches_against_a_loop(top: int, left: int, height: int, width: int) -> None:
    inside = torch.zeros(1, 28, 42, dtype=torch.bool)
    inside[0, top : top + height, left : left + width] = True
    slow = [
        len({bool(value) for value in inside[0, y : y + 14, x : x + 14].flatten()}) == 1
        for y in range(0, 28, 14)
        for x in range(0, 42, 14)
    ]
    assert whole_patches(inside)[0].tolist() == slow


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(3)
    student, frozen = (torch.randn(2, 5, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    keep = torch.rand(2, 5, generator=generator) > 0.3
    assert gradcheck(lambda s: feature_alignment_loss(s, frozen, keep), (student.requires_grad_(),))


def test_half_precision_is_computed_in_full() -> None:
    student, frozen = torch.randn(2, 1, 9, 64, generator=torch.Generator().manual_seed(4)).bfloat16()
    loss = feature_alignment_loss(student, frozen)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, feature_alignment_loss(student.double(), frozen.double()).float())
