"""Leaving out the pixels of the largest loss, as likely errors of a pseudo-label (Depth Anything V2, section 5)."""

from __future__ import annotations

import torch


def keep_smallest(loss_nhw: torch.Tensor, valid_nhw: torch.Tensor, ignore_share: float) -> torch.Tensor:
    """Mask (n, h, w) of each image's valid pixels without the ``ignore_share`` (0 to below 1) of the largest loss.

    Of m valid pixels floor(ignore_share * m) are left out, by the image itself; among equal losses the later pixels.
    The paper says regions and not whether a region is a pixel; we take pixels. A mean over what is kept divides by the
    kept pixels and not by all valid ones, as Video Depth Anything's released loss does, so that ignoring noise does not
    shrink the loss.
    """
    if ignore_share == 0:
        return valid_nhw
    loss, valid = loss_nhw.detach().flatten(1), valid_nhw.flatten(1)
    order = loss.masked_fill(~valid, torch.inf).argsort(dim=1, stable=True)
    count = valid.sum(dim=1, keepdim=True)
    # fp64 and the small constant: 0.29 * 100 is 28.999999999999996.
    kept = count - (ignore_share * count.double() + 1e-6).floor().to(count.dtype)
    rank = torch.arange(loss.shape[1], device=loss.device).expand_as(order)
    mask = torch.zeros_like(valid).scatter(1, order, rank < kept)
    return mask.reshape(valid_nhw.shape)
