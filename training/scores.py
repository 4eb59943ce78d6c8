"""How far an answer is from the truth: unaligned, median-scaled and affine-aligned, always the three.

An answer is any function from a sample to numbers at the sample's size, so that a network in training, an exported
engine and an answer that ignores the image are measured by the same lines; the errors are those of
``depth_anything_ros.metrics``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.metrics import DepthMetrics, depth_metrics, per_range_metrics

from .samples import DepthSample, SampleSource

Answer = Callable[[DepthSample], NDArray[np.float32]]
"""Numbers (H, W) for a sample, at its size; what they are is one of ``OUTPUTS``."""
OUTPUTS = ("metres", "depth", "disparity")
"""Metres of the sample's camera; depth, or disparity, up to a scale and a shift."""
ALIGNMENTS = {"unaligned": "", "median": "median_", "affine": "affine_"}
"""Name in reports: prefix of the keys of ``score``."""
SCORED = ("abs_rel", "rmse", "delta1", "silog", "coverage")


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which pixels count. The crops of NYUv2 and KITTI are options of those sources."""

    min_depth_m: float = 0.1
    max_depth_m: float = 100.0
    """True depths between the two are compared [m]: to 10 m on NYUv2, to 80 m on KITTI."""
    clip: bool = False
    """Bring metres into the limits first, where there is no answer to the nearest, as published evaluators do.
    Otherwise a pixel without a usable answer lowers the coverage alone."""

    def __post_init__(self) -> None:
        if not 0 < self.min_depth_m < self.max_depth_m:
            raise ConfigError(f"min_depth_m {self.min_depth_m}: a number between 0 and max_depth_m is accepted")

    def truth(self, sample: DepthSample) -> NDArray[np.float32]:
        """The sample's depth (H, W) where it counts, NaN elsewhere. ``SourceError`` for a sample without depth."""
        if sample.quantity != "depth":
            raise SourceError(f"{sample.source}: holds {sample.quantity}; samples of depth are accepted here")
        with np.errstate(invalid="ignore"):
            counts = (sample.depth_HW > self.min_depth_m) & (sample.depth_HW < self.max_depth_m)
        return np.asarray(np.where(counts, sample.depth_HW, np.nan), np.float32)

    def clipped(self, metres_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """The answer as it is compared."""
        if not self.clip:
            return metres_HW
        return np.clip(np.nan_to_num(metres_HW, nan=self.min_depth_m), self.min_depth_m, self.max_depth_m)


@dataclass(frozen=True)
class Comparison:
    """Errors of one frame."""

    figures: dict[str, DepthMetrics]
    """By ``ALIGNMENTS``; a relative answer, or a truth without metres, has no ``unaligned``."""
    ranges: dict[tuple[float, float], DepthMetrics]
    """Of ``depth_HW`` by true depth [m], for the ranges that the frame has."""
    depth_HW: NDArray[np.float32]
    """What the answer says in metres: as it is, or affine-aligned where it has none."""


def compare(
    answer_HW: NDArray[np.float32],
    sample: DepthSample,
    protocol: Protocol,
    *,
    output: str = "metres",
    space: str = "depth",
    edges_m: Sequence[float] = (),
) -> Comparison | None:
    """Errors of one answer, or None where the frame has no depth that counts.

    Metres and relative depth are affine-aligned in depth. Relative disparity is aligned in disparity by least squares,
    held within the limits, and inverted (the protocol of MiDaS, Ranftl et al. 2020, that Depth Anything's figures on
    NYUv2 and KITTI agree with); with ``space`` disparity it is compared without inverting, errors then being of
    disparity [1/m]. ``edges_m`` are the edges of the ranges of true depth [m].
    """
    truth = protocol.truth(sample)
    if not np.isfinite(truth).any():
        return None
    errors = partial(depth_metrics, min_depth_m=protocol.min_depth_m, max_depth_m=protocol.max_depth_m)
    figures: dict[str, DepthMetrics | None]
    if output == "disparity":
        figures = _compare_disparity(answer_HW, truth, protocol, space)
    else:
        answer_HW = protocol.clipped(answer_HW) if output == "metres" else answer_HW
        figures = {
            "median": errors(answer_HW, truth, alignment="median"),
            "affine": errors(answer_HW, truth, alignment="affine"),
        }
        if output == "metres" and sample.is_metric:
            figures = {"unaligned": errors(answer_HW, truth), **figures}
    known = {name: metrics for name, metrics in figures.items() if metrics is not None}
    depth = answer_HW if "unaligned" in known else _aligned(answer_HW, known["affine"], protocol, output)
    bins = tuple(pairwise(edges_m)) if sample.is_metric else ()
    ranges = per_range_metrics(depth, truth, bins_m=bins) if bins else {}
    return Comparison(known, {key: value for key, value in ranges.items() if value is not None}, depth)


def score(
    answer: Answer, samples: SampleSource, *, protocol: Protocol | None = None, output: str = "metres"
) -> dict[str, float]:
    """Mean over the samples of ``SCORED``: unaligned, and with the prefixes ``median_`` and ``affine_``.

    Samples without depth that counts are left out; ``SourceError`` where none has any.
    """
    protocol = protocol or Protocol()
    rows: list[dict[str, float]] = []
    for index in range(len(samples)):
        sample = samples[index]
        compared = compare(answer(sample), sample, protocol, output=output)
        if compared is not None:
            rows.append(
                {
                    ALIGNMENTS[alignment] + name: float(getattr(metrics, name))
                    for alignment, metrics in compared.figures.items()
                    for name in SCORED
                }
            )
    if not rows:
        raise SourceError(f"{samples[0].source}: no valid depth to compare with, in none of {len(samples)} samples")
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in rows[0]}


def _compare_disparity(
    disparity_HW: NDArray[np.float32], truth_HW: NDArray[np.float32], protocol: Protocol, space: str
) -> dict[str, DepthMetrics | None]:
    # The core takes positive values alone, while a network's 0 means far; the fit does not care where 0 is.
    finite = disparity_HW[np.isfinite(disparity_HW)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    lift = (0.1 * (high - low) or 1.0) - low
    lifted_HW = disparity_HW + np.float32(lift)
    near, far = protocol.min_depth_m, protocol.max_depth_m
    with np.errstate(divide="ignore", invalid="ignore"):
        if space == "disparity":
            errors = partial(depth_metrics, min_depth_m=1 / far, max_depth_m=1 / near)
            affine = errors(lifted_HW, 1 / truth_HW, alignment="affine")
            median = errors(disparity_HW, 1 / truth_HW, alignment="median")
        else:
            errors = partial(depth_metrics, min_depth_m=near, max_depth_m=far)
            affine = errors(1 / lifted_HW, truth_HW, alignment="affine", affine_space="disparity")
            median = errors(1 / disparity_HW, truth_HW, alignment="median")
    if affine is not None:
        affine = dataclasses.replace(affine, shift=affine.shift + affine.scale * lift)
    return {"median": median, "affine": affine}


def _aligned(answer_HW: NDArray[np.float32], fit: DepthMetrics, protocol: Protocol, output: str) -> NDArray[np.float32]:
    """The answer with an affine fit put in [m], within the limits; sky stays +Inf."""
    near, far = protocol.min_depth_m, protocol.max_depth_m
    values = fit.scale * answer_HW.astype(np.float64) + fit.shift
    depth = 1 / np.clip(values, 1 / far, 1 / near) if output == "disparity" else np.clip(values, near, far)
    return np.asarray(np.where(np.isposinf(answer_HW), np.inf, depth), np.float32)
