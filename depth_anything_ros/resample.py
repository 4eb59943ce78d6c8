"""Bring the network's depth to the camera's size without inventing depths between foreground and background."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from .errors import ImageError
from .filters import Indices, Surroundings, check_depth, put, surroundings
from .scratch import Scratch, message_array

Float32 = npt.NDArray[np.float32]

# Above this share of the source pixels, resizing everything is faster.
_MAX_SPARSE = 0.15
# Marks pixels that are not to be filled; no depth has it.
_UNUSED = np.finfo(np.float32).min

_scratch = Scratch()


def upsample_depth(depth_hw: Float32, size_HW: tuple[int, int], around: Surroundings | None = None) -> Float32:
    """Return a new (H, W) float32 depth image [m] for an (h, w) one; pixel areas stay aligned (half-pixel rule).

    A pixel whose nearest source pixel has one surface around it (3x3, depths within 5 %) is interpolated bilinearly. At
    a jump, and next to NaN, infinities and depths that are not positive, it takes its nearest source's value. So every
    value is a source value or lies within one surface, and NaN and infinities keep the area that their pixels have.
    `around` is what ``filters.surroundings`` gave for `depth_hw`, if at hand; since then only
    ``filters.remove_flying_pixels`` may have changed it. Raises ImageError for another type than float32 (h, w) or an
    empty size.
    """
    check_depth(depth_hw)
    height, width = size_HW
    if height < 1 or width < 1:
        raise ImageError(f"depth cannot be resized to {width}x{height} pixels")
    if depth_hw.shape == (height, width):
        return depth_hw.copy()
    around = around or surroundings(depth_hw)
    depth_HW = message_array((height, width))
    # NaN and infinities spread to the neighbours here, by zero weights too; all of those are edges and replaced.
    with _restored(depth_hw, around):
        cv2.resize(depth_hw, (width, height), dst=depth_HW, interpolation=cv2.INTER_LINEAR)
    _fill_nearest(depth_HW, depth_hw, around.edges_N)
    return depth_HW


@contextmanager
def _restored(depth_hw: Float32, around: Surroundings) -> Iterator[None]:
    """Put back, for a while, what the filter has removed: without it the surface beside could not be interpolated."""
    if around.removed_N is None or around.removed_depth_N is None:
        yield
        return
    put(depth_hw, around.removed_N, around.removed_depth_N)
    try:
        yield
    finally:
        put(depth_hw, around.removed_N, np.float32(np.nan))


def _fill_nearest(image_HW: Float32, source_hw: Float32, chosen_N: Indices) -> None:
    """Give the pixels of `image_HW` (C-contiguous) whose nearest source pixel is among `chosen_N` that pixel's value.

    `chosen_N` are flat indices into `source_hw`, each at most once. Pixel areas are aligned (half-pixel rule), as in
    OpenCV's INTER_NEAREST_EXACT, which also says which side of a tie is nearest.
    """
    targets = _targets(source_hw.shape, image_HW.shape)
    if targets is not None and len(chosen_N) <= _MAX_SPARSE * source_hw.size:
        _fill_sparse(image_HW, source_hw, chosen_N, targets)
    else:
        _fill_dense(image_HW, source_hw, chosen_N)


def _fill_dense(image_HW: Float32, source_hw: Float32, chosen_N: Indices) -> None:
    marked_hw = _scratch.array("marked", source_hw.shape)
    nearest_HW = _scratch.array("nearest", image_HW.shape)
    is_chosen_HW = _scratch.array("is_chosen", image_HW.shape, np.bool_)
    marked_hw.fill(_UNUSED)
    marked_hw.reshape(-1)[chosen_N] = source_hw.take(chosen_N)
    cv2.resize(marked_hw, image_HW.shape[::-1], dst=nearest_HW, interpolation=cv2.INTER_NEAREST_EXACT)
    np.not_equal(nearest_HW, _UNUSED, out=is_chosen_HW)
    cv2.copyTo(nearest_HW, is_chosen_HW.view(np.uint8), image_HW)


class _Targets(NamedTuple):
    """For every source pixel the block of target pixels that it is nearest to: `height` x `width` of them from `first`
    on, and one column more where flag 1 is set, one row more where flag 2 is."""

    first: Indices
    flags: npt.NDArray[np.uint8]
    height: int
    width: int


def _fill_sparse(image_HW: Float32, source_hw: Float32, chosen_N: Indices, targets: _Targets) -> None:
    flat, stride = image_HW.reshape(-1), image_HW.shape[1]
    first_N, values_N = targets.first.take(chosen_N), source_hw.take(chosen_N)
    flags_N = targets.flags.take(chosen_N).astype(np.intp)
    # Without a further column or row the last one is written twice: cheaper than to choose.
    last_column_N = first_N + ((flags_N & 1) + (targets.width - 1))
    to_last_row_N = ((flags_N >> 1) + (targets.height - 1)) * stride
    for row in range(targets.height):
        for column in range(targets.width):
            flat[first_N + (row * stride + column)] = values_N
        flat[last_column_N + row * stride] = values_N
    for column in range(targets.width):
        flat[first_N + (to_last_row_N + column)] = values_N
    flat[last_column_N + to_last_row_N] = values_N


@lru_cache(maxsize=8)
def _targets(shape_hw: tuple[int, ...], size_HW: tuple[int, ...]) -> _Targets | None:
    """None where a source pixel has no target, or blocks differ by more than one: OpenCV's fixed-point steps do that
    from about a tenfold size on."""
    (rows, row_counts), (columns, column_counts) = (_blocks(*pair) for pair in zip(shape_hw, size_HW, strict=True))
    height, width = int(row_counts.min()), int(column_counts.min())
    if min(height, width) < 1 or row_counts.max() > height + 1 or column_counts.max() > width + 1:
        return None
    first = (rows[:, None] * size_HW[1] + columns[None, :]).reshape(-1)
    flags = (column_counts > width)[None, :] + 2 * (row_counts > height)[:, None]
    return _Targets(first, flags.astype(np.uint8).reshape(-1), height, width)


def _blocks(source: int, target: int) -> tuple[Indices, Indices]:
    """For each source pixel of a line its first target pixel, and how many there are."""
    line = cv2.resize(np.arange(source, dtype=np.float32)[:, None], (1, target), interpolation=cv2.INTER_NEAREST_EXACT)
    nearest = line[:, 0].astype(np.intp)
    first = np.searchsorted(nearest, np.arange(source))
    return first, np.bincount(nearest, minlength=source)
