"""ONNX Runtime on the CPU: the hard dependency, in fp32."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..engine import EngineInfo, read_artifact
from ..engine_options import EngineOptions
from ..errors import EngineError, SpecError
from ..spec import EngineSpec
from .network_engine import CompiledShape, NetworkEngine, network_precision, one_line

# A robot reports to nobody that its user has not named.
onnxruntime.disable_telemetry_events()

FREE_DIMENSIONS = ("batch", "height", "width")
"""Names of the free dimensions of the network's input, which are fixed to the image's when a session is made."""


def open_network(path: Path, spec: EngineSpec, options: EngineOptions, *, reason: str = "asked for") -> NetworkEngine:
    """Open a network file; with ``options.threads`` None on every CPU that this process may run on."""
    precision = network_precision(spec, options.precision, ("fp32",), "ONNX Runtime on a CPU")
    num_threads = options.threads or len(os.sched_getaffinity(0))

    def compile_shape(shape: tuple[int, int, int]) -> CompiledShape:
        return _compile(path, spec, shape, num_threads)

    info = EngineInfo(
        engine="onnxruntime",
        precision=precision or "fp32",
        device=f"CPU, {num_threads} threads",
        reason=reason,
        version=f"onnxruntime {onnxruntime.__version__}",
    )
    return NetworkEngine(spec, info, compile_shape)


def _compile(path: Path, spec: EngineSpec, shape: tuple[int, int, int], num_threads: int) -> CompiledShape:
    options = onnxruntime.SessionOptions()
    # An explicit count also keeps ONNX Runtime from pinning its threads to cores that others may be using.
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Waiting threads would otherwise spin at full load between two frames.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name, value in zip(FREE_DIMENSIONS, shape, strict=True):
        options.add_free_dimension_override_by_name(name, value)
    data = read_artifact(path, spec)  # again for every shape, so that a file replaced meanwhile is never mixed in
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineError(f"ONNX Runtime cannot load {path}: {one_line(error)}") from error
    _check_signature(session, path, spec, shape)
    outputs = [name for name in (spec.depth_output, spec.sky_output) if name is not None]

    def run(images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        arrays = session.run(outputs, {spec.input_name: images_nhw3})
        return arrays[0], arrays[1] if len(arrays) > 1 else None

    return run


def _check_signature(
    session: onnxruntime.InferenceSession, path: Path, spec: EngineSpec, shape: tuple[int, int, int]
) -> None:
    inputs = {node.name: node for node in session.get_inputs()}
    outputs = {node.name for node in session.get_outputs()}
    for name, found in ((spec.input_name, set(inputs)), (spec.depth_output, outputs), (spec.sky_output, outputs)):
        if name is not None and name not in found:
            raise SpecError(f"{path} has no {name!r}, which its spec names; it has {', '.join(sorted(found))}")
    node = inputs[spec.input_name]
    if node.type != "tensor(uint8)" or node.shape != [*shape, 3]:
        raise EngineError(
            f"{path} takes {node.type} {node.shape} when asked for {[*shape, 3]};"
            f" accepted: uint8 with free dimensions named {', '.join(FREE_DIMENSIONS)}"
        )
