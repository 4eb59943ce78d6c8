"""Which frames of a moving camera are worth training on: sharp ones that differ from the one before."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.fingerprint import MAX_HAMMING_BITS, hamming_bits

BLURRED, DUPLICATE = "blurred", "nearly the same as the one before"
"""Why a frame is left out."""
_WIDTH_PX = 320
_NEIGHBOURS = 15


def sharpness(image_HW3: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of an RGB image (H, W, 3) shrunk to a width of 320 px: small where it is blurred, but
    also where there is little to see, so it is compared among neighbours alone.
    """
    grey_HW = cv2.cvtColor(np.ascontiguousarray(image_HW3), cv2.COLOR_RGB2GRAY)
    height = max(1, round(_WIDTH_PX * grey_HW.shape[0] / grey_HW.shape[1]))
    return float(
        cv2.Laplacian(cv2.resize(grey_HW, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA), cv2.CV_32F).var()
    )


def blurred(sharpness_N: Sequence[float], min_share: float) -> NDArray[np.bool_]:
    """Where a frame's ``sharpness`` is below ``min_share`` of the median of the 15 frames before and after it.

    Motion blur comes and goes within a second; a bare wall, which is as smooth, stays.
    """
    values_N = np.asarray(sharpness_N, np.float64)
    medians_N = [
        np.median(values_N[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]) for place in range(len(values_N))
    ]
    return values_N < min_share * np.asarray(medians_N)


def near_duplicates(hashes_N: Sequence[str], max_bits: int = MAX_HAMMING_BITS) -> NDArray[np.bool_]:
    """Where a frame's ``fingerprint.image_dhash`` is within ``max_bits`` of the last frame that is kept: a robot that
    stands still says the same thing again and again.
    """
    found_N = np.zeros(len(hashes_N), bool)
    kept: str | None = None
    for place, text in enumerate(hashes_N):
        found_N[place] = kept is not None and hamming_bits(text, kept) <= max_bits
        kept = kept if found_N[place] else text
    return found_N


def reasons(
    sharpness_N: Sequence[float], hashes_N: Sequence[str], *, min_sharpness: float, max_same_bits: int
) -> list[str]:
    """Why each frame is left out, "" where it is kept: blurred first, then near-duplicates among the sharp ones.

    ``min_sharpness`` 0 keeps blurred frames, ``max_same_bits`` -1 near-duplicates.
    """
    found = [BLURRED if is_blurred else "" for is_blurred in blurred(sharpness_N, min_sharpness)]
    sharp = [place for place, reason in enumerate(found) if not reason]
    for place, is_same in zip(sharp, near_duplicates([hashes_N[place] for place in sharp], max_same_bits), strict=True):
        if is_same:
            found[place] = DUPLICATE
    return found
