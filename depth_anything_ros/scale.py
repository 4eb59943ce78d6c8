"""Metric scale: from the network's metres to the metres of a camera."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from .camera import CameraModel
from .errors import ConfigError
from .spec import EngineSpec

if TYPE_CHECKING:
    from .scale_calibration import ScaleCalibration

FIXED_NOTE = (
    "this network gives metres of the camera it was trained with; the focal length is a starting value only,"
    " calibrate it with one known distance: depth_anything_ros calibrate-scale"
)


def focal_scale(spec: EngineSpec, camera: CameraModel, size_hw: tuple[int, int]) -> float:
    """The factor from the network's output to metres, for an image of ``camera`` resized to (h, w) for the network.

    A network that sees only pixels cannot tell a near small thing from a far large one; it answers for one focal
    length, and depth is proportional to the focal length [px] at the network's input. ``metric_canonical``: that focal
    length is part of the promise. ``metric_fixed``: it is the training camera's, where known; where not, the factor
    is 1. Raises ConfigError for a relative network.
    """
    require_metric(spec)
    h, w = size_hw
    answered_px = spec.canonical_focal_px if spec.meaning == "metric_canonical" else spec.training_focal_px
    return 1.0 if answered_px is None else network_focal_px(camera, h, w) / answered_px


@lru_cache(maxsize=16)
def network_focal_px(camera: CameraModel, height: int, width: int) -> float:
    """Focal length of images of ``camera`` once they are resized to the network's ``height`` and ``width`` [px]."""
    return camera.scaled_to(width=width, height=height).focal_px


def require_metric(spec: EngineSpec) -> None:
    """Raise ConfigError for a relative network, whose output is no multiple of metres."""
    if spec.meaning == "relative":
        raise ConfigError(
            f"{spec.name} gives relative {spec.quantity} without a unit; accepted here: a metric network, or with it a"
            " calibration of its scale (depth_anything_ros calibrate-scale)"
        )


def scale_notes(spec: EngineSpec, calibration: ScaleCalibration | None = None) -> tuple[str, ...]:
    """What a user of this network's metres should know; empty for a canonical network without a calibration."""
    if calibration is not None:
        return (calibration.describe(),)
    return (FIXED_NOTE,) if spec.meaning == "metric_fixed" and spec.artifact else ()
