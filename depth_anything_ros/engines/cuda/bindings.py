"""The seam over ``cuda.bindings.runtime``, NVIDIA's own; it imports on machines without a driver, too."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from cuda.bindings import runtime
from numpy.typing import NDArray

from .seam import CudaError, DeviceInfo, lost_device, no_device, out_of_memory, version_text

_LOST = frozenset(
    {
        "cudaErrorAssert",
        "cudaErrorContextIsDestroyed",
        "cudaErrorECCUncorrectable",
        "cudaErrorHardwareStackError",
        "cudaErrorIllegalAddress",
        "cudaErrorIllegalInstruction",
        "cudaErrorInvalidAddressSpace",
        "cudaErrorInvalidPc",
        "cudaErrorLaunchFailure",
        "cudaErrorLaunchTimeout",
        "cudaErrorMisalignedAddress",
    }
)
"""Errors after which the process cannot use the device any more."""


def find_device(device: int) -> DeviceInfo:
    """See ``seam.find_device``."""
    status, count = runtime.cudaGetDeviceCount()
    if _failed(status):
        raise no_device(device, 0, _too_new(status) or _reason(status))
    if device >= count:
        raise no_device(device, count)
    properties = _call(device, runtime.cudaGetDeviceProperties, device)
    return DeviceInfo(
        number=device,
        name=properties.name.decode("utf-8", "replace").rstrip("\0"),
        compute_capability=f"{properties.major}.{properties.minor}",
        multiprocessors=int(properties.multiProcessorCount),
        memory_mb=int(properties.totalGlobalMem) >> 20,
        driver=version_text(_call(device, runtime.cudaDriverGetVersion)),
        library="cuda.bindings",
    )


def _too_new(status: Any) -> str:
    """That the library is for a newer CUDA than the driver's, and which one is not; "" where that is not so."""
    (_, driver), (_, own) = runtime.cudaDriverGetVersion(), runtime.cudaRuntimeGetVersion()
    if status != runtime.cudaError_t.cudaErrorInsufficientDriver or not 0 < (driver or 0) < own:
        return ""
    major, minor = driver // 1000, driver % 1000 // 10
    # Within one major version most drivers take every library, but not all on all machines.
    limit = f"{major + 1}" if major < own // 1000 else f"{major}.{minor + 1}"
    has, needs = version_text(driver), version_text(own)
    return f"the driver has CUDA {has}, cuda.bindings needs {needs}: pip install 'cuda-bindings<{limit}'"


def open_cuda(device: int) -> BindingsCuda:
    """See ``seam.open_cuda``."""
    return BindingsCuda(find_device(device))


class BindingsCuda:
    """A ``Cuda`` over cuda.bindings."""

    can_capture = True

    def __init__(self, device: DeviceInfo) -> None:
        self.device = device
        self._memory: list[int] = []
        self._pinned: list[int] = []
        self._graphs: dict[int, Any] = {}
        with self.current():
            self._stream = self._call(runtime.cudaStreamCreateWithFlags, runtime.cudaStreamNonBlocking)
        self.stream = int(self._stream)

    @contextmanager
    def current(self) -> Iterator[None]:
        """See ``Cuda.current``."""
        self._call(runtime.cudaSetDevice, self.device.number)
        yield

    def allocate(self, nbytes: int) -> int:
        """See ``Cuda.allocate``."""
        address = int(self._call(runtime.cudaMalloc, nbytes, nbytes=nbytes))
        self._memory.append(address)
        return address

    def allocate_pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """See ``Cuda.allocate_pinned``."""
        address = int(self._call(runtime.cudaMallocHost, nbytes, nbytes=nbytes))
        self._pinned.append(address)
        return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))

    def upload(self, address: int, host: NDArray[np.uint8]) -> None:
        """See ``Cuda.upload``."""
        kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call(runtime.cudaMemcpyAsync, address, host.ctypes.data, host.nbytes, kind, self._stream)

    def download(self, host: NDArray[np.uint8], address: int) -> None:
        """See ``Cuda.download``."""
        kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call(runtime.cudaMemcpyAsync, host.ctypes.data, address, host.nbytes, kind, self._stream)

    def synchronize(self) -> None:
        """See ``Cuda.synchronize``."""
        self._call(runtime.cudaStreamSynchronize, self._stream)

    def capture(self, work: Callable[[], None]) -> int:
        """See ``Cuda.capture``."""
        # ThreadLocal: with Global, a CUDA call of any other thread of the process would break the recording.
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call(runtime.cudaStreamBeginCapture, self._stream, mode)
        try:
            work()
        except BaseException:
            # The stream is of no use until its recording ends, nor TensorRT while an error waits to be read.
            status, unwanted = runtime.cudaStreamEndCapture(self._stream)
            if not _failed(status):
                runtime.cudaGraphDestroy(unwanted)
            runtime.cudaGetLastError()
            raise
        graph = self._call(runtime.cudaStreamEndCapture, self._stream)
        try:
            executable = self._call(runtime.cudaGraphInstantiate, graph, 0)
        finally:
            runtime.cudaGraphDestroy(graph)
        self._graphs[int(executable)] = executable
        return int(executable)

    def launch(self, graph: int) -> None:
        """See ``Cuda.launch``."""
        self._call(runtime.cudaGraphLaunch, self._graphs[graph], self._stream)

    def close(self) -> None:
        """See ``Cuda.close``."""
        if self._stream is None:
            return
        # Everything is tried: after a lost device each of these fails, and there is nobody left to tell.
        runtime.cudaSetDevice(self.device.number)
        runtime.cudaStreamSynchronize(self._stream)
        for executable in self._graphs.values():
            runtime.cudaGraphExecDestroy(executable)
        for address in self._memory:
            runtime.cudaFree(address)
        for address in self._pinned:
            runtime.cudaFreeHost(address)
        runtime.cudaStreamDestroy(self._stream)
        self._stream, self._memory, self._pinned, self._graphs = None, [], [], {}

    def _call(self, function: Callable[..., Any], *arguments: Any, nbytes: int | None = None) -> Any:
        return _call(self.device.number, function, *arguments, nbytes=nbytes)


def _call(device: int, function: Callable[..., Any], *arguments: Any, nbytes: int | None = None) -> Any:
    """The value that a function of the library returns beside its status; CudaError where that is a failure."""
    status, *values = function(*arguments)
    if not _failed(status):
        return values[0] if values else None
    runtime.cudaGetLastError()  # a failure that is handled must not be reported again by a later call
    if status == runtime.cudaError_t.cudaErrorMemoryAllocation:
        raise out_of_memory(device, nbytes)
    if _text(runtime.cudaGetErrorName(status)) in _LOST:
        raise lost_device(device, _reason(status))
    raise CudaError(f"{function.__name__} failed on CUDA device {device}: {_reason(status)}")


def _failed(status: Any) -> bool:
    return bool(status != runtime.cudaError_t.cudaSuccess)


def _reason(status: Any) -> str:
    return f"{_text(runtime.cudaGetErrorName(status))}: {_text(runtime.cudaGetErrorString(status))}"


def _text(answer: tuple[Any, bytes]) -> str:
    return answer[1].decode("utf-8", "replace")
