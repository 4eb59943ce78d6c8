"""Feature alignment to a frozen encoder (Depth Anything V1, section 3.3): the semantics that DINOv2 already has."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .reduce import at_least_fp32, image_mean


def feature_alignment_loss(
    student_nlc: torch.Tensor, frozen_nlc: torch.Tensor, keep_nl: torch.Tensor | None = None, *, margin: float = 0.85
) -> torch.Tensor:
    """1 - cosine of the two encoders' patch features, without a projector, over the patches up to ``margin``: (n,).

    Patches whose cosine is above ``margin`` are near enough and left out of the mean, as are those not in ``keep_nl``;
    0 where none is left. ``frozen_nlc`` gets no gradient. Both encoders see the same, perturbed and mixed image, which
    the paper leaves open.
    """
    cosine_nl = F.cosine_similarity(at_least_fp32(student_nlc), at_least_fp32(frozen_nlc).detach(), dim=2)
    counted_nl = cosine_nl.detach() <= margin
    return image_mean(1 - cosine_nl, counted_nl if keep_nl is None else counted_nl & keep_nl)


def whole_patches(inside_nhw: torch.Tensor, *, patch_size: int = 14) -> torch.Tensor:
    """Which patches lie wholly inside or wholly outside: (n, l) bool, row by row; not those that a border cuts."""
    n, h, w = inside_nhw.shape
    patches = inside_nhw.reshape(n, h // patch_size, patch_size, w // patch_size, patch_size)
    whole = patches.all(dim=4).all(dim=2) | ~patches.any(dim=4).any(dim=2)
    return whole.flatten(1)
