"""A teacher's disparity as depth in metres: with the scale of another network, of a calibration, or its own.

Where a recording holds no truth, the shape of the scene comes from the teacher and the metres from what is known of
them already; a network that is fine-tuned on both keeps the metres that it had.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.engine import resolve_artifact
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.scale import network_focal_px
from depth_anything_ros.scale_calibration import load_calibration
from depth_anything_ros.spec import load_spec, spec_path_of

from .predictor import Predictor
from .samples import DepthSample
from .scores import Answer
from .start_weights import is_weights

Labeller = Callable[[NDArray[np.float32], DepthSample], NDArray[np.float32] | None]
"""From a teacher's disparity (h, w) of the sample's whole image to metres (H, W) at its size, NaN where unknown; None
for a frame that gets no label."""

MIN_M, MAX_M = 0.1, 100.0
"""Labels outside are unknown."""
KEPT_SHARE = 0.75
_MAX_STEPS = 20
_MAX_PIXELS = 20_000
_MIN_PIXELS = 100


def label_with_start(start: Answer, teacher: Predictor) -> Labeller:
    """Each frame is given the metres of ``start``: scale and shift of a relative teacher's disparity, or the factor of
    a metric one, are those that fit ``start`` best.
    """

    def label(disparity_hw: NDArray[np.float32], sample: DepthSample) -> NDArray[np.float32] | None:
        disparity_HW = _enlarged(disparity_hw, sample)
        with np.errstate(divide="ignore", invalid="ignore"):
            start_HW = 1 / start(sample)
        known = np.isfinite(disparity_HW) & np.isfinite(start_HW) & (start_HW > 1 / MAX_M)
        x_N, y_N = disparity_HW[known].astype(np.float64), start_HW[known].astype(np.float64)
        if x_N.size < _MIN_PIXELS:
            return None
        fit = (float(np.median(y_N / x_N)), 0.0) if teacher.meaning != "relative" else fit_trimmed(x_N, y_N)
        return None if fit is None else _metres(np.float32(fit[0]) * disparity_HW + np.float32(fit[1]))

    return label


def label_with_calibration(path: Path, teacher: Predictor) -> Labeller:
    """The metres of a file that ``depth_anything_ros calibrate-scale`` made for the teacher.

    Raises ConfigError for a file that cannot be used or is of another network, and for a teacher that is no exported
    network, as only such a one can be calibrated.
    """
    if is_weights(teacher.name):
        raise ConfigError(
            f"{path}: a calibration is of an exported network (.onnx), not of the checkpoint {teacher.name}"
        )
    calibration = load_calibration(path)
    calibration.require_network(load_spec(spec_path_of(resolve_artifact(teacher.name))))

    def label(disparity_hw: NDArray[np.float32], sample: DepthSample) -> NDArray[np.float32] | None:
        disparity_HW = _enlarged(disparity_hw, sample)
        if not calibration.is_relative:
            return _metres(disparity_HW / np.float32(calibration.scale * _focal_factor(teacher, disparity_hw, sample)))
        output_HW = disparity_HW if calibration.quantity == "disparity" else 1 / disparity_HW
        metres_HW = np.array(output_HW, np.float32)
        calibration.to_metres(metres_HW)
        return _metres(np.reciprocal(metres_HW))

    return label


def label_with_teacher(teacher: Predictor) -> Labeller:
    """The teacher's own metres. Raises ConfigError for one that has none for any camera."""
    if teacher.meaning != "metric_canonical":
        raise ConfigError(
            f"{teacher.name} is {teacher.meaning}: its metres do not hold for this camera; the scale of the start or a"
            " calibration (--scale-file) is accepted"
        )

    def label(disparity_hw: NDArray[np.float32], sample: DepthSample) -> NDArray[np.float32] | None:
        return _metres(_enlarged(disparity_hw, sample) / np.float32(_focal_factor(teacher, disparity_hw, sample)))

    return label


def fit_trimmed(x_N: NDArray[np.float64], y_N: NDArray[np.float64]) -> tuple[float, float] | None:
    """Scale and shift with scale x + shift nearest to y > 0 in relative error, the worst quarter of the pixels left out
    (least trimmed squares: Rousseeuw 1984, with his concentration steps); None where no positive scale fits.
    """
    every = max(1, x_N.size // _MAX_PIXELS)
    x_N, y_N = x_N[::every], y_N[::every]
    kept = np.ones(x_N.size, bool)
    scale = shift = 0.0
    for _ in range(_MAX_STEPS):
        rows_N2 = np.stack([x_N[kept] / y_N[kept], 1 / y_N[kept]], axis=1)
        scale, shift = np.linalg.lstsq(rows_N2, np.ones(len(rows_N2)), rcond=None)[0]
        error_N = np.abs((scale * x_N + shift) / y_N - 1)
        better = error_N <= np.quantile(error_N, KEPT_SHARE)
        if np.array_equal(better, kept):
            break
        kept = better
    return (float(scale), float(shift)) if scale > 0 else None


def _enlarged(disparity_hw: NDArray[np.float32], sample: DepthSample) -> NDArray[np.float32]:
    size = (sample.camera.width, sample.camera.height)
    return np.asarray(cv2.resize(disparity_hw, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _focal_factor(teacher: Predictor, disparity_hw: NDArray[np.float32], sample: DepthSample) -> float:
    """From the network's output to metres of the sample's camera, as ``depth_anything_ros.scale.focal_scale``."""
    if teacher.canonical_focal_px is None:
        return 1.0
    height, width = disparity_hw.shape
    return network_focal_px(sample.camera, height, width) / teacher.canonical_focal_px


def _metres(inverse_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(divide="ignore", invalid="ignore"):
        metres_HW = (1 / inverse_HW).astype(np.float32)
        metres_HW[~((metres_HW >= MIN_M) & (metres_HW <= MAX_M))] = np.nan
    return metres_HW
