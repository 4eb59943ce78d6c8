"""The check that every TensorRT plan must pass, at its own shape and for every size of batch: the depth of fp32.

The reference is the network's golden sample where it has the plan's shape, else what ONNX Runtime gives for the golden
image resized to it; that is computed once and kept beside the plans.
"""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..engine import apply_sky
from ..engine_options import EngineOptions
from ..errors import EngineError, SpecError
from ..golden import GoldenError, GoldenSample, compare_golden, load_golden, require_golden, save_golden
from ..preprocess import resize_to_network
from ..spec import EngineSpec, sha256_of
from .network_engine import CompiledShape

_TOLERANCE = 1e-3
"""Of a network whose spec names no golden sample."""


class CheckFailed(EngineError):
    """A plan runs, but its depth is not the network's. ``golden`` is how far it is off, None where it gave no depth."""

    def __init__(self, reason: str, golden: GoldenError | None) -> None:
        super().__init__(reason)
        self.golden = golden


def reference_sample(path: Path, spec: EngineSpec, size_hw: tuple[int, int], folder: Path | None) -> GoldenSample:
    """Image and fp32 depth at the network's input size ``size_hw`` (h, w); ``folder`` keeps what was computed.

    That it can be written to is not needed. Raises SpecError where the golden sample is not the one that the spec
    names, EngineError where ONNX Runtime fails.
    """
    own = load_golden(path.with_name(spec.golden), spec.golden_sha256 or "") if spec.golden else None
    if own is not None and own.depth_hw.shape == size_hw:
        return own
    h, w = size_hw
    name = f"reference-{spec.artifact_sha256[:16]}-{(spec.golden_sha256 or 'drawn')[:16]}-{w}x{h}.npz"
    kept = folder / name if folder is not None else None
    if kept is not None and kept.is_file():
        with contextlib.suppress(SpecError):
            return load_golden(kept, sha256_of(kept))
    image_hw3 = resize_to_network(_picture() if own is None else own.image_hw3, size_hw)
    # By name: what builds plans elsewhere does without ONNX Runtime until it is needed.
    leaf = importlib.import_module("depth_anything_ros.engines.onnxruntime_engine")
    with leaf.open_network(path, spec, EngineOptions(engine="onnxruntime"), reason="reference") as engine:
        depth_hw = engine.infer(image_hw3[None])[0]
    sample = GoldenSample(image_hw3, depth_hw, _TOLERANCE if own is None else own.tolerance)
    if kept is not None:
        with contextlib.suppress(OSError):  # without it the next start takes longer, no more
            save_golden(kept, sample)
    return sample


def check_plan(
    run: CompiledShape, sample: GoldenSample, spec: EngineSpec, *, precision: str, label: str
) -> GoldenError:
    """Run the sample in batches of 1 to ``spec.max_batch`` and return the largest error; CheckFailed if it is wrong.

    Every size of batch runs through kernels of its own. The sample is the last of each, after inverted images, so that
    one image that shows in the depth of another is found too.
    """
    errors = []
    for n in range(1, spec.max_batch + 1):
        images_nhw3 = np.repeat(~sample.image_hw3[None], n, axis=0)
        images_nhw3[-1] = sample.image_hw3
        depth_nhw, sky_nhw = run(images_nhw3)
        here = label if n == 1 else f"{label}, {n} at once,"
        for array in (depth_nhw, sky_nhw):
            if array is not None and np.isnan(np.min(array)):
                raise CheckFailed(f"{here} gives NaN", None)
        golden = compare_golden(apply_sky(depth_nhw, sky_nhw, spec)[-1], sample, quantity=spec.quantity)
        try:
            require_golden(golden, sample, precision, here)
        except EngineError as failed:
            raise CheckFailed(str(failed), golden) from failed
        errors.append(golden)
    return max(errors, key=lambda golden: golden.abs_rel)


def _picture() -> NDArray[np.uint8]:
    """Soft shapes and fine grain from a fixed seed, RGB (480, 640, 3), for networks without a sample."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(soft + rng.integers(-12, 13, soft.shape), 0, 255).astype(np.uint8)
