"""The node's parameters that choose the network, what runs it and on which terms; ``params.py`` has them all."""

from __future__ import annotations

from .engine_options import CPU_ENGINES, ENGINES, PRECISIONS
from .parameter_spec import ParameterSpec

ENGINE_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        name="model",
        default="starter",
        description="path of an .onnx file with its spec beside it; the name of a known model, fetched if need be;"
        " starter: the network in the package",
        change="unconfigured",
    ),
    ParameterSpec(
        name="engine",
        default="auto",
        choices=ENGINES,
        description="what runs the network; auto: OpenVINO where installed, else ONNX Runtime; the GPU has tensorrt and"
        " torch",
        change="unconfigured",
    ),
    ParameterSpec(
        name="precision",
        default="auto",
        choices=PRECISIONS,
        description="auto: fp16 on a GPU; on a CPU bf16 where it has it natively, else fp32; int8: a network made so",
        change="unconfigured",
    ),
    ParameterSpec(
        name="threads",
        default=0,
        low=0,
        high=1024,
        description="CPU threads of the network; 0: the engine's choice",
        change="unconfigured",
    ),
    ParameterSpec(
        name="device", default=0, low=0, high=63, description="number of the CUDA device", change="unconfigured"
    ),
    ParameterSpec(
        name="resize",
        default="",
        description="another input size than the network's own: short_side:N or long_side:N [px]; less is faster and"
        " less accurate",
        change="unconfigured",
    ),
    ParameterSpec(
        name="accept_license",
        default="",
        description="terms of weights that you accept, with commas: cc-by-nc-4.0, unclear",
        change="unconfigured",
    ),
    ParameterSpec(
        name="camera_size",
        default="",
        description="as 640x480: prepare the engine for it before the first image; empty: when camera_info comes",
        change="unconfigured",
    ),
    ParameterSpec(
        name="engine_meanwhile",
        default="none",
        choices=("none", "auto", *CPU_ENGINES),
        description="CPU engine that runs while a TensorRT plan is being built",
        change="unconfigured",
    ),
    ParameterSpec(
        name="cpu_fallback",
        default=False,
        description="a CPU engine runs where no TensorRT plan passes its check; false: that is an error",
        change="unconfigured",
    ),
    ParameterSpec(
        name="plan",
        default="",
        description="a TensorRT plan from elsewhere; it is code that runs as the node: only what you trust",
        change="unconfigured",
    ),
    ParameterSpec(
        name="workspace_mb",
        default=0,
        low=0,
        high=1_000_000,
        description="device memory for building a TensorRT plan [MB]; 0: TensorRT's default",
        change="unconfigured",
    ),
    ParameterSpec(
        name="scale_file",
        default="",
        description="calibration of the metres, written by calibrate-scale",
        change="unconfigured",
    ),
)
