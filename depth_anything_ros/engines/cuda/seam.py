"""The few CUDA functions that an engine needs, and ``open_cuda``: cuda.bindings where it can be imported, else pycuda.

A ``Cuda`` is one stream of one device with the memory that was allocated through it. Every call belongs inside
``current()``, in whatever thread makes it: CUDA keeps the current device, and pycuda the current context, per thread.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import EngineError, MissingDependency

LIBRARIES = {"cuda.bindings": "bindings", "pycuda": "pycuda"}
"""Libraries in the order in which they are tried, and the leaf of each."""
ALIGNMENT = 256
"""What the addresses of ``Cuda.allocate`` are multiples of [bytes]; TensorRT asks for it."""


class CudaError(EngineError):
    """A CUDA call failed.

    Parameters
    ----------
    message: what failed, on one line.
    kind: "no device"; "memory" (out of it); "lost" (the device can no longer be used by this process); or "other".
    """

    def __init__(self, message: str, kind: str = "other") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class DeviceInfo:
    """What tells one CUDA device, and what its driver offers, from another."""

    number: int
    name: str
    compute_capability: str
    """As "8.7"."""
    multiprocessors: int
    """The Orin modules differ in this alone."""
    memory_mb: int
    driver: str
    """Newest CUDA version that the driver supports, as "12.6"."""
    library: str
    """cuda.bindings or pycuda."""

    def __str__(self) -> str:
        """For people: "CUDA device 0, NVIDIA Orin (8.7, 16 multiprocessors)"."""
        cores = f"{self.compute_capability}, {self.multiprocessors} multiprocessors"
        return f"CUDA device {self.number}, {self.name} ({cores})"


class Cuda(Protocol):
    """One stream of a device and its memory. Raises CudaError for a call that fails; not thread-safe."""

    device: DeviceInfo
    stream: int
    """Handle of the stream, as TensorRT takes it."""
    can_capture: bool
    """Whether the library has CUDA graphs."""

    def current(self) -> AbstractContextManager[None]:
        """Make the device current in the calling thread for the length of a ``with``."""
        ...

    def allocate(self, nbytes: int) -> int:
        """Address of new device memory, aligned to ALIGNMENT; it lives until ``close``."""
        ...

    def allocate_pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """New host memory (nbytes,) that the device copies from and to by itself; it lives until ``close``."""
        ...

    def upload(self, address: int, host: NDArray[np.uint8]) -> None:
        """Queue a copy of pinned memory to the device; ``host`` stays as it is until ``synchronize``."""
        ...

    def download(self, host: NDArray[np.uint8], address: int) -> None:
        """Queue a copy from the device to pinned memory; ``host`` holds it after ``synchronize``."""
        ...

    def synchronize(self) -> None:
        """Wait for everything queued; an error of queued work is raised here."""
        ...

    def capture(self, work: Callable[[], None]) -> int:
        """Record what ``work`` queues on the stream, without running it; returns the graph for ``launch``."""
        ...

    def launch(self, graph: int) -> None:
        """Queue a recorded graph."""
        ...

    def close(self) -> None:
        """Wait for the stream, free it, its graphs and all memory; calling it twice is fine."""
        ...


def open_cuda(device: int) -> Cuda:
    """A new stream on a device.

    Raises CudaError where there is no such device, MissingDependency where neither library is installed.
    """
    opened: Cuda = _leaf().open_cuda(device)
    return opened


def find_device(device: int) -> DeviceInfo:
    """Describe a device without allocating anything on it; raises as ``open_cuda``."""
    found: DeviceInfo = _leaf().find_device(device)
    return found


def no_device(number: int, count: int, reason: str = "") -> CudaError:
    """The error for a device that is not there: ``count`` are, or none because of ``reason``."""
    if count == 0:
        because = f" ({reason})" if reason else ""
        return CudaError(
            f"no CUDA device can be used{because}; nvidia-smi, or tegrastats on Jetson, shows whether the driver works,"
            " and a container needs the NVIDIA runtime (--gpus all)",
            "no device",
        )
    return CudaError(f"there is no CUDA device {number}; accepted: 0 to {count - 1}", "no device")


def lost_device(number: int, reason: str) -> CudaError:
    """The error for a device that this process cannot use any more."""
    return CudaError(f"CUDA device {number} was lost ({reason}); only a restart of the process helps", "lost")


def out_of_memory(number: int, nbytes: int | None = None) -> CudaError:
    """The error for memory that could not be had; ``nbytes`` is what was asked for, if known."""
    asked = f" for {nbytes / 1e6:.0f} MB more" if nbytes else ""
    return CudaError(
        f"CUDA device {number} has not enough memory{asked}; a smaller resize or max_batch needs less", "memory"
    )


def version_text(number: int) -> str:
    """A CUDA version number (12060) as people write it ("12.6")."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _leaf() -> ModuleType:
    broken = []
    for library, module in LIBRARIES.items():
        try:
            return importlib.import_module(f"{__package__}.{module}")
        except ModuleNotFoundError as error:
            if error.name is None or not f"{library}.".startswith(f"{error.name}."):
                broken.append(f"{library} cannot be imported: {error}")
        except ImportError as error:
            broken.append(f"{library} cannot be imported: {error}")
    if broken:
        raise EngineError("; ".join(broken))
    raise MissingDependency("cuda.bindings", "tensorrt")
