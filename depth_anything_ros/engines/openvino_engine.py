"""OpenVINO on the CPU (extra ``openvino``): the fastest, in fp32, or in bf16 where the CPU has it natively."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Importing OpenVINO reports to a server: from a thread it forks this process, and the copy may hang for ever with all
# files of ours open. Without that package it has a stub of its own.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino

from ..engine import EngineInfo, read_artifact
from ..engine_options import EngineOptions
from ..errors import EngineError, SpecError
from ..spec import EngineSpec
from .network_engine import CompiledShape, NetworkEngine, network_precision, one_line

DEVICE = "CPU"


def open_network(path: Path, spec: EngineSpec, options: EngineOptions, *, reason: str = "asked for") -> NetworkEngine:
    """Open a network file; ``options.threads`` None leaves the number to OpenVINO."""
    threads = options.threads
    core = openvino.Core()
    asked = network_precision(spec, options.precision, ("fp32", "bf16"), "OpenVINO on a CPU")
    hint = "auto" if asked in ("", "int8") else asked  # what is left in floating point
    chosen, notes = choose_precision(hint, core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"))
    # Always given: OpenVINO's own default differs from CPU to CPU, and what runs must be what is reported.
    config: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32" if chosen == "fp32" else "bf16",
        # A pinned thread waits for its core even where another is idle: measured, no gain on a busy machine.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    data = read_artifact(path, spec)
    try:
        model = core.read_model(io.BytesIO(data))
    except Exception as error:
        raise EngineError(f"OpenVINO cannot load {path}: {one_line(error)}") from error
    _check_signature(model, path, spec)

    def compile_shape(shape: tuple[int, int, int]) -> CompiledShape:
        return _compile(core, model, path, spec, shape, config)

    info = EngineInfo(
        engine="openvino",
        precision="int8" if asked == "int8" else chosen,
        device=f"{core.get_property(DEVICE, 'FULL_DEVICE_NAME')}, {threads or 'automatic'} threads",
        reason=reason,
        version=f"openvino {openvino.__version__}",
        notes=notes,
    )
    return NetworkEngine(spec, info, compile_shape)


def choose_precision(precision: str, capabilities: list[str]) -> tuple[str, tuple[str, ...]]:
    """The precision to run in and what to say about it; raises EngineError for bf16 on a CPU that only emulates it."""
    native = "BF16" in capabilities
    if precision == "bf16" and not native:
        raise EngineError(
            "precision bf16 is not native to this CPU, where it would be many times slower than fp32;"
            " accepted: auto, fp32"
        )
    if precision == "fp32" or not native:
        return "fp32", () if precision == "fp32" else ("fp32, as this CPU has no native bf16",)
    return "bf16", () if precision == "bf16" else ("bf16, as this CPU has it natively; precision fp32 turns it off",)


def _compile(
    core: openvino.Core,
    model: openvino.Model,
    path: Path,
    spec: EngineSpec,
    shape: tuple[int, int, int],
    config: dict[str, Any],
) -> CompiledShape:
    size = "x".join(str(side) for side in shape)
    taken = model.input(spec.input_name).partial_shape
    if not taken.compatible(openvino.PartialShape([*shape, 3])):
        raise EngineError(f"{path} takes {taken}, not {size}x3; accepted: free batch, height and width")
    try:
        static = model.clone()
        static.reshape({spec.input_name: [*shape, 3]})
        compiled = core.compile_model(static, DEVICE, config)
        request = compiled.create_infer_request()
    except Exception as error:
        raise EngineError(f"OpenVINO cannot compile {path} for {size}: {one_line(error)}") from error
    depth_port = compiled.output(spec.depth_output)
    sky_port = compiled.output(spec.sky_output) if spec.sky_output else None

    def run(images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        results = request.infer({spec.input_name: images_nhw3}, share_inputs=True)
        # Copies: the request's own memory is overwritten by the next frame.
        return np.array(results[depth_port]), None if sky_port is None else np.array(results[sky_port])

    return run


def _check_signature(model: openvino.Model, path: Path, spec: EngineSpec) -> None:
    inputs = {name: port for port in model.inputs for name in port.names}
    outputs = {name: port for port in model.outputs for name in port.names}
    wanted = ((spec.input_name, inputs), (spec.depth_output, outputs), (spec.sky_output, outputs))
    for name, found in wanted:
        if name is not None and name not in found:
            raise SpecError(f"{path} has no {name!r}, which its spec names; it has {', '.join(sorted(found))}")
    port = inputs[spec.input_name]
    if port.get_element_type() != openvino.Type.u8 or port.partial_shape.rank != openvino.Dimension(4):
        raise EngineError(
            f"{path} takes {port.get_element_type()} {port.partial_shape}; accepted: uint8 (batch, height, width, 3)"
        )
