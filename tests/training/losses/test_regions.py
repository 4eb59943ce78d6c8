"""The loss of mixed images: each region with its own scale and shift, by area."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from tests.training.losses.maps import random_maps
from tests.training.losses.slow_losses import difference, gradient_matching, mean_absolute, normalised, pixels, smallest
from training.losses import affine_invariant_loss, gradient_matching_loss, normalise_affine, region_loss


def box(n: int, height: int, width: int, rows: slice, columns: slice) -> torch.Tensor:
    inside = torch.zeros(n, height, width, dtype=torch.bool)
    inside[:, rows, columns] = True
    return inside


@pytest.mark.parametrize(("ignore_share", "gradient_weight"), [(0.0, 0.0), (0.1, 0.0), (0.3, 2.0)])
def test_against_the_slow_loss(ignore_share: float, gradient_weight: float) -> None:
    pred, true, valid = random_maps(0, 2, 9, 10)
    inside = box(2, 9, 10, slice(2, 7), slice(3, 9))
    slow = []
    for n in range(2):
        regions = [
            difference(normalised(pixels(pred[n], region)), normalised(pixels(true[n], region)))
            for region in (valid[n] & inside[n], valid[n] & ~inside[n])
        ]
        kept = smallest({place: abs(value) for region in regions for place, value in region.items()}, ignore_share)
        total = 0.0
        for region, area in zip(regions, (30 / 90, 60 / 90), strict=True):
            rest = {place: value for place, value in region.items() if place in kept}
            total += area * (mean_absolute(rest) + gradient_weight * gradient_matching(rest, 9, 10))
        slow.append(total)
    loss = region_loss(pred, true, valid, inside, ignore_share=ignore_share, gradient_weight=gradient_weight)
    assert loss.tolist() == pytest.approx(slow, rel=1e-12)


def test_without_a_box_it_is_the_plain_loss() -> None:
    """Mask 0 is no CutMix, and so is mask 1."""
    pred, true, valid = random_maps(1, 2, 6, 7)
    for inside in (torch.zeros_like(valid), torch.ones_like(valid)):
        torch.testing.assert_close(region_loss(pred, true, valid, inside), affine_invariant_loss(pred, true, valid))
        edges = gradient_matching_loss(normalise_affine(pred, valid), normalise_affine(true, valid), valid)
        both = region_loss(pred, true, valid, inside, gradient_weight=2.0)
        torch.testing.assert_close(both, affine_invariant_loss(pred, true, valid) + 2 * edges)


@given(
    seed=st.integers(0, 10_000),
    scales=st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)),
    shifts=st.tuples(st.floats(-10, 10), st.floats(-10, 10)),
)
@settings(max_examples=30, deadline=None)
def test_each_region_may_have_a_scale_and_shift_of_its_own(
    seed: int, scales: tuple[float, float], shifts: tuple[float, float]
) -> None:
    """The two images' teacher maps know nothing of each other."""
    pred, true, valid = random_maps(seed, 1, 8, 9)
    inside = box(1, 8, 9, slice(1, 6), slice(2, 8))
    moved = torch.where(inside, scales[0] * pred + shifts[0], scales[1] * pred + shifts[1])
    options = {"ignore_share": 0.1, "gradient_weight": 2.0}
    expected = region_loss(pred, true, valid, inside, **options).item()
    assert region_loss(moved, true, valid, inside, **options).item() == pytest.approx(expected, rel=1e-6)
    assert region_loss(torch.where(inside, true * 3 + 1, true), true, valid, inside, **options).item() < 1e-9


@given(seed=st.integers(0, 10_000), top=st.integers(0, 5), left=st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_the_areas_add_up_to_one(seed: int, top: int, left: int) -> None:
    """Near and far exchanged costs 2 in every region, so 2 in all."""
    _, true, _ = random_maps(seed, 1, 8, 9)
    inside = box(1, 8, 9, slice(top, top + 3), slice(left, left + 4))
    assert region_loss(-true, true, torch.ones_like(inside), inside).item() == pytest.approx(2)


def test_a_region_of_one_value_teaches_nothing_and_costs_nothing() -> None:
    pred, true, valid = random_maps(2, 1, 8, 9)
    inside = box(1, 8, 9, slice(0, 4), slice(0, 9))
    true = torch.where(inside, 0.0, true)
    pred.requires_grad_()
    loss = region_loss(pred, true, valid, inside, ignore_share=0.1, gradient_weight=2.0)
    loss.sum().backward()
    assert pred.grad is not None and (pred.grad[inside] == 0).all() and pred.grad[~inside].abs().max() > 0
    plain = region_loss(pred, true, valid & ~inside, torch.zeros_like(inside), ignore_share=0.1, gradient_weight=2.0)
    torch.testing.assert_close(loss, plain / 2)


def test_errors_of_the_label_are_ignored() -> None:
    """Nine of a hundred labels are wrong by far: the gradient does not see them, and the loss of the rest is whole."""
    pred, _, _ = random_maps(3, 1, 10, 10)
    true = pred.clone()
    true[0, 0, :9] += 50
    pred.requires_grad_()
    nowhere, valid = torch.zeros(1, 10, 10, dtype=torch.bool), torch.ones(1, 10, 10, dtype=torch.bool)
    loss = region_loss(pred, true, valid, nowhere, ignore_share=0.1)
    assert loss.item() < 0.8 * region_loss(pred, true, valid, nowhere).item()
    difference_hw = (normalise_affine(pred, valid) - normalise_affine(true, valid))[0].abs()
    assert loss.item() == pytest.approx(difference_hw.flatten().sort().values[:90].mean().item())


def test_nothing_valid_is_0() -> None:
    pred, true, valid = random_maps(4, 1, 6, 7)
    pred.requires_grad_()
    inside = box(1, 6, 7, slice(0, 3), slice(0, 3))
    nothing = torch.zeros_like(valid)
    loss = region_loss(pred, true * torch.nan, nothing, inside, ignore_share=0.1, gradient_weight=2.0)
    loss.sum().backward()
    assert loss.item() == 0 and pred.grad is not None and (pred.grad == 0).all()


def test_gradients() -> None:
    pred, true, valid = random_maps(5, 2, 5, 6)
    inside = box(2, 5, 6, slice(1, 4), slice(1, 5))
    inside[1] = False
    pred.requires_grad_()
    assert gradcheck(lambda p: region_loss(p, true, valid, inside, ignore_share=0.1, gradient_weight=2.0), (pred,))
