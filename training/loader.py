"""Batches ahead of the training, in the order of the steps: by worker processes, or in a thread beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from depth_anything_ros.errors import DepthAnythingError

from .objective import BatchSource

_AHEAD = 2
"""Batches that are made, per worker, before they are asked for."""


def load_batches(
    batches: BatchSource, *, start: int, stop: int, parts: list[range], workers: int = 0, pin: bool = False
) -> Generator[Any, None, None]:
    """The batches of the steps ``start`` to ``stop`` (not included), ``parts`` of each one after the other.

    ``workers`` processes make them; 0 makes them in one thread beside the caller (NumPy and OpenCV let other threads
    run). The order and the content do not depend on it. ``pin`` puts them into page-locked memory, from where a GPU
    fetches them by itself. An error of a source is raised where its batch would have come. Closing the iterator ends
    the processes.
    """
    slices = _Slices(batches, start, stop, parts)
    if workers:
        loader = DataLoader(
            slices, batch_size=None, num_workers=workers, prefetch_factor=_AHEAD, worker_init_fn=_start_worker
        )
        # The expression alone holds the processes, so that closing it ends them.
        return _ahead((batch for batch in iter(loader)), len(slices), pin)
    return _ahead((slices[index] for index in range(len(slices))), len(slices), pin)


def map_tensors(batch: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A copy of a batch (tensors in dataclasses, dicts, tuples and lists) with every tensor changed."""
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        fields = {item.name: map_tensors(getattr(batch, item.name), change) for item in dataclasses.fields(batch)}
        return dataclasses.replace(batch, **fields)
    if isinstance(batch, dict):
        return {key: map_tensors(value, change) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        items = [map_tensors(value, change) for value in batch]
        return type(batch)(*items) if hasattr(batch, "_fields") else type(batch)(items)
    return batch


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch on ``device``; from pinned memory it does not wait for the copy."""
    return map_tensors(batch, lambda tensor: tensor.to(device, non_blocking=True))


class _Slices(Dataset[Any]):
    """Part ``index % len(parts)`` of the batch of step ``start + index // len(parts)``; an error is a value, because
    the library would wrap it into a traceback of many lines.
    """

    def __init__(self, batches: BatchSource, start: int, stop: int, parts: list[range]) -> None:
        self._batches, self._start, self._parts = batches, start, parts
        self._length = max(0, stop - start) * len(parts)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        step, part = divmod(index, len(self._parts))
        try:
            return self._batches.batch(self._start + step, self._parts[part])
        except DepthAnythingError as error:
            return error


def _ahead(made: Generator[Any, None, None], count: int, pin: bool) -> Generator[Any, None, None]:
    def next_one() -> Any:
        batch = next(made)
        if isinstance(batch, DepthAnythingError) or not pin:
            return batch
        return map_tensors(batch, torch.Tensor.pin_memory)

    waiting: deque[Future[Any]] = deque()
    with contextlib.closing(made), ThreadPoolExecutor(max_workers=1) as pool:
        try:
            for index in range(count):
                while len(waiting) < min(_AHEAD, count - index):
                    waiting.append(pool.submit(next_one))
                batch = waiting.popleft().result()
                if isinstance(batch, DepthAnythingError):
                    raise batch
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def _start_worker(_: int) -> None:
    # A terminal's Ctrl-C and a cluster's end of a job reach every process; the training decides when the loading ends.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)
