"""``pycuda.driver`` over the imagined GPU: what the seam uses of it, as the sources of pycuda 2026.1 have it.

Everything but the questions about devices needs a context that is current in the calling thread; what was allocated in
one can be freed only while the same one is current; and a thread must not end with a context on its stack, for which
pycuda aborts the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gpu import DeviceLost, FakeGpu
from .surface import BoundEnum


class Error(Exception):
    """Base of pycuda's errors."""


class LogicError(Error):
    """A call that is not allowed."""


class MemoryError(Error):
    """Not enough memory."""


class LaunchError(Error):
    """Queued work broke the device."""


class RuntimeError(Error):
    """Everything else."""


def build_modules(gpu: FakeGpu) -> dict[str, ModuleType]:
    """``pycuda`` and ``pycuda.driver``."""
    package, driver = ModuleType("pycuda"), ModuleType("pycuda.driver")
    package.driver = driver  # type: ignore[attr-defined]
    machine = _Machine(gpu)
    driver.__dict__.update(
        Error=Error,
        LogicError=LogicError,
        MemoryError=MemoryError,
        LaunchError=LaunchError,
        RuntimeError=RuntimeError,
        device_attribute=BoundEnum("device_attribute", {"MULTIPROCESSOR_COUNT": 16}),
    )
    for name in (
        "init",
        "get_driver_version",
        "mem_alloc",
        "pagelocked_empty",
        "memcpy_htod_async",
        "memcpy_dtoh_async",
    ):
        driver.__dict__[name] = _counted(gpu, name, getattr(machine, name))
    for name, cls in (("Device", Device), ("Context", Context), ("Stream", Stream)):
        driver.__dict__[name] = type(name, (cls,), {"_machine": machine})
    machine.context_class = driver.__dict__["Context"]
    return {"pycuda": package, "pycuda.driver": driver}


def _counted(gpu: FakeGpu, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        gpu.calls[name] += 1
        if gpu.lost:
            raise LogicError(f"{name} failed: invalid/unknown error code")
        return function(*arguments, **named)

    return call


class _Machine:
    def __init__(self, gpu: FakeGpu) -> None:
        self.gpu = gpu
        self.initialised = False
        self.context_class: Any = None
        self._threads = threading.local()

    @property
    def stack(self) -> list[Any]:
        """Contexts of the calling thread."""
        if not hasattr(self._threads, "stack"):
            self._threads.stack = []
        found: list[Any] = self._threads.stack
        return found

    def current(self) -> Any:
        """The context of the calling thread; it must have one."""
        if not self.stack:
            raise LogicError("explicit_context_dependent failed: invalid device context - no currently active context?")
        self.gpu.current_device = self.stack[-1].device
        return self.stack[-1]

    def init(self, flags: int = 0) -> None:
        if self.gpu.gpu is None:
            raise RuntimeError("cuInit failed: no CUDA-capable device is detected")
        self.initialised = True

    def get_driver_version(self) -> int:
        return 0 if self.gpu.gpu is None else self.gpu.gpu.driver

    def mem_alloc(self, bytes: int) -> DeviceAllocation:
        context, address = self.current(), self.gpu.allocate(bytes)
        if address is None:
            raise MemoryError("cuMemAlloc failed: out of memory")
        return DeviceAllocation(self, context, address)

    def pagelocked_empty(self, shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> NDArray[Any]:
        context = self.current()
        count = int(np.prod(shape))
        memory = self.gpu.allocate_pinned(count * np.dtype(dtype).itemsize)
        array = memory.view(_Pagelocked).view(dtype).reshape(shape)
        array.allocation = HostAllocation(self, context, memory.ctypes.data)
        return array

    def memcpy_htod_async(self, dest: int, src: NDArray[Any], stream: Any = None) -> None:
        self.current()
        assert src.flags.c_contiguous
        self.gpu.upload(int(dest), src.ctypes.data, src.nbytes, stream.handle)

    def memcpy_dtoh_async(self, dest: NDArray[Any], src: int, stream: Any = None) -> None:
        self.current()
        assert dest.flags.c_contiguous and dest.flags.writeable
        self.gpu.download(dest.ctypes.data, int(src), dest.nbytes, stream.handle)


class _Pagelocked(np.ndarray):
    """As the library makes it: an array whose ``base`` is the allocation, with its ``free``."""

    allocation: Any = None

    @property
    def base(self) -> Any:  # type: ignore[override]
        return self.allocation


class _Allocation:
    """Memory that is freed in the context in which it was allocated."""

    def __init__(self, machine: _Machine, context: Any, address: int) -> None:
        self._machine, self._context, self._address, self._free = machine, context, address, False

    def free(self) -> None:
        if self._free:
            raise LogicError("device_allocation::free failed: invalid argument")
        if self._machine.current() is not self._context:
            raise LogicError("free failed: the memory is of another context")
        self._free = True
        self._give_back()

    def _give_back(self) -> None:
        raise AssertionError("a kind of allocation says how it is given back")


class DeviceAllocation(_Allocation):
    def __int__(self) -> int:
        return self._address

    __index__ = __int__

    def _give_back(self) -> None:
        self._machine.gpu.free(self._address)


class HostAllocation(_Allocation):
    def _give_back(self) -> None:
        self._machine.gpu.free_pinned(self._address)


class Device:
    _machine: _Machine

    def __init__(self, ordinal: int) -> None:
        self._found = self._machine.gpu.gpu
        assert self._machine.initialised and self._found is not None, "cuDeviceGet failed: initialization error"
        if not 0 <= ordinal < self._found.devices:
            raise LogicError("cuDeviceGet failed: invalid device ordinal")
        self._ordinal = ordinal

    @classmethod
    def count(cls) -> int:
        assert cls._machine.initialised and cls._machine.gpu.gpu is not None
        return cls._machine.gpu.gpu.devices

    def name(self) -> str:
        return str(self._found.name)

    def compute_capability(self) -> tuple[int, int]:
        return self._found.compute_capability

    def total_memory(self) -> int:
        return self._found.memory_mb << 20

    def get_attribute(self, attr: Any) -> int:
        assert attr.name == "MULTIPROCESSOR_COUNT"
        return self._found.multiprocessors

    def retain_primary_context(self) -> Any:
        context = self._machine.context_class.__new__(self._machine.context_class)
        context.device = self._ordinal
        return context


class Context:
    _machine: _Machine
    device: int

    def __init__(self) -> None:
        raise RuntimeError("This class cannot be instantiated from Python")

    def push(self) -> None:
        self._machine.stack.append(self)
        self._machine.gpu.current_device = self.device

    @classmethod
    def pop(cls) -> None:
        if not cls._machine.stack:
            raise LogicError("context::pop failed: invalid device context - cannot pop non-current context")
        cls._machine.stack.pop()
        if cls._machine.stack:
            cls._machine.gpu.current_device = cls._machine.stack[-1].device


class Stream:
    _machine: _Machine

    def __init__(self, flags: int = 0) -> None:
        self._context = self._machine.current()
        self.handle = self._machine.gpu.create_stream()

    def synchronize(self) -> None:
        self._machine.current()
        try:
            self._machine.gpu.synchronize(self.handle)
        except DeviceLost:
            raise LogicError("cuStreamSynchronize failed: invalid/unknown error code") from None

    def __del__(self) -> None:
        # As there: without its context the stream is leaked, with a warning.
        machine = self._machine
        if not machine.gpu.lost and machine.stack and machine.stack[-1] is getattr(self, "_context", None):
            machine.gpu.destroy_stream(self.handle)
