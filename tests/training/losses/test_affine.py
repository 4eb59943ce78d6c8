"""The affine-invariant loss: by hand, against the slow one, and blind to scale and shift."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from tests.training.losses.maps import mask, random_maps, row
from tests.training.losses.slow_losses import difference, mean_absolute, normalised, pixels
from training.losses import affine_invariant_loss, has_shape, normalise_affine


def test_by_hand() -> None:
    """Median 2 and mean deviation (1 + 0 + 4) / 3 of the prediction; 1 and 2 / 3 of the truth."""
    valid = mask(1, 1, 1)
    assert normalise_affine(row(1, 2, 6), valid).flatten().tolist() == pytest.approx([-0.6, 0, 2.4])
    assert normalise_affine(row(0, 1, 2), valid).flatten().tolist() == pytest.approx([-1.5, 0, 1.5])
    assert affine_invariant_loss(row(1, 2, 6), row(0, 1, 2), valid).tolist() == pytest.approx([(0.9 + 0 + 0.9) / 3])


def test_an_even_number_of_pixels_has_its_median_between_the_middle_two() -> None:
    assert normalise_affine(row(1, 2, 4, 9), mask(1, 1, 1, 1)).flatten().tolist() == pytest.approx(
        [(value - 3) / 2.5 for value in (1, 2, 4, 9)]
    )


def test_invalid_pixels_are_not_zeros_of_the_median() -> None:
    """Video Depth Anything's released loss takes the median of mask times value: here 0 and not 6."""
    values, valid = row(5, 6, 8, 1, 1, 1, 1), mask(1, 1, 1, 0, 0, 0, 0)
    assert normalise_affine(values, valid).flatten().tolist() == pytest.approx([-1, 0, 2, 0, 0, 0, 0])


@pytest.mark.parametrize("seed", range(3))
def test_against_the_slow_loss(seed: int) -> None:
    pred, true, valid = random_maps(seed, 3, 6, 7)
    slow = [
        mean_absolute(difference(normalised(pixels(pred[n], valid[n])), normalised(pixels(true[n], valid[n]))))
        for n in range(3)
    ]
    assert affine_invariant_loss(pred, true, valid).tolist() == pytest.approx(slow, rel=1e-12)


@given(
    seed=st.integers(0, 10_000),
    scales=st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)),
    shifts=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
@settings(max_examples=40, deadline=None)
def test_scale_and_shift_of_either_map_change_nothing(
    seed: int, scales: tuple[float, float], shifts: tuple[float, float]
) -> None:
    pred, true, valid = random_maps(seed, 1, 5, 6)
    moved = affine_invariant_loss(scales[0] * pred + shifts[0], scales[1] * true + shifts[1], valid)
    assert moved.item() == pytest.approx(affine_invariant_loss(pred, true, valid).item(), rel=1e-6, abs=1e-9)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100), shift=st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_the_truth_itself_in_another_unit_is_perfect(seed: int, scale: float, shift: float) -> None:
    _, true, valid = random_maps(seed, 1, 5, 6)
    assert affine_invariant_loss(scale * true + shift, true, valid).item() == pytest.approx(0, abs=1e-8)


def test_near_and_far_exchanged_is_the_worst() -> None:
    _, true, valid = random_maps(0, 1, 5, 6)
    assert affine_invariant_loss(-true, true, valid).item() == pytest.approx(2)


def test_what_is_not_valid_counts_for_nothing_and_gets_no_gradient() -> None:
    pred, true, valid = random_maps(1, 2, 5, 6)
    expected = affine_invariant_loss(pred, true, valid)
    pred = pred.masked_fill(~valid, torch.inf).requires_grad_()
    loss = affine_invariant_loss(pred, true.masked_fill(~valid, torch.nan), valid)
    loss.sum().backward()
    torch.testing.assert_close(loss, expected)
    assert pred.grad is not None and torch.isfinite(pred.grad).all() and (pred.grad[~valid] == 0).all()


def test_an_image_without_valid_pixels_is_0_and_leaves_the_others_alone() -> None:
    pred, true, valid = random_maps(2, 2, 5, 6)
    valid[1] = False
    pred.requires_grad_()
    loss = affine_invariant_loss(pred, true, valid)
    loss.sum().backward()
    assert loss[0] > 0 and loss[1] == 0
    assert pred.grad is not None and pred.grad[0].abs().max() > 0 and (pred.grad[1] == 0).all()
    torch.testing.assert_close(loss[:1], affine_invariant_loss(pred[:1], true[:1], valid[:1]))


def test_a_truth_of_one_value_teaches_nothing() -> None:
    """A picture full of sky: the normalised prediction has mean 1 whatever it is."""
    pred, _, valid = random_maps(3, 1, 5, 6)
    flat = torch.full_like(pred, 0.3)
    assert not has_shape(flat, valid).item() and has_shape(pred, valid).item()
    assert not has_shape(pred, torch.zeros_like(valid)).item()
    assert not has_shape(flat.float() * (1 + 1e-7 * pred.float()), valid).item()
    assert affine_invariant_loss(pred, flat, valid).item() == 0
    assert affine_invariant_loss(pred, torch.where(valid, 0.0, pred), valid).item() == 0


def test_a_prediction_of_one_value_is_finite() -> None:
    """What a network with dead units gives."""
    _, true, valid = random_maps(4, 1, 5, 6)
    pred = torch.zeros_like(true, requires_grad=True)
    loss = affine_invariant_loss(pred, true, valid)
    loss.sum().backward()
    assert loss.item() == pytest.approx(1) and pred.grad is not None and torch.isfinite(pred.grad).all()


def test_nan_in_a_valid_pixel_is_seen() -> None:
    pred, true, valid = random_maps(5, 2, 5, 6, valid_share=1.0)
    pred[0, 2, 2] = torch.nan
    loss = affine_invariant_loss(pred, true, valid)
    assert loss[0].isnan() and loss[1].isfinite()


def test_half_precision_is_computed_in_full() -> None:
    pred, true, valid = random_maps(6, 1, 40, 50)
    loss = affine_invariant_loss(pred.bfloat16(), true.bfloat16(), valid)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(
        affine_invariant_loss(pred.bfloat16().double(), true.bfloat16().double(), valid).item(), rel=1e-5
    )


def test_gradients_pass_through_median_and_scale() -> None:
    pred, true, valid = random_maps(7, 2, 4, 5)
    pred.requires_grad_()
    assert gradcheck(lambda p: affine_invariant_loss(p, true, valid), (pred,))
    affine_invariant_loss(pred, true, valid).sum().backward()
    assert pred.grad is not None
    # Neither a shift nor a change of scale lowers the loss.
    assert pred.grad.sum(dim=(1, 2)).abs().max() < 1e-12
    assert (pred.grad * pred).sum(dim=(1, 2)).abs().max() < 1e-12
