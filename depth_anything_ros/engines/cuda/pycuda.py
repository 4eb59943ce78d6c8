"""The seam over ``pycuda.driver``, for machines that have it and not NVIDIA's own library. Not run on hardware yet.

Only the primary context is used, which TensorRT and every other library of the process share, and only for as long as a
``current()`` lasts: pycuda keeps a stack of contexts per thread, and aborts the process where a thread ends with one on
it. pycuda has no CUDA graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pycuda.driver as driver
from numpy.typing import NDArray

from .seam import CudaError, DeviceInfo, lost_device, no_device, out_of_memory, version_text

_NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING, which pycuda has no name for."""


def find_device(device: int) -> DeviceInfo:
    """See ``seam.find_device``."""
    try:
        driver.init()
        count = driver.Device.count()
    except driver.Error as error:
        raise no_device(device, 0, str(error)) from error
    if device >= count:
        raise no_device(device, count)
    with _errors(device):
        found = driver.Device(device)
        major, minor = found.compute_capability()
        return DeviceInfo(
            number=device,
            name=found.name(),
            compute_capability=f"{major}.{minor}",
            multiprocessors=found.get_attribute(driver.device_attribute.MULTIPROCESSOR_COUNT),
            memory_mb=found.total_memory() >> 20,
            driver=version_text(driver.get_driver_version()),
            library="pycuda",
        )


def open_cuda(device: int) -> PycudaCuda:
    """See ``seam.open_cuda``."""
    return PycudaCuda(find_device(device))


class PycudaCuda:
    """A ``Cuda`` over pycuda."""

    can_capture = False

    def __init__(self, device: DeviceInfo) -> None:
        self.device = device
        self._memory: list[Any] = []
        self._pinned: list[Any] = []
        self._stream: Any = None
        with self.current():
            self._stream = driver.Stream(_NON_BLOCKING)
        self.stream = int(self._stream.handle)

    @contextmanager
    def current(self) -> Iterator[None]:
        """See ``Cuda.current``."""
        with _errors(self.device.number):
            context = _primary_context(self.device.number)
            context.push()
        try:
            with _errors(self.device.number):
                yield
        finally:
            context.pop()

    def allocate(self, nbytes: int) -> int:
        """See ``Cuda.allocate``."""
        with _errors(self.device.number, nbytes):
            memory = driver.mem_alloc(nbytes)
        self._memory.append(memory)
        return int(memory)

    def allocate_pinned(self, nbytes: int) -> NDArray[np.uint8]:
        """See ``Cuda.allocate_pinned``."""
        with _errors(self.device.number, nbytes):
            array: NDArray[np.uint8] = driver.pagelocked_empty(nbytes, np.uint8)
        self._pinned.append(array.base)
        return array

    def upload(self, address: int, host: NDArray[np.uint8]) -> None:
        """See ``Cuda.upload``."""
        with _errors(self.device.number):
            driver.memcpy_htod_async(address, host, self._stream)

    def download(self, host: NDArray[np.uint8], address: int) -> None:
        """See ``Cuda.download``."""
        with _errors(self.device.number):
            driver.memcpy_dtoh_async(host, address, self._stream)

    def synchronize(self) -> None:
        """See ``Cuda.synchronize``."""
        try:
            self._stream.synchronize()
        except driver.Error as error:
            # pycuda makes a LogicError of most of what a device is lost by; waiting for a valid stream has no others.
            raise lost_device(self.device.number, str(error)) from error

    def capture(self, work: Callable[[], None]) -> int:
        """See ``Cuda.capture``; always a CudaError."""
        raise CudaError("pycuda has no CUDA graphs; cuda.bindings has")

    def launch(self, graph: int) -> None:
        """See ``Cuda.launch``; always a CudaError."""
        raise CudaError(f"pycuda has no CUDA graphs, and so no graph {graph}; cuda.bindings has")

    def close(self) -> None:
        """See ``Cuda.close``."""
        if self._stream is None:
            return
        context = _primary_context(self.device.number)
        context.push()
        try:
            # Everything is tried: after a lost device each of these fails, and there is nobody left to tell.
            for give_back in (self._stream.synchronize, *(memory.free for memory in (*self._memory, *self._pinned))):
                try:
                    give_back()
                except driver.Error:
                    continue
            self._memory, self._pinned, self._stream = [], [], None
        finally:
            context.pop()


@cache
def _primary_context(device: int) -> Any:
    """The primary context, for the life of the process: what is allocated in it must be freed in the same object."""
    return driver.Device(device).retain_primary_context()


@contextmanager
def _errors(device: int, nbytes: int | None = None) -> Iterator[None]:
    """Turn pycuda's errors into the seam's."""
    try:
        yield
    except driver.MemoryError as error:
        raise out_of_memory(device, nbytes) from error
    except driver.LaunchError as error:
        raise lost_device(device, str(error)) from error
    except driver.Error as error:
        raise CudaError(f"CUDA device {device}: {error}") from error
