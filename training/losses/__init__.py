"""Losses, one value per image (n,): 0 for an image without valid pixels, finite wherever the valid values are.

The mean over the images of a batch is the caller's. Maps are (n, h, w), masks bool; bf16 and fp16 are computed in fp32;
what stands where a mask is False, NaN included, counts for nothing and gets no gradient.
"""

from .affine import affine_invariant_loss, has_shape, normalise_affine
from .features import feature_alignment_loss, whole_patches
from .gradient import gradient_matching_loss
from .regions import region_loss
from .silog import scale_loss, silog_loss
from .sky import sky_loss
from .trimmed import keep_smallest

__all__ = [
    "affine_invariant_loss",
    "feature_alignment_loss",
    "gradient_matching_loss",
    "has_shape",
    "keep_smallest",
    "normalise_affine",
    "region_loss",
    "scale_loss",
    "silog_loss",
    "sky_loss",
    "whole_patches",
]
