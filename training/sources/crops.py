"""The parts of NYUv2 and KITTI images that evaluations count: outside, the depth is taken as unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import ConfigError, SourceError

NYU_SIZE = (480, 640)
NYU_EIGEN = (slice(45, 471), slice(41, 601))
"""Rows and columns of Eigen's crop of NYUv2, as ZoeDepth's and Depth Anything's evaluators have it."""
NYU_FRAME = (slice(7, 474), slice(7, 632))
"""Rows and columns within the blank frame that NYUv2's rectification leaves (BTS's extraction)."""
KITTI_SHARES = {
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
}
"""Top, bottom, left and right of Garg's and Eigen's crops of KITTI as shares of height and width (ZoeDepth)."""
KB_SIZE = (352, 1216)
"""Height and width of the KITTI benchmark's crop: the lowest rows, the middle columns."""


def check_crop(crop: str, known: tuple[str, ...]) -> str:
    """``crop``; ConfigError where it is not one of ``known``."""
    if crop not in known:
        raise ConfigError(f"crop {crop!r}: {', '.join(known[:-1])} or {known[-1]} is accepted")
    return crop


def keep_nyu_eigen(depth_HW: NDArray[np.float32], where: str) -> NDArray[np.float32]:
    """The depth with NaN outside Eigen's crop. Raises SourceError for another size than 640 x 480."""
    if depth_HW.shape != NYU_SIZE:
        raise SourceError(f"{where}: depth {depth_HW.shape}; Eigen's crop is of {NYU_SIZE}")
    return _keep(depth_HW, *NYU_EIGEN)


def keep_kitti(depth_HW: NDArray[np.float32], crop: str) -> NDArray[np.float32]:
    """The depth with NaN outside ``crop`` (garg or eigen) of an image of this size."""
    height, width = depth_HW.shape
    top, bottom, left, right = KITTI_SHARES[crop]
    return _keep(depth_HW, slice(int(top * height), int(bottom * height)), slice(int(left * width), int(right * width)))


def kb_slices(height: int, width: int, where: str) -> tuple[slice, slice]:
    """Rows and columns of the benchmark's crop. Raises SourceError for an image smaller than it."""
    if height < KB_SIZE[0] or width < KB_SIZE[1]:
        raise SourceError(f"{where}: {width}x{height} is smaller than the crop {KB_SIZE[1]}x{KB_SIZE[0]} of kb_crop")
    left = (width - KB_SIZE[1]) // 2
    return slice(height - KB_SIZE[0], height), slice(left, left + KB_SIZE[1])


def _keep(depth_HW: NDArray[np.float32], rows: slice, columns: slice) -> NDArray[np.float32]:
    kept = np.full_like(depth_HW, np.nan)
    kept[rows, columns] = depth_HW[rows, columns]
    return kept
