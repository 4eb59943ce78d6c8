"""The affine-invariant loss of Depth Anything V1 (section 3.1) and V2, after MiDaS (Ranftl et al. 2020)."""

from __future__ import annotations

import torch

from .reduce import at_least_fp32, image_mean

_ROUNDING = 1e-5
"""A range or mean deviation below this share of the largest value is fp32's rounding, not a shape."""
_TINY = 1e-8


def affine_invariant_loss(pred_nhw: torch.Tensor, true_nhw: torch.Tensor, valid_nhw: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of the two maps after each has lost its own shift and scale: (n,).

    Both are normalised by ``normalise_affine`` over the valid pixels. A true map of one value (see ``has_shape``) has
    nothing to learn from and counts as one without valid pixels.
    """
    valid_nhw = valid_nhw & has_shape(true_nhw, valid_nhw)[:, None, None]
    difference = normalise_affine(pred_nhw, valid_nhw) - normalise_affine(true_nhw, valid_nhw)
    return image_mean(difference.abs(), valid_nhw)


def normalise_affine(values_nhw: torch.Tensor, valid_nhw: torch.Tensor) -> torch.Tensor:
    """(d - t) / s per image, t the median and s the mean absolute deviation from it; 0 where not valid.

    Both over the valid pixels alone; the loss released with Video Depth Anything takes the median with the invalid ones
    in it as zeros. An even number of pixels has the mean of the middle two as its median. Gradients pass through t
    and s. A map of one value gives 0.
    """
    values = at_least_fp32(values_nhw)
    values = torch.where(valid_nhw, values, torch.zeros_like(values))
    centred = values - _median(values, valid_nhw)[:, None, None]
    scale = image_mean(centred.abs(), valid_nhw)
    smallest = _ROUNDING * values.detach().abs().flatten(1).amax(dim=1)
    safe = torch.maximum(scale, smallest.clamp(min=_TINY))
    return torch.where(valid_nhw, centred / safe[:, None, None], torch.zeros_like(values))


def has_shape(values_nhw: torch.Tensor, valid_nhw: torch.Tensor) -> torch.Tensor:
    """Which images have more than one value among their valid pixels, rounding apart: (n,) bool."""
    values, valid = at_least_fp32(values_nhw.detach()).flatten(1), valid_nhw.flatten(1)
    largest = values.masked_fill(~valid, -torch.inf).amax(dim=1)
    smallest = values.masked_fill(~valid, torch.inf).amin(dim=1)
    return largest - smallest > _ROUNDING * torch.maximum(largest.abs(), smallest.abs())


def _median(values_nhw: torch.Tensor, valid_nhw: torch.Tensor) -> torch.Tensor:
    """(n,), 0 without valid pixels."""
    # By sorting: torch.median takes the lower of two and is not deterministic on CUDA.
    values, valid = values_nhw.flatten(1), valid_nhw.flatten(1)
    order = values.detach().masked_fill(~valid, torch.inf).argsort(dim=1, stable=True)
    last = (valid.sum(dim=1, keepdim=True) - 1).clamp(min=0)
    middle = torch.cat((last // 2, (last + 1) // 2), dim=1)
    return values.gather(1, order.gather(1, middle)).mean(dim=1)
