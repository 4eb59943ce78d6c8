"""Which depths are kept: range limits and flying pixels, by REP 117 (NaN rejected, +Inf beyond range, -Inf too near).

A network draws the edge between two surfaces as a short ramp; the pixels on it lie in mid-air and become ghost
obstacles. They are recognised by lying between two surfaces: one neighbour clearly nearer and another clearly farther.
The nearest pixel of a neighbourhood therefore always stays, so that no obstacle, however thin, is filtered away. A
surface seen so obliquely that its depth grows by the same ratio from pixel to pixel is removed too: at 10 % and 500 px
of focal length that is within 1.2 degrees of edge-on. All of this costs least on the network's own output, before it is
enlarged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .errors import ConfigError, ImageError
from .scratch import Scratch

SURFACE_RATIO = 0.05
"""Depths of adjacent pixels that differ by more than this are not taken for one surface."""
FLYING_RATIO = 0.10
"""A flying pixel is nearer than one neighbour and farther than another by more than this."""

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

_KERNEL = np.ones((3, 3), np.uint8)
_SURFACE_SCALE = np.float32(1.0 + SURFACE_RATIO)

_scratch = Scratch()


@dataclass(eq=False)
class Surroundings:
    """What the 3x3 pixels around each pixel hold, itself included; NaN is left out of the extremes."""

    nearest_HW: Float32
    """Smallest depth [m]; +Inf where all are NaN."""
    farthest_HW: Float32
    """Largest depth [m]; -Inf where all are NaN."""
    edges_HW: Mask
    """True where they do not lie on one surface: farthest and nearest differ by more than ``SURFACE_RATIO``, or any of
    them is not a positive finite depth."""
    removed_N: Indices | None = None
    """Flat indices of the pixels that :func:`remove_flying_pixels` has set to NaN since."""
    removed_depth_N: Float32 | None = None
    """What they were [m]."""

    @cached_property
    def edges_N(self) -> Indices:
        """Flat indices of the edges."""
        return np.flatnonzero(self.edges_HW)

    def add_edges(self, mask_HW: Mask) -> None:
        """Count these pixels as edges too."""
        self.edges_HW = self.edges_HW | mask_HW
        self.__dict__.pop("edges_N", None)


def surroundings(depth_HW: Float32, *, all_usable: bool = False) -> Surroundings:
    """Look around each pixel of an (H, W) float32 depth image [m].

    `all_usable` says that every depth is known to be positive and finite. The extremes lie in memory that the next call
    from the same thread uses again. Raises ImageError for another type or shape.
    """
    check_depth(depth_HW)
    low = high = depth_HW
    # Cheaper than a mask; NaN makes both comparisons false.
    usable = all_usable or bool(
        np.minimum.reduce(depth_HW, axis=None) > 0.0 and np.maximum.reduce(depth_HW, axis=None) < np.inf
    )
    if not usable:
        unknown = np.isnan(depth_HW)
        if unknown.any():
            low, high = (np.where(unknown, np.float32(filler), depth_HW) for filler in (np.inf, -np.inf))
    nearest_HW, farthest_HW = _scratch.array("nearest", depth_HW.shape), _scratch.array("farthest", depth_HW.shape)
    # Replicated borders: OpenCV's default border value is finite and would be nearer than +Inf.
    cv2.erode(low, _KERNEL, dst=nearest_HW, borderType=cv2.BORDER_REPLICATE)
    cv2.dilate(high, _KERNEL, dst=farthest_HW, borderType=cv2.BORDER_REPLICATE)
    limit_HW = np.multiply(nearest_HW, _SURFACE_SCALE, out=_scratch.array("limit", depth_HW.shape))
    edges_HW = farthest_HW > limit_HW
    if not usable:
        with np.errstate(invalid="ignore"):
            odd_HW = ~((depth_HW > 0.0) & (depth_HW < np.inf))
        edges_HW |= cv2.dilate(odd_HW.view(np.uint8), _KERNEL).view(np.bool_)
    return Surroundings(nearest_HW, farthest_HW, edges_HW)


def remove_flying_pixels(depth_HW: Float32, ratio: float = FLYING_RATIO, around: Surroundings | None = None) -> Float32:
    """Set depths in mid-air between a nearer and a farther neighbour to NaN, in place, and return the same array.

    Both neighbours differ from it by more than `ratio`; sky and beyond range (+Inf) count as farther, too near (-Inf)
    as nearer, NaN as neither. `around` is what :func:`surroundings` gave for this image, if at hand; it remembers what
    is removed. Raises ConfigError for a ratio that is not positive.
    """
    if not 0.0 < ratio < math.inf:
        raise ConfigError(f"flying pixel ratio is {ratio}; accepted: a positive number, as {FLYING_RATIO}")
    around = around or surroundings(depth_HW)
    nearest_HW, farthest_HW = around.nearest_HW, around.farthest_HW
    scale = np.float32(1.0 + ratio)
    with np.errstate(invalid="ignore", over="ignore"):
        if 2.0 * ratio < SURFACE_RATIO:
            around.add_edges(farthest_HW > nearest_HW * scale)
        # What differs from two neighbours in opposite directions lies at an edge: few pixels are left to look at.
        depth_N = depth_HW.take(around.edges_N)
        farther_N = farthest_HW.take(around.edges_N) > depth_N * scale
        nearer_N = nearest_HW.take(around.edges_N) * scale < depth_N
    is_flying_N = farther_N & nearer_N
    around.removed_N, around.removed_depth_N = around.edges_N[is_flying_N], depth_N[is_flying_N]
    put(depth_HW, around.removed_N, np.float32(np.nan))
    return depth_HW


def put(image_HW: Float32, indices_N: Indices, values: Float32 | np.float32) -> None:
    """``np.put`` for a C-contiguous image; that function takes three times as long."""
    image_HW.reshape(-1)[indices_N] = values


def limit_range(depth_HW: Float32, min_m: float, max_m: float) -> bool:
    """Set depths beyond `max_m` to +Inf and those below `min_m` to -Inf, in place; True if all lay within the limits.

    The limits themselves stay, NaN stays NaN, nothing is clipped onto a limit. Raises ConfigError unless
    0 < min_m < max_m.
    """
    if not 0.0 < min_m < max_m:
        raise ConfigError(f"depth range {min_m} m to {max_m} m; accepted: 0 < min < max")
    check_depth(depth_HW)
    low, high = np.float32(min_m), np.float32(max_m)
    with np.errstate(invalid="ignore"):
        if np.minimum.reduce(depth_HW, axis=None) >= low and np.maximum.reduce(depth_HW, axis=None) <= high:
            return True
        too_far, too_near = depth_HW > high, depth_HW < low
    np.copyto(depth_HW, np.float32(np.inf), where=too_far)
    np.copyto(depth_HW, np.float32(-np.inf), where=too_near)
    return False


def check_depth(depth_HW: npt.NDArray[Any]) -> None:
    """Raise ImageError unless this is a depth image: (H, W) float32, not empty."""
    if depth_HW.dtype != np.float32 or depth_HW.ndim != 2 or depth_HW.size == 0:
        raise ImageError(f"depth is {depth_HW.dtype} of shape {depth_HW.shape}; accepted: float32 (H, W)")
