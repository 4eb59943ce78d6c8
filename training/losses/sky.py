"""The loss of a sky output."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .reduce import at_least_fp32, image_mean


def sky_loss(sky_logit_nhw: torch.Tensor, sky_nhw: torch.Tensor, known_nhw: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the sky score over the pixels where sky or not sky is known: (n,)."""
    logit = at_least_fp32(sky_logit_nhw)
    loss = F.binary_cross_entropy_with_logits(logit, sky_nhw.to(logit.dtype), reduction="none")
    return image_mean(loss, known_nhw)
