"""``cuda.bindings.runtime`` over the imagined GPU: the functions that the seam uses, as NVIDIA's library has them."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from .gpu import DeviceLost, FakeGpu
from .surface import BoundEnum

ERRORS = {
    "cudaSuccess": (0, "no error"),
    "cudaErrorInvalidValue": (1, "invalid argument"),
    "cudaErrorMemoryAllocation": (2, "out of memory"),
    "cudaErrorInsufficientDriver": (35, "CUDA driver version is insufficient for CUDA runtime version"),
    "cudaErrorNoDevice": (100, "no CUDA-capable device is detected"),
    "cudaErrorInvalidDevice": (101, "invalid device ordinal"),
    "cudaErrorIllegalAddress": (700, "an illegal memory access was encountered"),
    "cudaErrorStreamCaptureInvalidated": (901, "operation failed due to a previous error during capture"),
}
"""Names, numbers and words of the library."""
ENUMS = {
    "cudaError_t": {name: number for name, (number, _) in ERRORS.items()},
    "cudaMemcpyKind": {"cudaMemcpyHostToDevice": 1, "cudaMemcpyDeviceToHost": 2},
    "cudaStreamCaptureMode": {
        "cudaStreamCaptureModeGlobal": 0,
        "cudaStreamCaptureModeThreadLocal": 1,
        "cudaStreamCaptureModeRelaxed": 2,
    },
}
STREAM_NON_BLOCKING = 1
_RUNTIME_VERSION = 12090


class Handle:
    """A stream, graph or executable graph: an object that is a number only when it is asked to be one."""

    def __init__(self, kind: str, number: int) -> None:
        self.kind, self.number = kind, number

    def __int__(self) -> int:
        return self.number


def build_modules(gpu: FakeGpu) -> dict[str, ModuleType]:
    """``cuda``, ``cuda.bindings`` and ``cuda.bindings.runtime``."""
    cuda, bindings, runtime = (ModuleType(name) for name in ("cuda", "cuda.bindings", "cuda.bindings.runtime"))
    cuda.bindings, bindings.runtime = bindings, runtime  # type: ignore[attr-defined]
    enums = {name: BoundEnum(name, members) for name, members in ENUMS.items()}
    runtime.__dict__.update(enums, cudaStreamNonBlocking=STREAM_NON_BLOCKING)
    functions = Functions(gpu, enums)
    for name in vars(Functions):
        if name.startswith("cuda"):
            runtime.__dict__[name] = _counted(gpu, name, getattr(functions, name), functions.status)
    return {module.__name__: module for module in (cuda, bindings, runtime)}


def _counted(gpu: FakeGpu, name: str, function: Callable[..., Any], status: Any) -> Callable[..., Any]:
    """The function as the library has it: counted, answering with a tuple, failing for ever once the device is lost."""

    def call(*arguments: Any) -> Any:
        gpu.calls[name] += 1
        if gpu.lost and not name.startswith("cudaGetError"):
            return (status.cudaErrorIllegalAddress, None)
        try:
            answer = function(*arguments)
        except DeviceLost:
            answer = (status.cudaErrorIllegalAddress,)
        answer = answer if isinstance(answer, tuple) else (answer,)
        if answer[0] is not status.cudaSuccess:
            gpu.last_error = answer[0].name
        return answer

    call.__name__ = name
    return call


class Functions:
    """Each gives a status, or a tuple that begins with one."""

    def __init__(self, gpu: FakeGpu, enums: dict[str, Any]) -> None:
        self._gpu, self._enums = gpu, enums
        self.status: Any = enums["cudaError_t"]
        self._ok = self.status.cudaSuccess
        self._graphs: dict[int, list[Callable[[], None]]] = {}

    def cudaGetDeviceCount(self) -> Any:
        if self._gpu.gpu is None or self._gpu.gpu.driver < self._gpu.gpu.oldest_driver:
            return self.status.cudaErrorInsufficientDriver, None
        return self._ok, self._gpu.gpu.devices

    def cudaGetDeviceProperties(self, device: int) -> Any:
        found = self._gpu.gpu
        assert found is not None and 0 <= device < found.devices
        major, minor = found.compute_capability
        return self._ok, SimpleNamespace(
            name=found.name.encode(),
            major=major,
            minor=minor,
            multiProcessorCount=found.multiprocessors,
            totalGlobalMem=found.memory_mb << 20,
        )

    def cudaDriverGetVersion(self) -> Any:
        return self._ok, 0 if self._gpu.gpu is None else self._gpu.gpu.driver

    def cudaRuntimeGetVersion(self) -> Any:
        return self._ok, _RUNTIME_VERSION

    def cudaSetDevice(self, device: int) -> Any:
        if self._gpu.gpu is None or not 0 <= device < self._gpu.gpu.devices:
            return self.status.cudaErrorInvalidDevice
        self._gpu.current_device = device
        return self._ok

    def cudaMalloc(self, size: int) -> Any:
        address = self._gpu.allocate(size)
        return (self.status.cudaErrorMemoryAllocation, None) if address is None else (self._ok, address)

    def cudaFree(self, devPtr: int) -> Any:
        self._gpu.free(devPtr)
        return self._ok

    def cudaMallocHost(self, size: int) -> Any:
        return self._ok, self._gpu.allocate_pinned(size).ctypes.data

    def cudaFreeHost(self, ptr: int) -> Any:
        self._gpu.free_pinned(ptr)
        return self._ok

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: Any, stream: Any) -> Any:
        kinds = self._enums["cudaMemcpyKind"]
        assert isinstance(kind, kinds), f"{kind!r} is no cudaMemcpyKind"
        if kind is kinds.cudaMemcpyHostToDevice:
            self._gpu.upload(dst, src, count, _number(stream, "stream"))
        else:
            self._gpu.download(dst, src, count, _number(stream, "stream"))
        return self._ok

    def cudaStreamCreateWithFlags(self, flags: int) -> Any:
        assert flags == STREAM_NON_BLOCKING
        return self._ok, Handle("stream", self._gpu.create_stream())

    def cudaStreamDestroy(self, stream: Any) -> Any:
        self._gpu.destroy_stream(_number(stream, "stream"))
        return self._ok

    def cudaStreamSynchronize(self, stream: Any) -> Any:
        self._gpu.synchronize(_number(stream, "stream"))
        return self._ok

    def cudaStreamBeginCapture(self, stream: Any, mode: Any) -> Any:
        modes = self._enums["cudaStreamCaptureMode"]
        assert mode is modes.cudaStreamCaptureModeThreadLocal, "calls of other threads would break the recording"
        self._gpu.begin_capture(_number(stream, "stream"))
        return self._ok

    def cudaStreamEndCapture(self, stream: Any) -> Any:
        work = self._gpu.end_capture(_number(stream, "stream"))
        if work is None:
            return self.status.cudaErrorStreamCaptureInvalidated, None
        return self._ok, self._graph("graph", work)

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> Any:
        assert flags == 0
        return self._ok, self._graph("executable", self._graphs[_number(graph, "graph")])

    def cudaGraphLaunch(self, graphExec: Any, stream: Any) -> Any:
        for item in self._graphs[_number(graphExec, "executable")]:
            self._gpu.enqueue(_number(stream, "stream"), item)
        return self._ok

    def cudaGraphDestroy(self, graph: Any) -> Any:
        del self._graphs[_number(graph, "graph")]
        return self._ok

    def cudaGraphExecDestroy(self, graphExec: Any) -> Any:
        del self._graphs[_number(graphExec, "executable")]
        return self._ok

    def cudaGetLastError(self) -> Any:
        self._gpu.last_error = ""
        return self._ok

    def cudaGetErrorName(self, error: Any) -> Any:
        return self._ok, error.name.encode()

    def cudaGetErrorString(self, error: Any) -> Any:
        return self._ok, ERRORS[error.name][1].encode()

    def _graph(self, kind: str, work: list[Callable[[], None]]) -> Handle:
        handle = Handle(kind, 0x1000 + 16 * self._gpu.calls.total())
        self._graphs[handle.number] = work
        return handle


def _number(handle: Any, kind: str) -> int:
    assert isinstance(handle, Handle) and handle.kind == kind, f"{handle!r} is no {kind}"
    return handle.number
