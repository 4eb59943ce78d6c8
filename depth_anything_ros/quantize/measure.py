"""How far an int8 network is from the network it was made of, and how much faster, on every CPU engine there is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..engine import DepthEngine, load_engine
from ..engine_options import CPU_ENGINES, EngineOptions
from ..errors import MissingDependency
from ..golden import GoldenSample, compare_golden

_TIMED_ROUNDS = 5


@dataclass(frozen=True)
class Int8Error:
    """Difference of depth from fp32 over the images that were kept back, on one engine."""

    engine: str
    abs_rel: float
    """Mean over the images of the mean of abs(d - d_fp32) / d_fp32."""
    worst: float
    """The same of the worst image."""
    sky_changed: float
    """Mean share of the pixels that changed between sky and not sky."""
    speed: float
    """Time of a frame before, in the engine's own precision, divided by that of the int8 network."""
    precision: str
    """The engine's own precision for the network before."""


def reference_depth(path: Path, images: Sequence[NDArray[np.uint8]], options: EngineOptions) -> list[NDArray]:
    """The fp32 network's answer (h, w) for every image, on ONNX Runtime."""
    with load_engine(path, options, engine="onnxruntime", precision="fp32") as engine:
        return [engine.infer(image_hw3[None])[0] for image_hw3 in images]


def measure_int8(
    int8_path: Path,
    path: Path,
    images: Sequence[NDArray[np.uint8]],
    expected: Sequence[NDArray[np.float32]],
    options: EngineOptions,
) -> list[Int8Error]:
    """Run the int8 network on ``images``, whose fp32 depth is ``expected``, on every CPU engine that is installed."""
    found = []
    for name in CPU_ENGINES:
        try:
            int8 = load_engine(int8_path, options, engine=name)
        except MissingDependency:
            continue
        with int8, load_engine(path, options, engine=name) as before:
            errors = [
                compare_golden(
                    int8.infer(image_hw3[None])[0],
                    GoldenSample(image_hw3, depth_hw, 0.0),
                    quantity=int8.spec.quantity,
                )
                for image_hw3, depth_hw in zip(images, expected, strict=True)
            ]
            times = _times([before, int8], images[0])
            found.append(
                Int8Error(
                    engine=name,
                    abs_rel=float(np.mean([error.abs_rel for error in errors])),
                    worst=max(error.abs_rel for error in errors),
                    sky_changed=float(np.mean([error.sky_changed for error in errors])),
                    speed=times[0] / times[1],
                    precision=before.info.precision,
                )
            )
    return found


def _times(engines: Sequence[DepthEngine], image_hw3: NDArray[np.uint8]) -> list[float]:
    """Shortest time of a frame on each engine [s], taken in turns, so that other work hits all of them."""
    best = [np.inf] * len(engines)
    for round_number in range(_TIMED_ROUNDS + 1):
        for index, engine in enumerate(engines):
            start = time.perf_counter()
            engine.infer(image_hw3[None])
            if round_number:  # the first compiles
                best[index] = min(best[index], time.perf_counter() - start)
    return best
