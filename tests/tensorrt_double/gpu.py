"""The imagined GPU: memory that only copies reach, and streams that do their work when they are waited for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .settings import Gpu

ALIGNMENT = 256
_FIRST_ADDRESS = 0x7_0000_0000  # no host memory lies there, so that an address used on the host does not pass


class DeviceLost(Exception):
    """Queued work broke the device."""


@dataclass
class Stream:
    """Work in its order; while it is captured, what is queued is recorded and not done."""

    device: int
    queue: list[Callable[[], None]] = field(default_factory=list)
    recording: list[Callable[[], None]] | None = None
    recording_thread: int = 0
    broken: bool = False


@dataclass
class FakeGpu:
    """All devices of the imagined machine, for the whole process."""

    gpu: Gpu | None
    calls: Counter[str] = field(default_factory=Counter)
    """How often each function of the libraries was called."""
    lost: bool = False
    fail_next: bool = False
    """The next work that is done breaks the device."""
    last_error: str = ""
    """What cudaGetLastError would tell; TensorRT takes it for an error of its own next launch."""

    def __post_init__(self) -> None:
        self._memory: dict[int, NDArray[np.uint8]] = {}
        self._pinned: dict[int, NDArray[np.uint8]] = {}
        self._streams: dict[int, Stream] = {}
        self._next = _FIRST_ADDRESS
        self._threads = threading.local()

    @property
    def alive(self) -> dict[str, int]:
        """What was allocated and not freed."""
        return {"memory": len(self._memory), "pinned": len(self._pinned), "streams": len(self._streams)}

    @property
    def current_device(self) -> int:
        """The device of the calling thread."""
        return getattr(self._threads, "device", 0)

    @current_device.setter
    def current_device(self, number: int) -> None:
        self._threads.device = number

    def allocate(self, nbytes: int) -> int | None:
        """Address of new memory, filled with rubbish; None where there is not enough."""
        assert self.gpu is not None and nbytes > 0
        used = sum(block.nbytes for block in self._memory.values())
        if used + nbytes > self.gpu.memory_mb << 20:
            return None
        address = self._next
        self._next += -(-nbytes // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        self._memory[address] = np.full(nbytes, 0xFF, np.uint8)  # a float of these bytes is NaN
        return address

    def free(self, address: int) -> None:
        assert address in self._memory, f"{address:#x} was not allocated, or was freed before"
        del self._memory[address]

    def block(self, address: int, nbytes: int) -> NDArray[np.uint8]:
        """A view of memory, which must lie in one allocation."""
        for start, memory in self._memory.items():
            if start <= address and address + nbytes <= start + memory.nbytes:
                return memory[address - start : address - start + nbytes]
        raise AssertionError(f"illegal address: {nbytes} bytes at {address:#x} do not lie in one allocation")

    def allocate_pinned(self, nbytes: int) -> NDArray[np.uint8]:
        assert nbytes > 0
        memory = np.full(nbytes, 0xFF, np.uint8)
        self._pinned[memory.ctypes.data] = memory
        return memory

    def free_pinned(self, address: int) -> None:
        assert address in self._pinned, f"{address:#x} is not pinned memory, or was freed before"
        self._pinned.pop(address).fill(0xFF)

    def pinned(self, address: int, nbytes: int) -> NDArray[np.uint8]:
        """A view of pinned memory; an asynchronous copy from or to other memory is refused."""
        for start, memory in self._pinned.items():
            if start <= address and address + nbytes <= start + memory.nbytes:
                return memory[address - start : address - start + nbytes]
        raise AssertionError(f"an asynchronous copy of {nbytes} bytes of memory that is not pinned")

    def create_stream(self) -> int:
        self._next += ALIGNMENT
        self._streams[self._next] = Stream(self.current_device)
        return self._next

    def destroy_stream(self, handle: int) -> None:
        assert not self.stream(handle).queue, "a stream was destroyed before its work was waited for"
        del self._streams[handle]

    def stream(self, handle: int) -> Stream:
        """A stream of the calling thread's device."""
        assert handle in self._streams, f"{handle:#x} is no stream (the default stream, 0, is not to be used)"
        stream = self._streams[handle]
        assert stream.device == self.current_device, (
            f"a stream of device {stream.device} was used in a thread whose device is {self.current_device}"
        )
        return stream

    def enqueue(self, handle: int, work: Callable[[], None]) -> None:
        stream = self.stream(handle)
        (stream.queue if stream.recording is None else stream.recording).append(work)

    def upload(self, address: int, host: int, nbytes: int, handle: int) -> None:
        source, target = self.pinned(host, nbytes), self.block(address, nbytes)
        self.enqueue(handle, lambda: np.copyto(target, source))

    def download(self, host: int, address: int, nbytes: int, handle: int) -> None:
        source, target = self.block(address, nbytes), self.pinned(host, nbytes)
        self.enqueue(handle, lambda: np.copyto(target, source))

    def synchronize(self, handle: int) -> None:
        """Do what is queued; DeviceLost where some of it breaks the device."""
        stream = self.stream(handle)
        assert stream.recording is None, "synchronize breaks a recording"
        work, stream.queue = stream.queue, []
        for item in work:
            try:
                if self.fail_next:
                    raise DeviceLost
                item()
            except DeviceLost:
                self.lost = True
                raise

    def begin_capture(self, handle: int) -> None:
        stream = self.stream(handle)
        assert stream.recording is None, "the stream is being recorded already"
        stream.recording, stream.recording_thread, stream.broken = [], threading.get_ident(), False

    def end_capture(self, handle: int) -> list[Callable[[], None]] | None:
        """The recorded work; None where something could not be recorded."""
        stream = self.stream(handle)
        assert stream.recording is not None, "the stream is not being recorded"
        assert stream.recording_thread == threading.get_ident(), "a recording ends in the thread that began it"
        work, stream.recording = stream.recording, None
        return None if stream.broken else work
