"""Losses of the metric fine-tune, on log depth, over valid pixels only; finite also where nothing is valid."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def silog_loss(
    log_pred_nhw: torch.Tensor, log_true_nhw: torch.Tensor, valid_nhw: torch.Tensor, *, variance_focus: float
) -> torch.Tensor:
    """Scale-invariant log loss (Eigen et al. 2014), per image, then averaged over the images that have valid pixels.

    sqrt(mean(e^2) - variance_focus * mean(e)^2) with e the difference of log depths; 0 keeps the whole scale error, 1
    ignores it, Depth Anything V2's metric trainer uses 0.5. Computed image by image, so that an image with many valid
    pixels does not outweigh the others (V2's trainer pools the batch). Returns a scalar, 0 where nothing is valid.
    """
    mask = valid_nhw.to(log_pred_nhw.dtype)
    count = mask.sum(dim=(1, 2))
    error = torch.where(valid_nhw, log_pred_nhw - log_true_nhw, torch.zeros_like(log_pred_nhw))
    safe = count.clamp(min=1)
    mean = error.sum(dim=(1, 2)) / safe
    mean_square = (error * error).sum(dim=(1, 2)) / safe
    # The small constant keeps the square root's gradient finite for a perfect prediction.
    per_image = torch.sqrt((mean_square - variance_focus * mean * mean).clamp(min=0) + 1e-6)
    used = (count > 0).to(per_image.dtype)
    return (per_image * used).sum() / used.sum().clamp(min=1)


def scale_loss(log_pred_nhw: torch.Tensor, log_true_nhw: torch.Tensor, valid_nhw: torch.Tensor) -> torch.Tensor:
    """Absolute mean difference of log depth per image, averaged over the images with valid pixels; 0 without any.

    Beside ``silog_loss`` with ``variance_focus`` 1 it keeps scale and shape apart: in one square root a large error of
    scale divides the gradient of the shape, and from scratch the scale is wrong for long.
    """
    count = valid_nhw.sum(dim=(1, 2))
    error = torch.where(valid_nhw, log_pred_nhw - log_true_nhw, torch.zeros_like(log_pred_nhw))
    mean = error.sum(dim=(1, 2)) / count.clamp(min=1)
    return mean.abs().sum() / (count > 0).sum().clamp(min=1)


def gradient_matching_loss(
    log_pred_nhw: torch.Tensor, log_true_nhw: torch.Tensor, valid_nhw: torch.Tensor, *, num_scales: int = 4
) -> torch.Tensor:
    """Multi-scale gradient matching (MiDaS, Ranftl et al. 2020) of the log-depth residual, strides 1, 2, 4, 8.

    A difference counts only where both of its pixels are valid. Returns a scalar: the mean absolute difference,
    averaged over the scales.
    """
    residual = torch.where(valid_nhw, log_pred_nhw - log_true_nhw, torch.zeros_like(log_pred_nhw))
    total = log_pred_nhw.new_zeros(())
    for scale in range(num_scales):
        step = 2**scale
        r, v = residual[:, ::step, ::step], valid_nhw[:, ::step, ::step]
        across, both_across = (r[:, :, 1:] - r[:, :, :-1]).abs(), v[:, :, 1:] & v[:, :, :-1]
        down, both_down = (r[:, 1:] - r[:, :-1]).abs(), v[:, 1:] & v[:, :-1]
        count = (both_across.sum() + both_down.sum()).clamp(min=1)
        total = total + ((across * both_across).sum() + (down * both_down).sum()) / count
    return total / num_scales


def sky_loss(sky_logit_nhw: torch.Tensor, sky_nhw: torch.Tensor, known_nhw: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the sky score over the pixels where sky or not sky is known; 0 where nothing is."""
    loss = F.binary_cross_entropy_with_logits(sky_logit_nhw, sky_nhw.to(sky_logit_nhw.dtype), reduction="none")
    return (loss * known_nhw).sum() / known_nhw.sum().clamp(min=1)
