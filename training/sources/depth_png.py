"""Depth in metres as a 16-bit PNG with a scale of its own, as the source kind ``frames`` reads it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

STEP_M = 0.001
_MAX_STEPS = 65535


def encode_depth(depth_HW: NDArray[np.float32]) -> tuple[bytes, float]:
    """The bytes of the PNG and metres per step: a millimetre, or more where the depth goes beyond 65 m.

    0 stands for what is not finite, at or below half a step.
    """
    known = np.isfinite(depth_HW)
    scale_m = max(STEP_M, float(depth_HW[known].max(initial=0.0)) / _MAX_STEPS)
    steps_HW = np.rint(np.where(known, depth_HW, 0) / scale_m)
    return cv2.imencode(".png", np.clip(steps_HW, 0, _MAX_STEPS).astype(np.uint16))[1].tobytes(), scale_m
