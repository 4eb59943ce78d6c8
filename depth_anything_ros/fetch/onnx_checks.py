"""Checks of a foreign ONNX network on ONNX Runtime: shapes, values, batches, and that both its forms answer alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..engine import load_engine
from ..errors import EngineError
from ..known_spec import golden_size, golden_view
from ..models import KnownModel
from ..spec import EngineSpec
from .onnx_form import IMAGENET_MEAN, IMAGENET_STD
from .onnx_interface import OnnxInterface

SMALL_SIZE_HW = (168, 126)
"""A second size, which a graph whose sizes were frozen in the export does not survive [px]."""
PARITY_TOLERANCE = 1e-4
BATCH_TOLERANCE = 1e-3
"""Largest accepted mean relative differences: between the two forms, and between an image alone and in a batch."""
_RANGE_SLACK = 1e-3


def sizes_to_check(spec: EngineSpec, interface: OnnxInterface) -> list[tuple[int, int]]:
    """The (h, w) [px] at which a network is checked; the last is the golden sample's."""
    _, h, w = interface.fixed
    return [(h, w)] if h is not None and w is not None else [SMALL_SIZE_HW, golden_size(spec)]


def depth_at(path: Path, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the network gives; opened for this one shape, as each shape holds its own copy of the weights.

    Raises EngineError for another output shape, a NaN, or a graph that does not run at this size.
    """
    with load_engine(path, engine="onnxruntime", precision="fp32") as engine:
        return engine.infer(images_nhw3)


def check_values(depth: NDArray[np.float32], model: KnownModel, spec: EngineSpec) -> None:
    """Raise EngineError where an output cannot be that of the model that the network is said to be like."""
    finite = depth[np.isfinite(depth)]
    if finite.size and finite.min() == finite.max():
        raise EngineError(f"{spec.artifact} gives {finite.min():g} for every pixel; a depth network does not")
    low = float(finite.min()) if finite.size else 0.0
    high = float(finite.max()) if finite.size else 0.0
    limit = spec.max_depth_m * (1.0 + _RANGE_SLACK) if model.head == "sigmoid" else np.inf
    if low < 0.0 or high > limit:
        promise = f"0 to {spec.max_depth_m:g}" if model.head == "sigmoid" else "nothing below 0"
        raise EngineError(f"{spec.artifact} gives {low:.4g} to {high:.4g}, where {model.name} gives {promise}")


def usable_batch(path: Path, spec: EngineSpec, interface: OnnxInterface, alone: NDArray[np.float32]) -> int:
    """``spec.max_batch`` if the network does as well with two images as with one, else 1.

    ``alone`` is its answer (1, h, w) to the golden view of that size.
    """
    if interface.fixed[0] is not None or spec.max_batch == 1:
        return 1
    view = golden_view((alone.shape[1], alone.shape[2]))
    try:
        both = depth_at(path, np.stack([view[:, ::-1], view]))
    except EngineError:
        return 1
    return spec.max_batch if mean_relative(both[1], alone[0]) <= BATCH_TOLERANCE else 1


def form_error(
    source: Path, artifact: Path, interface: OnnxInterface, input_range: str, size_hw: tuple[int, int]
) -> float:
    """Mean relative difference between a network and its wrapped form, for the golden view at one size."""
    view = golden_view(size_hw)
    expected = _run_source(source, interface, input_range, view)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(artifact), options, providers=["CPUExecutionProvider"])
    found = session.run(["depth"], {"image": view[None]})[0]
    if found.shape != (1, *size_hw) or found.size != expected.size:
        raise EngineError(f"{source} gives {expected.shape} for an image of {size_hw}; accepted: one value per pixel")
    return mean_relative(found[0], expected.reshape(size_hw))


def mean_relative(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Mean of abs(found - expected) / expected over the finite pixels, with a floor for values near zero."""
    finite = np.isfinite(expected)
    if not np.array_equal(finite, np.isfinite(found)):
        return float("inf")
    wanted = expected[finite].astype(np.float64)
    floor = max(0.01 * float(np.median(np.abs(wanted))), 1e-6) if wanted.size else 1.0
    return float(np.mean(np.abs(found[finite] - wanted) / np.maximum(np.abs(wanted), floor))) if wanted.size else 0.0


def _run_source(
    source: Path, interface: OnnxInterface, input_range: str, view_hw3: NDArray[np.uint8]
) -> NDArray[np.float32]:
    pixels = view_hw3.astype(np.float32) if interface.is_float else view_hw3
    if interface.is_float and input_range == "normalised":
        pixels = ((pixels / 255.0 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)).astype(np.float32)
    elif interface.is_float and input_range == "0..1":
        pixels = pixels / np.float32(255.0)
    if interface.is_nchw:
        pixels = pixels.transpose(2, 0, 1)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        answer: NDArray[np.float32] = session.run([interface.outputs[0]], {interface.input_name: pixels[None]})[0]
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise EngineError(f"{source} does not run for an image of {view_hw3.shape[:2]}: {text}") from error
    return answer
