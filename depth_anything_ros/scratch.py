"""Memory that is used again from frame to frame, for work in progress and for messages.

Fresh megabytes are the hidden cost of a frame: the operating system hands them out page by page, which can take longer
than the arithmetic that fills them.
"""

from __future__ import annotations

import math
import sys
import threading
from array import array
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

# Arrays are views of the memory: cheap, but a stream of images of ever new sizes must not gather them for ever.
_MAX_SHAPES = 256
# A depth image of 8 megapixels. Of larger ones nothing is kept, so that a stray huge frame does not stay in memory.
_MAX_POOLED_BYTES = 32 * 2**20


class Scratch(threading.local):
    """Arrays by name, one set per thread; the memory of a name grows to the largest array asked for, and stays."""

    def __init__(self) -> None:
        self._memory: dict[str, npt.NDArray[np.uint8]] = {}
        self._arrays: dict[tuple[str, tuple[int, ...], npt.DTypeLike], npt.NDArray[Any]] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
        """Return the C-contiguous array of that name; it holds whatever was left there, and shares the memory of the
        array that was returned for the name before."""
        key = (name, shape, dtype)
        held = self._arrays.get(key)
        if held is not None:
            return held
        num_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        memory = self._memory.get(name)
        if memory is None or memory.size < num_bytes:
            memory = self._memory[name] = np.empty(num_bytes, np.uint8)
            self._arrays = {other: array for other, array in self._arrays.items() if other[0] != name}
        if len(self._arrays) >= _MAX_SHAPES:
            self._arrays.clear()
        array = self._arrays[key] = memory[:num_bytes].view(dtype).reshape(shape)
        return array


class BufferPool:
    """Byte arrays of one size for messages; one is used again when its last holder has let go of it.

    A message that is kept is never written to again, so nothing needs to be copied or handed back; in a steady stream
    two or three buffers alternate. Holding is seen by the reference count of the array, which whoever has the array
    itself, a memoryview or a NumPy view of it raises. Threads may share a pool.

    Parameters
    ----------
    num_bytes: size of every buffer; a multiple of 4.
    max_kept: how many buffers are watched for their return; more than that may be out at once.
    """

    def __init__(self, num_bytes: int, max_kept: int = 4) -> None:
        self._num_bytes = num_bytes
        self._max_kept = max_kept
        self._buffers: list[array[int]] = []
        self._lock = threading.Lock()
        # What the count is when only a list holds the array differs between Python versions.
        self._count_when_idle = _count_references([array("B")], 0)

    def take(self) -> tuple[array[int], npt.NDArray[np.float32]]:
        """Return an ``array('B')`` that nobody else holds and a 1-D float32 view of it; the content is arbitrary.

        A ``uint8[]`` message field takes an ``array('B')`` as it is, without a check of every element.
        """
        with self._lock:
            for index in range(len(self._buffers)):
                if _count_references(self._buffers, index) == self._count_when_idle:
                    data = self._buffers[index]
                    break
            else:
                data = array("B", bytes(self._num_bytes))
                self._buffers = [*self._buffers, data][-self._max_kept :]
            # A new view each time: it holds the array for as long as it lives.
            return data, np.frombuffer(data, np.float32)


def message_array(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return a float32 array in memory that a message can take as it is (see :func:`message_data`); the content is
    arbitrary, and nobody else holds it."""
    num_bytes = 4 * math.prod(shape)
    pool = _pool(num_bytes) if num_bytes <= _MAX_POOLED_BYTES else BufferPool(num_bytes)
    return pool.take()[1].reshape(shape)


def message_data(pixels: npt.NDArray[Any]) -> array[int] | None:
    """Return the ``array('B')`` whose whole memory `pixels` is, in order; None if it lies elsewhere."""
    owner: Any = pixels
    while isinstance(owner, np.ndarray):
        owner = owner.base
    owner = owner.obj if isinstance(owner, memoryview) else owner
    if not isinstance(owner, array) or owner.typecode != "B" or not pixels.flags.c_contiguous:
        return None
    # As long as its owner and inside it: it can only begin where the owner begins.
    return owner if pixels.nbytes == len(owner) else None


@lru_cache(maxsize=4)
def _pool(num_bytes: int) -> BufferPool:
    return BufferPool(num_bytes)


def _count_references(buffers: list[array[int]], index: int) -> int:
    return sys.getrefcount(buffers[index])
