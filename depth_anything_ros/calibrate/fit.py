"""From pairs of network output and reference depth to a scale, robustly and with its residual.

A metric network has one unknown. Each frame's is the median of reference / metres over its pixels, which minimises the
mean absolute error of the logarithm; the scale is the median over the frames.

A relative network has two, of which the depth or the disparity is a linear function. They are found by least trimmed
squares of the relative error (P. J. Rousseeuw, "Least Median of Squares Regression", 1984; the concentration steps are
those of Rousseeuw and Van Driessen, "Computing LTS Regression for Large Data Sets", 2006), which leaves the worst
quarter of the pixels out. It starts from Tukey's resistant line (through the medians of the outer thirds) instead of
random samples, so that the same data always give the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from ..metrics import depth_metrics, mean_metrics
from ..scale_calibration import METRES

METHODS = {
    METRES: "median over the frames of each frame's median of reference / metres",
    "depth": "least trimmed squares of the relative error, three quarters of the pixels",
    "disparity": "least trimmed squares of the relative error, three quarters of the pixels",
}
KEPT_SHARE = 0.75
MAX_STEPS = 50
MIN_DEPTH_RATIO = 1.5
"""By how much the reference depths must differ for scale and shift to be told apart."""
PLAUSIBLE_SCALE = (0.02, 50.0)
"""A factor on a metric network's metres outside of this is a mistake in the units or the reference."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FrameSamples:
    """Pixels of one frame that have both: ``output_N``, what the network says, and ``reference_N`` [m].

    Both are positive and finite.
    """

    output_N: Float64
    reference_N: Float64


@dataclass(frozen=True, kw_only=True)
class ScaleFit:
    """What was found; the fields are those of ScaleCalibration."""

    scale: float
    shift: float
    abs_rel: float
    abs_rel_before: float | None
    frame_spread: float
    num_frames: int
    num_pixels: int


def fit_scale(frames: Sequence[FrameSamples], quantity: str, *, max_abs_rel: float) -> ScaleFit:
    """Fit ``quantity`` (metres, depth or disparity) to the frames, none of them empty.

    Raises SourceError where the reference does not determine the scale, or the residual is above ``max_abs_rel``.
    """
    if not frames:
        raise SourceError("nothing to fit: no frame has pixels with both depth and a reference")
    if quantity == METRES:
        scale, shift = math.exp(float(np.median([_log_scale(frame.output_N, frame) for frame in frames]))), 0.0
        if not PLAUSIBLE_SCALE[0] < scale < PLAUSIBLE_SCALE[1]:
            low, high = PLAUSIBLE_SCALE
            raise SourceError(f"the scale would be {scale:.3g}; accepted: {low} to {high}. Is the reference in metres?")
    else:
        scale, shift = _fit_line(
            np.concatenate([frame.output_N for frame in frames]),
            np.concatenate([frame.reference_N for frame in frames]),
            is_disparity=quantity == "disparity",
        )
    metres = [_metres(frame.output_N, scale, shift, is_disparity=quantity == "disparity") for frame in frames]
    abs_rel = _abs_rel(metres, frames)
    if not abs_rel <= max_abs_rel:
        raise SourceError(
            f"no fit: abs_rel is {abs_rel:.3f} with the best scale; accepted: {max_abs_rel:g} and less. Does the"
            " reference belong to these images (time, frame, units)? If so, this network does not understand the scene"
        )
    logs = [_log_scale(metres_N, frame) for metres_N, frame in zip(metres, frames, strict=True)]
    return ScaleFit(
        scale=scale,
        shift=shift,
        abs_rel=abs_rel,
        abs_rel_before=_abs_rel([frame.output_N for frame in frames], frames) if quantity == METRES else None,
        frame_spread=float(np.std(logs)),
        num_frames=len(frames),
        num_pixels=sum(frame.output_N.size for frame in frames),
    )


def _log_scale(metres_N: Float64, frame: FrameSamples) -> float:
    """Logarithm of the scale that fits one frame alone."""
    with np.errstate(divide="ignore"):
        return float(np.median(np.log(frame.reference_N / metres_N)))


def _abs_rel(metres: Sequence[Float64], frames: Sequence[FrameSamples]) -> float:
    errors = [
        depth_metrics(metres_N[None], frame.reference_N[None], min_depth_m=0.0, max_depth_m=math.inf)
        for metres_N, frame in zip(metres, frames, strict=True)
    ]
    mean = mean_metrics(errors)
    assert mean is not None
    return mean.mean.abs_rel


def _metres(output_N: Float64, scale: float, shift: float, *, is_disparity: bool) -> Float64:
    quantity_N = scale * output_N + shift
    if not is_disparity:
        return quantity_N
    return np.divide(1.0, quantity_N, out=np.full_like(quantity_N, np.inf), where=quantity_N > 0.0)


def _fit_line(output_N: Float64, reference_N: Float64, *, is_disparity: bool) -> tuple[float, float]:
    near, far = np.percentile(reference_N, (5.0, 95.0))
    if far < MIN_DEPTH_RATIO * near:
        raise SourceError(
            f"the reference lies between {near:.2f} m and {far:.2f} m; a relative network has two unknowns, which needs"
            f" distances that differ by a factor of {MIN_DEPTH_RATIO} and more"
        )
    wanted_N = 1.0 / reference_N if is_disparity else reference_N
    scale, shift = _resistant_line(output_N, wanted_N)
    # Divided by what is wanted, the errors are relative, and every pixel's right side is 1.
    rows_N2 = np.stack([output_N / wanted_N, 1.0 / wanted_N], axis=1)
    num_kept = math.ceil(KEPT_SHARE * output_N.size)
    kept = np.empty(0, np.intp)
    for _ in range(MAX_STEPS):
        errors_N = np.abs(rows_N2 @ [scale, shift] - 1.0)
        previous, kept = kept, np.sort(np.argpartition(errors_N, num_kept - 1)[:num_kept])
        if np.array_equal(previous, kept):
            break
        (scale, shift), _, rank, _ = np.linalg.lstsq(rows_N2[kept], np.ones(num_kept), rcond=None)
        if rank < 2:
            scale = 0.0
            break
    if not (math.isfinite(scale) and scale > 0.0 and math.isfinite(shift)):
        raise SourceError(
            f"no fit: the network's output does not grow with the reference's {'dis' if is_disparity else ''}"
            f"{'parity' if is_disparity else 'depth'} (slope {scale:.3g}); does the reference belong to these images?"
        )
    return float(scale), float(shift)


def _resistant_line(x_N: Float64, y_N: Float64) -> tuple[float, float]:
    low, high = np.quantile(x_N, (1.0 / 3.0, 2.0 / 3.0))
    left, right = x_N <= low, x_N >= high
    run = float(np.median(x_N[right]) - np.median(x_N[left]))
    slope = float(np.median(y_N[right]) - np.median(y_N[left])) / run if run > 0.0 else 0.0
    return slope, float(np.median(y_N - slope * x_N))
