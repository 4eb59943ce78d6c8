"""Multi-scale gradient matching (MiDaS, Ranftl et al. 2020): edges where the truth has them, and nowhere else."""

from __future__ import annotations

import torch

from .reduce import at_least_fp32, image_mean


def gradient_matching_loss(
    pred_nhw: torch.Tensor, true_nhw: torch.Tensor, valid_nhw: torch.Tensor, *, num_scales: int = 4
) -> torch.Tensor:
    """Mean absolute difference of neighbouring residuals, across plus down, summed over strides 1, 2, 4, 8: (n,).

    Depth Anything V2 puts it beside the affine-invariant loss, of maps that ``normalise_affine`` made, with weight 2;
    the metric fine-tune takes log depth. A difference counts where both of its pixels are valid, and the divisor is the
    number of those differences (MiDaS divides by the number of valid pixels, which makes sparse depth count for less).
    """
    residual = at_least_fp32(pred_nhw) - at_least_fp32(true_nhw)
    residual = torch.where(valid_nhw, residual, torch.zeros_like(residual))
    total = residual.new_zeros(len(residual))
    for scale in range(num_scales):
        step = 2**scale
        r, v = residual[:, ::step, ::step], valid_nhw[:, ::step, ::step]
        total = total + image_mean((r[:, :, 1:] - r[:, :, :-1]).abs(), v[:, :, 1:] & v[:, :, :-1])
        total = total + image_mean((r[:, 1:] - r[:, :-1]).abs(), v[:, 1:] & v[:, :-1])
    return total
