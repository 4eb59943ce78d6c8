"""The field's depth errors, in NumPy: per image first, then averaged over images.

With p the prediction and g the truth on the pixels where both are usable, and e = ln p - ln g:

=========  ==========================================  ==================
name       formula                                     better is
=========  ==========================================  ==================
abs_rel    mean(abs(p - g) / g)                        lower
sq_rel     mean((p - g)^2 / g)                         lower
rmse       sqrt(mean((p - g)^2))  [m]                  lower
rmse_log   sqrt(mean(e^2))                             lower
log10      mean(abs(log10 p - log10 g))                lower
silog      100 sqrt(mean(e^2) - mean(e)^2)             lower
delta1..3  share of max(p/g, g/p) < 1.25, 1.25^2, ^3   higher
=========  ==========================================  ==================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from .errors import ConfigError, ImageError

Alignment = Literal["none", "median", "affine"]
AffineSpace = Literal["depth", "disparity"]

METRIC_NAMES = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3")
LOWER_IS_BETTER = {name: not name.startswith("delta") for name in METRIC_NAMES}
RANGE_BINS_M = ((0.0, 2.0), (2.0, 5.0), (5.0, 10.0), (10.0, 20.0), (20.0, 80.0))


@dataclass(frozen=True)
class DepthMetrics:
    """Errors of one image (or of one range of it, or the mean of several images).

    ``coverage`` is the share of the pixels with valid truth that have a usable prediction (finite and > 0); the errors
    are taken over those ``num_pixels``. With no such pixel the errors are the worst there are (+Inf; delta 0), so that
    an image without a prediction can never pass for a good one. No field is ever NaN.
    ``scale`` and ``shift`` are what the alignment applied, in its own space (1 and 0 without one).
    """

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log10: float
    silog: float
    delta1: float
    delta2: float
    delta3: float
    coverage: float
    num_pixels: int
    scale: float = 1.0
    shift: float = 0.0

    def as_dict(self) -> dict[str, float]:
        """Every field by name, in the order of declaration."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class MeanMetrics:
    """Mean over images: errors over the images with a usable prediction, coverage over all with valid truth.

    ``num_without_truth`` images said nothing; ``num_without_prediction`` images count in ``mean.coverage`` (as 0) only.
    ``mean.num_pixels`` is the sum.
    """

    mean: DepthMetrics
    num_images: int
    num_without_prediction: int
    num_without_truth: int


_NO_PREDICTION = DepthMetrics(
    abs_rel=math.inf,
    sq_rel=math.inf,
    rmse=math.inf,
    rmse_log=math.inf,
    log10=math.inf,
    silog=math.inf,
    delta1=0.0,
    delta2=0.0,
    delta3=0.0,
    coverage=0.0,
    num_pixels=0,
)


def depth_metrics(
    pred_HW: np.ndarray,
    truth_HW: np.ndarray,
    *,
    min_depth_m: float,
    max_depth_m: float,
    alignment: Alignment = "none",
    affine_space: AffineSpace = "depth",
) -> DepthMetrics | None:
    """Errors of one depth image [m] against the truth [m], or None where the image has no valid truth.

    Valid truth is finite with ``min_depth_m < truth < max_depth_m``. A prediction that is NaN, infinite, zero or
    negative there lowers ``coverage``; a usable one is never clipped, except after an affine fit (to the two limits).

    ``alignment``: "median" multiplies by median(truth) / median(pred); "affine" fits scale and shift by least squares
    to the truth ("depth") or to the inverse of it ("disparity").

    Raises ImageError for arrays that are not two float images of one size, ConfigError for limits or an alignment that
    make no sense.
    """
    if not 0 <= min_depth_m < max_depth_m:
        raise ConfigError(f"min_depth_m={min_depth_m}, max_depth_m={max_depth_m}: 0 <= min < max is needed")
    pred, truth = _checked(pred_HW, truth_HW)
    valid = (truth > min_depth_m) & (truth < max_depth_m)
    p, g, usable = _select(pred, truth, valid)
    if not g.size:
        return None
    scale, shift = _align(p, g, usable, alignment, affine_space, (min_depth_m, max_depth_m))
    return _errors(p, g, usable, scale, shift)


def per_range_metrics(
    pred_HW: np.ndarray,
    truth_HW: np.ndarray,
    *,
    bins_m: Sequence[tuple[float, float]] = RANGE_BINS_M,
    alignment: Alignment = "none",
    affine_space: AffineSpace = "depth",
) -> dict[tuple[float, float], DepthMetrics | None]:
    """Errors by true depth, ``near <= truth < far`` for each bin [m]; None for a bin without valid truth.

    An alignment is fitted once, on all bins together. Raises as ``depth_metrics``.
    """
    pred, truth = _checked(pred_HW, truth_HW)
    for near, far in bins_m:
        if not 0 <= near < far:
            raise ConfigError(f"range bin {near} to {far} m: 0 <= near < far is needed")
    masks = {(near, far): (truth > 0) & (truth >= near) & (truth < far) for near, far in bins_m}
    valid = np.zeros(truth.shape, bool)
    for mask in masks.values():
        valid |= mask
    p, g, usable = _select(pred, truth, valid)
    result: dict[tuple[float, float], DepthMetrics | None] = dict.fromkeys(masks)
    if not g.size:
        return result
    limits = (min(near for near, _ in masks), max(far for _, far in masks))
    scale, shift = _align(p, g, usable, alignment, affine_space, limits)
    for key, mask in masks.items():
        inside = mask[valid]
        if inside.any():
            result[key] = _errors(p[inside], g[inside], usable[inside], scale, shift)
    return result


def mean_metrics(results: Sequence[DepthMetrics | None]) -> MeanMetrics | None:
    """Mean of per-image results (None = an image without valid truth), or None if no image had any."""
    known = [result for result in results if result is not None]
    if not known:
        return None
    predicted = [result for result in known if result.num_pixels]

    def mean_of(name: str) -> float:
        return float(np.mean([getattr(result, name) for result in predicted]))

    mean = _NO_PREDICTION
    if predicted:
        mean = DepthMetrics(
            **{name: mean_of(name) for name in METRIC_NAMES},
            coverage=0.0,
            num_pixels=0,
            scale=mean_of("scale"),
            shift=mean_of("shift"),
        )
    mean = replace(
        mean,
        coverage=float(np.mean([result.coverage for result in known])),
        num_pixels=sum(result.num_pixels for result in known),
    )
    return MeanMetrics(mean, len(known), len(known) - len(predicted), len(results) - len(known))


def is_better(name: str, new: float, old: float) -> bool:
    """Whether ``new`` beats ``old`` for the metric called ``name``. Raises ConfigError for an unknown name."""
    if name not in LOWER_IS_BETTER:
        raise ConfigError(f"metric {name!r} is unknown; known: {', '.join(METRIC_NAMES)}")
    return new < old if LOWER_IS_BETTER[name] else new > old


def _checked(pred_HW: np.ndarray, truth_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for name, array in (("prediction", pred_HW), ("truth", truth_HW)):
        if array.ndim != 2 or array.dtype.kind != "f":
            raise ImageError(f"{name} is {array.dtype} of shape {array.shape}; one float image in metres is needed")
    if pred_HW.shape != truth_HW.shape:
        raise ImageError(f"prediction has shape {pred_HW.shape}, truth {truth_HW.shape}; they must be equal")
    # float32 bounds what the sums below can meet: nothing finite in it overflows a float64 square.
    with np.errstate(over="ignore", under="ignore"):
        return pred_HW.astype(np.float32, copy=False), truth_HW.astype(np.float32, copy=False)


def _select(pred: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The valid pixels as float64, and which of their predictions are usable."""
    valid &= np.isfinite(truth)
    p = pred[valid].astype(np.float64)
    return p, truth[valid].astype(np.float64), np.isfinite(p) & (p > 0)


def _align(
    p: np.ndarray,
    g: np.ndarray,
    usable: np.ndarray,
    alignment: Alignment,
    space: AffineSpace,
    limits_m: tuple[float, float],
) -> tuple[float, float]:
    """Fit on the usable pixels, write the aligned prediction into ``p``, return scale and shift."""
    if alignment not in ("none", "median", "affine"):
        raise ConfigError(f"alignment {alignment!r} is unknown; known: none, median, affine")
    if space not in ("depth", "disparity"):
        raise ConfigError(f"affine_space {space!r} is unknown; known: depth, disparity")
    if alignment == "none" or not usable.any():
        return 1.0, 0.0
    x, y = p[usable], g[usable]
    if alignment == "median":
        scale = float(np.median(y) / np.median(x))
        p *= scale
        return scale, 0.0
    near, far = limits_m
    # A line fitted to depths can pass below zero, and to disparities beyond infinity: both are held at the limits.
    near = max(near, 1e-3)
    if space == "depth":
        scale, shift = _fit_line(x, y)
        p[usable] = np.clip(scale * x + shift, near, far)
    else:
        scale, shift = _fit_line(1 / x, 1 / y)
        p[usable] = 1 / np.clip(scale / x + shift, 1 / far, 1 / near)
    return scale, shift


def _fit_line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    x_mean, y_mean = float(x.mean()), float(y.mean())
    dx = x - x_mean
    spread = float(dx @ dx)
    # Without a spread in x every slope fits equally well; the flat line says the least.
    scale = float(dx @ (y - y_mean)) / spread if spread > 1e-12 * x_mean**2 * x.size else 0.0
    return scale, y_mean - scale * x_mean


def _errors(p: np.ndarray, g: np.ndarray, usable: np.ndarray, scale: float, shift: float) -> DepthMetrics:
    num_truth = g.size
    if not usable.all():
        p, g = p[usable], g[usable]
    if not p.size:
        return replace(_NO_PREDICTION, scale=scale, shift=shift)
    difference = p - g
    squared = difference**2
    log_error = np.log(p / g)
    ratio = np.maximum(p / g, g / p)
    return DepthMetrics(
        abs_rel=float(np.mean(np.abs(difference) / g)),
        sq_rel=float(np.mean(squared / g)),
        rmse=math.sqrt(np.mean(squared)),
        rmse_log=math.sqrt(np.mean(log_error**2)),
        log10=float(np.mean(np.abs(log_error))) / math.log(10.0),
        silog=100.0 * float(np.std(log_error)),
        delta1=float(np.mean(ratio < 1.25)),
        delta2=float(np.mean(ratio < 1.25**2)),
        delta3=float(np.mean(ratio < 1.25**3)),
        coverage=p.size / num_truth,
        num_pixels=int(p.size),
        scale=scale,
        shift=shift,
    )
