"""How far a graph is from a reference on given images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..engine import apply_sky
from ..golden import GoldenSample, compare_golden
from ..spec import EngineSpec

Infer = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Depth (n, h, w), +Inf where sky, of RGB bytes (n, h, w, 3)."""


@dataclass(frozen=True)
class Parity:
    """Difference of depth over some images."""

    abs_rel: float
    """Mean over the images of the mean of abs(d - d_reference) / d_reference, over pixels that are no sky in both."""
    worst: float
    """The same of the worst image."""
    max_rel: float
    """The same of the worst pixel."""
    cosine: float
    """Smallest over the images."""
    sky_changed: float
    """Mean share of the pixels that changed between sky and not sky."""


def compare(infer: Infer, reference: Infer, images: Sequence[NDArray[np.uint8]]) -> Parity:
    """Run both on every image (h, w, 3) and compare."""
    errors = []
    for image_hw3 in images:
        sample = GoldenSample(image_hw3, reference(image_hw3[None])[0], tolerance=0.0)
        errors.append(compare_golden(infer(image_hw3[None])[0], sample))
    return Parity(
        abs_rel=float(np.mean([error.abs_rel for error in errors])),
        worst=max(error.abs_rel for error in errors),
        max_rel=max(error.max_rel for error in errors),
        cosine=min(error.cosine for error in errors),
        sky_changed=float(np.mean([error.sky_changed for error in errors])),
    )


def on_onnxruntime(data: bytes, spec: EngineSpec) -> Infer:
    """The graph on ONNX Runtime's CPU kernels; what is free in its shapes stays free."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    outputs = [name for name in (spec.depth_output, spec.sky_output) if name is not None]

    def infer(images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        depth_nhw, *sky = session.run(outputs, {spec.input_name: images_nhw3})
        return apply_sky(depth_nhw, sky[0] if sky else None, spec)

    return infer
