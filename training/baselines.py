"""Answers that ignore the image: what a depth network must beat before its figures mean anything.

The maps are made of the training frames; the constant and the ramps are fitted in hindsight to the very frames they are
scored on, which flatters them on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from .samples import DepthSample
from .scores import Answer, score

MAP_SIZE = (96, 128)
_FIT_SIZE = (48, 64)
_RATIOS = np.geomspace(0.25, 8.0, 41)
_CONSTANTS_M = np.geomspace(0.2, 60.0, 240)


def training_map(samples: Sequence[DepthSample], reduce: Callable[..., NDArray[np.float32]]) -> Answer:
    """The pixel-wise mean or median [m] (``np.nanmean``, ``np.nanmedian``) of the training frames, stretched to any
    image.
    """
    height, width = MAP_SIZE
    stack = np.stack([cv2.resize(s.depth_HW, (width, height), interpolation=cv2.INTER_NEAREST) for s in samples])
    stack[~np.isfinite(stack)] = np.nan
    seen = np.isfinite(stack).any(axis=0)
    values = np.full(MAP_SIZE, np.nan, np.float32)
    values[seen] = reduce(stack[:, seen], axis=0)
    unseen = np.asarray(~seen, np.uint8)
    nearest = cv2.distanceTransformWithLabels(unseen, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    lookup = np.zeros(int(nearest.max()) + 1, np.float32)
    lookup[nearest[seen]] = values[seen]
    filled = np.ascontiguousarray(lookup[nearest])

    def predict(sample: DepthSample) -> NDArray[np.float32]:
        return np.asarray(
            cv2.resize(filled, (sample.camera.width, sample.camera.height), interpolation=cv2.INTER_LINEAR)
        )

    return predict


def best_constant(samples: Sequence[DepthSample]) -> Answer:
    """The one distance [m] with the least mean abs_rel over exactly these frames."""
    small = [_small(sample) for sample in samples]
    errors = [np.mean([_abs_rel(np.full_like(truth, c), truth) for truth in small]) for c in _CONSTANTS_M]
    value = np.float32(_CONSTANTS_M[int(np.argmin(errors))])
    return lambda sample: np.full((sample.camera.height, sample.camera.width), value, np.float32)


def best_ramp(samples: Sequence[DepthSample]) -> Answer:
    """The vertical ramp, linear in depth or in disparity, with the least median-scaled abs_rel, then its best scale
    [m].
    """
    small = [_small(sample) for sample in samples]
    candidates = [(ratio, inverse) for ratio in _RATIOS for inverse in (False, True)]
    errors = [np.mean([_abs_rel(_ramp(t.shape, *c), t, median=True) for t in small]) for c in candidates]
    chosen = candidates[int(np.argmin(errors))]
    scales = [np.mean([_abs_rel(_ramp(t.shape, *chosen) * np.float32(c), t) for t in small]) for c in _CONSTANTS_M]
    scale = np.float32(_CONSTANTS_M[int(np.argmin(scales))])
    return lambda sample: _ramp((sample.camera.height, sample.camera.width), *chosen) * scale


def other_images(predict: Answer, donors: Sequence[DepthSample]) -> Callable[[Sequence[DepthSample]], dict[str, float]]:
    """A scorer that feeds ``predict`` every donor's image in place of the sample's own, and averages over the donors.

    What remains of the network's advantage then does not come from looking at the image.
    """

    def scorer(samples: Sequence[DepthSample]) -> dict[str, float]:
        def swap(donor: DepthSample) -> Answer:
            def from_donor(sample: DepthSample) -> NDArray[np.float32]:
                size = (sample.camera.width, sample.camera.height)
                image = np.asarray(cv2.resize(donor.image_HW3, size, interpolation=cv2.INTER_AREA), np.uint8)
                return predict(sample.replace(image_HW3=image))

            return from_donor

        scores = [score(swap(donor), samples) for donor in donors]
        return {name: float(np.mean([entry[name] for entry in scores])) for name in scores[0]}

    return scorer


def _small(sample: DepthSample) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(sample.depth_HW, _FIT_SIZE[::-1], interpolation=cv2.INTER_NEAREST))


def _ramp(shape: tuple[int, ...], top_to_bottom: float, inverse: bool) -> NDArray[np.float32]:
    """From ``top_to_bottom`` at the first row to 1 at the last, linear in depth or in its inverse."""
    rows = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None]
    column = 1 / ((1 - rows) / top_to_bottom + rows) if inverse else (1 - rows) * top_to_bottom + rows
    return np.ascontiguousarray(np.broadcast_to(column.astype(np.float32), shape))


def _abs_rel(pred: NDArray[np.float32], truth: NDArray[np.float32], *, median: bool = False) -> float:
    valid = np.isfinite(truth) & (truth > 0)
    if not valid.any():
        return 0.0
    p, g = pred[valid], truth[valid]
    scale = np.median(g) / np.median(p) if median else 1.0
    return float(np.mean(np.abs(p * scale - g) / g))
