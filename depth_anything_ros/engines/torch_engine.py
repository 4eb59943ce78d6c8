"""PyTorch on a CUDA device, for machines that have PyTorch and no TensorRT: fp16, one CUDA graph per shape.

It runs ``spec.torch_weights`` through the very network that the ONNX file was exported from. Without a CUDA device it
runs only where fp32 is asked for, on the CPU, to compare with: the CPU engines are several times as fast.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..engine import EngineInfo
from ..engine_options import EngineOptions
from ..errors import EngineError, SpecError
from ..networks.depth_network import DepthNetwork
from ..networks.weights import checked_weights, load_weights
from ..spec import EngineSpec
from .network_engine import CompiledShape, NetworkEngine, network_precision, one_line

_WARM_UP_RUNS = 3
"""Before a capture: libraries choose their algorithms and allocate their workspaces in the first runs."""


class TorchEngine(NetworkEngine):
    """A ``DepthEngine`` over PyTorch."""

    def close(self) -> None:
        """Free the network and return its device memory; calling it twice is fine."""
        super().close()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def open_network(path: Path, spec: EngineSpec, options: EngineOptions, *, reason: str = "asked for") -> TorchEngine:
    """Open the torch weights beside ``path``, on CUDA device ``options.device``.

    Raises EngineError where there are no weights, no such device, or the precision is another; SpecError where the
    weights are not those that the spec names.
    """
    if spec.torch_weights is None or spec.quantized:
        raise EngineError(
            f"{spec.name} has no weights for the engine torch: depth_anything_ros fetch makes them from a checkpoint,"
            " but not with --no-torch-weights or --ready-onnx; accepted without: openvino, onnxruntime, tensorrt"
        )
    device = _device(options)
    accepted = ("fp16", "fp32") if device.type == "cuda" else ("fp32",)
    precision = network_precision(spec, options.precision, accepted, f"PyTorch on {device.type}") or accepted[0]
    network = _load(path, spec)
    if precision == "fp16":
        network.half_()
    try:
        # Tensor cores read convolutions channels last.
        network = network.to(device).to(memory_format=torch.channels_last)
    except RuntimeError as error:
        raise EngineError(f"{spec.name} cannot be moved to {device}: {one_line(error)}") from error
    if device.type == "cpu" and options.threads:
        torch.set_num_threads(options.threads)

    def compile_shape(shape: tuple[int, int, int]) -> CompiledShape:
        if device.type == "cpu":
            return _run_on_cpu(network)
        try:
            return _capture(network, device, shape)
        except RuntimeError as error:
            n, h, w = shape
            raise EngineError(f"{spec.name} cannot run at {n}x{h}x{w} on {device}: {one_line(error)}") from error

    info = EngineInfo(
        engine="torch",
        precision=precision,
        device=_device_name(device),
        reason=reason,
        version=f"torch {torch.__version__}",
    )
    return TorchEngine(spec, info, compile_shape)


def _device(options: EngineOptions) -> torch.device:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options.device < count:
        return torch.device("cuda", options.device)
    if count:
        raise EngineError(f"there is no CUDA device {options.device}; accepted: 0 to {count - 1}")
    if options.precision == "fp32":
        return torch.device("cpu")
    raise EngineError(
        f"the engine torch needs a CUDA device, and PyTorch {torch.__version__} finds none; accepted: the engines"
        " openvino and onnxruntime, or precision fp32, which PyTorch runs on the CPU, slowly"
    )


def _device_name(device: torch.device) -> str:
    if device.type == "cpu":
        return f"CPU, {torch.get_num_threads()} threads"
    return f"{torch.cuda.get_device_name(device)} ({device})"


def _load(path: Path, spec: EngineSpec) -> DepthNetwork:
    weights = checked_weights(path, spec)
    network = load_weights(weights)
    if network.config.has_sky != (spec.sky_output is not None):
        has = "a" if network.config.has_sky else "no"
        raise SpecError(f"{weights} has {has} sky output, its spec names {spec.sky_output!r}")
    return network


def _run_on_cpu(network: DepthNetwork) -> CompiledShape:
    def run(images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        with torch.inference_mode():
            return _depth_and_sky([output.numpy() for output in network(torch.tensor(images_nhw3))])

    return run


def _capture(network: DepthNetwork, device: torch.device, shape: tuple[int, int, int]) -> CompiledShape:
    """Record the network for one shape in a CUDA graph on a stream of its own, between fixed buffers.

    Every frame then is one upload, one launch and one download; nothing is allocated on the device.
    """
    stream = torch.cuda.Stream(device)
    staged = torch.empty((*shape, 3), dtype=torch.uint8, pin_memory=True)
    image = torch.zeros((*shape, 3), dtype=torch.uint8, device=device)
    stream.wait_stream(torch.cuda.current_stream(device))
    graph = torch.cuda.CUDAGraph()
    with (
        torch.cuda.device(device),
        torch.inference_mode(),
        # benchmark: the fastest convolution for this shape; no TF32: fp32 means fp32.
        torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False),
    ):
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_RUNS):
                network(image)
        stream.synchronize()
        # thread_local: another thread's CUDA calls must not break the recording.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            outputs = [output.float() for output in network(image)]
    downloaded = [torch.empty(output.shape, dtype=torch.float32, pin_memory=True) for output in outputs]
    staged_nhw3 = staged.numpy()
    found = [host.numpy() for host in downloaded]

    def run(images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        np.copyto(staged_nhw3, images_nhw3)
        with torch.cuda.stream(stream):
            image.copy_(staged, non_blocking=True)
            graph.replay()
            for host, output in zip(downloaded, outputs, strict=True):
                host.copy_(output, non_blocking=True)
        stream.synchronize()
        return _depth_and_sky([array.copy() for array in found])

    return run


def _depth_and_sky(arrays: list[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    return arrays[0], arrays[1] if len(arrays) > 1 else None
