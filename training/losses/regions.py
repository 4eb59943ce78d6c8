"""The student's loss on pseudo-labels: region by region where CutMix has mixed two images (Depth Anything V1)."""

from __future__ import annotations

import torch

from .affine import has_shape, normalise_affine
from .gradient import gradient_matching_loss
from .reduce import image_mean
from .trimmed import keep_smallest


def region_loss(
    pred_nhw: torch.Tensor,
    true_nhw: torch.Tensor,
    valid_nhw: torch.Tensor,
    inside_nhw: torch.Tensor,
    *,
    ignore_share: float = 0.0,
    gradient_weight: float = 0.0,
) -> torch.Tensor:
    """Affine-invariant loss of the box and of the rest, each with a shift and scale of its own, by their areas: (n,).

    ``true_nhw`` is the one teacher map inside the box and the other outside, mixed as the images were; ``inside_nhw``
    is True in the box, and nowhere in an image without CutMix, whose loss is then the plain one. The areas are those of
    the box and of the rest, valid or not (V1, section 3.2). ``ignore_share`` leaves out the image's pixels of the
    largest loss, over both regions together (``keep_smallest``); ``gradient_weight`` adds gradient matching (V2), no
    difference of which crosses the box's border or touches a pixel left out.
    """
    regions = [
        mask & has_shape(true_nhw, mask)[:, None, None] for mask in (valid_nhw & inside_nhw, valid_nhw & ~inside_nhw)
    ]
    maps = [(normalise_affine(pred_nhw, mask), normalise_affine(true_nhw, mask)) for mask in regions]
    # Both maps are 0 outside their region, so that the sum is each pixel's loss in the region it belongs to.
    loss_nhw = sum((pred - true).abs() for pred, true in maps)
    kept_nhw = keep_smallest(loss_nhw, regions[0] | regions[1], ignore_share)
    share = inside_nhw.flatten(1).to(loss_nhw.dtype).mean(dim=1)
    total = loss_nhw.new_zeros(len(loss_nhw))
    for (pred, true), mask, area in zip(maps, regions, (share, 1 - share), strict=True):
        loss = image_mean(loss_nhw, mask & kept_nhw)
        if gradient_weight > 0:
            loss = loss + gradient_weight * gradient_matching_loss(pred, true, mask & kept_nhw)
        total = total + area * loss
    return total
