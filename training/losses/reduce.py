"""What every loss does with its masks: means of single images that an empty mask cannot break."""

from __future__ import annotations

import torch


def at_least_fp32(values: torch.Tensor) -> torch.Tensor:
    """fp32 in place of half precision, whose 8 or 11 bits cannot hold a sum over an image; fp64 stays."""
    return values if values.dtype == torch.float64 else values.float()


def image_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of each image's ``values`` (n, ...) where ``mask`` is True: (n,), 0 where it is True nowhere."""
    kept = torch.where(mask, values, torch.zeros_like(values)).flatten(1).sum(dim=1)
    return kept / mask.flatten(1).sum(dim=1).clamp(min=1)
