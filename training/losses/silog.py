"""Losses of the metric fine-tune, on log depth."""

from __future__ import annotations

import torch

from .reduce import at_least_fp32, image_mean


def silog_loss(
    log_pred_nhw: torch.Tensor, log_true_nhw: torch.Tensor, valid_nhw: torch.Tensor, *, variance_focus: float
) -> torch.Tensor:
    """Scale-invariant log loss (Eigen et al. 2014): (n,).

    sqrt(mean(e^2) - variance_focus * mean(e)^2) with e the difference of log depths; 0 keeps the whole scale error, 1
    ignores it, Depth Anything V2's metric trainer uses 0.5. Computed image by image, so that an image with many valid
    pixels does not outweigh the others (V2's trainer pools the batch). A perfect prediction has 0.001.
    """
    error = at_least_fp32(log_pred_nhw) - at_least_fp32(log_true_nhw)
    error = torch.where(valid_nhw, error, torch.zeros_like(error))
    mean, mean_square = image_mean(error, valid_nhw), image_mean(error * error, valid_nhw)
    # The small constant keeps the square root's gradient finite for a perfect prediction.
    loss = torch.sqrt((mean_square - variance_focus * mean * mean).clamp(min=0) + 1e-6)
    return torch.where(valid_nhw.flatten(1).any(dim=1), loss, torch.zeros_like(loss))


def scale_loss(log_pred_nhw: torch.Tensor, log_true_nhw: torch.Tensor, valid_nhw: torch.Tensor) -> torch.Tensor:
    """Absolute mean difference of log depth: (n,).

    Beside ``silog_loss`` with ``variance_focus`` 1 it keeps scale and shape apart: in one square root a large error of
    scale divides the gradient of the shape, and from scratch the scale is wrong for long.
    """
    return image_mean(at_least_fp32(log_pred_nhw) - at_least_fp32(log_true_nhw), valid_nhw).abs()
