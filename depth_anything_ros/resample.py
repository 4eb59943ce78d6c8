"""Bring the network's depth to the camera's size without inventing depths between foreground and background."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .errors import ImageError
from .filters import Surroundings, check_depth, surroundings
from .scratch import Scratch

Float32 = npt.NDArray[np.float32]

# Marks pixels that need no nearest-neighbour value; no depth has it.
_UNUSED = np.finfo(np.float32).min
_KERNEL = np.ones((3, 3), np.uint8)

_scratch = Scratch()


def upsample_depth(depth_hw: Float32, size_HW: tuple[int, int], around: Surroundings | None = None) -> Float32:
    """Return a new (H, W) float32 depth image [m] for an (h, w) one; pixel areas stay aligned (half-pixel rule).

    A pixel whose nearest source pixel has one surface around it (3x3, depths within 5 %) is interpolated bilinearly. At
    a jump, and next to NaN, infinities and depths that are not positive, it takes its nearest source's value. So every
    value is a source value or lies within one surface, and NaN and infinities keep the area that their pixels have.
    `around` is what ``filters.surroundings`` gave for `depth_hw`, if at hand; pixels may have become NaN since then.
    Raises ImageError for another type than float32 (h, w) or an empty size.
    """
    check_depth(depth_hw)
    height, width = size_HW
    if height < 1 or width < 1:
        raise ImageError(f"depth cannot be resized to {width}x{height} pixels")
    if depth_hw.shape == (height, width):
        return depth_hw.copy()
    edges_hw = (around or surroundings(depth_hw)).edges_HW
    if around is not None:
        removed_hw = np.isnan(depth_hw)
        edges_hw = edges_hw | cv2.dilate(removed_hw.view(np.uint8), _KERNEL).view(np.bool_)
    depth_HW = np.empty((height, width), np.float32)
    # NaN and infinities spread to the neighbours here, by zero weights too; all of those are edges and replaced below.
    cv2.resize(depth_hw, (width, height), dst=depth_HW, interpolation=cv2.INTER_LINEAR)
    if edges_hw.any():
        marked_hw = _scratch.array("marked", depth_hw.shape)
        nearest_HW = _scratch.array("nearest", (height, width))
        is_edge_HW = _scratch.array("is_edge", (height, width), np.bool_)
        marked_hw.fill(_UNUSED)
        cv2.copyTo(depth_hw, edges_hw.view(np.uint8), marked_hw)
        cv2.resize(marked_hw, (width, height), dst=nearest_HW, interpolation=cv2.INTER_NEAREST_EXACT)
        np.not_equal(nearest_HW, _UNUSED, out=is_edge_HW)
        cv2.copyTo(nearest_HW, is_edge_HW.view(np.uint8), depth_HW)
    return depth_HW
