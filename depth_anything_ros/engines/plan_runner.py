"""Runs one TensorRT plan: bytes up, one launch, depth (and sky) down, with everything allocated beforehand.

Per size of batch there is one execution context with its own CUDA graph, as a graph is only valid while its context
keeps its shapes; all of them work in the same device memory, one after the other. A frame costs a copy into pinned
memory, one graph launch (which holds the upload, the network and the download) and a copy out of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from ..spec import EngineSpec
from .cuda.seam import ALIGNMENT, Cuda, CudaError, open_cuda
from .network_engine import one_line
from .plan_tensors import output_names
from .tensorrt_api import TensorRt, is_out_of_memory

_FLOAT_BYTES = 4


@dataclass
class _Batch:
    """What runs one size of batch."""

    context: Any
    graph: int | None
    image_nhw3: NDArray[np.uint8]
    """Pinned; the images are put here."""
    depth_nhw: NDArray[np.float32]
    """Pinned; the answer is found here."""
    sky_nhw: NDArray[np.float32] | None
    staged: NDArray[np.uint8]
    """Pinned bytes of depth and sky, as they are downloaded."""


class PlanRunner:
    """A deserialised plan with its memory on one device. Any thread may call it, one at a time.

    Parameters
    ----------
    plan: the bytes of a plan. A plan is code: only such as were built here, or named by the user.
    spec: names of the tensors.
    api: the TensorRT that built it.
    device: number of the CUDA device.
    size_hw: height and width of the network's input.
    max_batch: the most images that ``run`` will get.

    Raises
    ------
    EngineError: TensorRT refuses the plan, or it is not of this network, size and batch.
    CudaError: there is no such device, too little memory, or the device was lost.
    """

    def __init__(
        self, plan: bytes, spec: EngineSpec, api: TensorRt, device: int, *, size_hw: tuple[int, int], max_batch: int
    ) -> None:
        self.spec = spec
        self.notes: tuple[str, ...] = ()
        """What a user should know of how it runs."""
        self._api = api
        self._size_hw = size_hw
        self._max_batch = max_batch
        self._cuda: Cuda | None = open_cuda(device)
        self._batches: dict[int, _Batch] = {}
        try:
            # TensorRT wants the runtime to outlive the engine, and the engine its contexts.
            self._runtime: Any = api.create_runtime(self._cuda)
            with self._cuda.current():
                self._engine: Any = self._deserialise(plan)
                self._outputs = output_names(self._engine, api.module, spec, size_hw, max_batch)
                self._allocate()
        except BaseException as error:
            self.close()
            if isinstance(error, RuntimeError) and not isinstance(error, EngineError):
                # What TensorRT's C++ throws.
                raise EngineError(f"{self._label}: the plan cannot be opened: {one_line(error)}") from error
            raise

    @property
    def device(self) -> str:
        """The device, for people."""
        return str(self._opened.device)

    def run(self, images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Depth (n, h, w), a new array, and sky (n, h, w) or None of images (n, h, w, 3), n up to max_batch.

        The sky is a read-only view of what was downloaded, there until the next call or ``close``: a second large array
        per frame costs more than everything else here. The values are the network's own, unchecked. Raises EngineError
        and CudaError.
        """
        n = images_nhw3.shape[0]
        if images_nhw3.shape[1:3] != self._size_hw or not 1 <= n <= self._max_batch:
            h, w = self._size_hw
            raise EngineError(f"{self._label} got {images_nhw3.shape}; accepted: (1 to {self._max_batch}, {h}, {w}, 3)")
        cuda = self._opened
        with cuda.current():
            batch = self._batches.get(n) or self._prepare(n)
            np.copyto(batch.image_nhw3, images_nhw3)
            if batch.graph is None:
                self._queue(batch)
            else:
                cuda.launch(batch.graph)
            cuda.synchronize()
            return batch.depth_nhw.copy(), batch.sky_nhw

    def close(self) -> None:
        """Free the plan and its memory; calling it twice is fine."""
        cuda, self._cuda = self._cuda, None
        if cuda is None:
            return
        try:
            with cuda.current():
                cuda.synchronize()  # what was interrupted may still run
                self._batches.clear()
                self._engine = self._runtime = None
        except CudaError:
            self._batches.clear()  # a lost device: its memory is gone with it
            self._engine = self._runtime = None
        cuda.close()

    @property
    def _label(self) -> str:
        return f"{self.spec.name} on {self._api}"

    @property
    def _opened(self) -> Cuda:
        if self._cuda is None:
            raise EngineError(f"{self._label} is closed")
        return self._cuda

    def _deserialise(self, plan: bytes) -> Any:
        self._api.logger.forget()
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._failure("the plan is not accepted")
        return engine

    def _allocate(self) -> None:
        """Everything, for the largest batch; smaller ones use the beginning of it."""
        cuda, n = self._opened, self._max_batch
        image_bytes = n * math.prod(self._size_hw) * 3
        self._work_bytes = max(int(self._engine.device_memory_size_v2), 1)
        self._work_address = cuda.allocate(self._work_bytes)
        self._image_address = cuda.allocate(image_bytes)
        self._image = cuda.allocate_pinned(image_bytes)
        context = self._context(n)
        sizes = self._output_sizes(context, n)
        self._output_address = cuda.allocate(sum(sizes))
        self._staged = cuda.allocate_pinned(sum(sizes[: self._kept]))
        self._batches[n] = self._record(context, n)

    @property
    def _kept(self) -> int:
        """How many of the outputs are downloaded: depth, and sky where there is one."""
        return 1 if self.spec.sky_output is None else 2

    def _output_sizes(self, context: Any, n: int) -> list[int]:
        """Bytes of each output for n images, aligned."""
        kept = n * math.prod(self._size_hw) * _FLOAT_BYTES
        others = [int(context.get_max_output_size(name)) for name in self._outputs[self._kept :]]
        if any(size < 1 for size in others):
            raise EngineError(f"{self._label}: the plan has outputs of unknown size")
        return [_aligned(size) for size in [kept] * self._kept + others]

    def _prepare(self, n: int) -> _Batch:
        batch = self._batches[n] = self._record(self._context(n), n)
        return batch

    def _context(self, n: int) -> Any:
        """An execution context for n images, in the memory that all of them share."""
        self._api.logger.forget()
        strategy = self._api.module.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None:
            raise self._failure("no execution context could be made")
        context.set_device_memory(self._work_address, self._work_bytes)
        name, shape = self.spec.input_name, (n, *self._size_hw, 3)
        if not context.set_input_shape(name, shape) or not context.set_tensor_address(name, self._image_address):
            raise self._failure(f"{name} cannot be {shape}")
        return context

    def _record(self, context: Any, n: int) -> _Batch:
        """Give the outputs their places, run once, and record a CUDA graph where that is possible."""
        shape = (n, *self._size_hw)
        places = [0, *accumulate(self._output_sizes(context, n))]
        for name, place in zip(self._outputs, places[:-1], strict=True):
            if not context.set_tensor_address(name, self._output_address + place):
                raise self._failure(f"{name} cannot be placed")
        if missing := context.infer_shapes():
            raise EngineError(f"{self._label}: the plan has free shapes: {', '.join(missing)}")
        for name in self._outputs[: self._kept]:
            if tuple(context.get_tensor_shape(name)) != shape:
                raise EngineError(f"{self._label} gives {name} as {tuple(context.get_tensor_shape(name))}, not {shape}")
        values = [
            self._staged[place : place + math.prod(shape) * _FLOAT_BYTES].view(np.float32).reshape(shape)
            for place in places[: self._kept]
        ]
        batch = _Batch(
            context=context,
            graph=None,
            image_nhw3=self._image[: math.prod(shape) * 3].reshape(*shape, 3),
            depth_nhw=values[0],
            sky_nhw=_read_only(values[1]) if self._kept > 1 else None,
            staged=self._staged[: places[self._kept - 1] + values[0].nbytes],
        )
        cuda = self._opened
        self._queue(batch)  # TensorRT may set itself up in the first run, which cannot be recorded
        cuda.synchronize()
        if cuda.can_capture:
            try:
                batch.graph = cuda.capture(lambda: self._queue(batch))
            except EngineError as error:
                if isinstance(error, CudaError) and error.kind == "lost":
                    raise
                self._note(f"runs without a CUDA graph: {one_line(error)}")
        else:
            self._note(f"runs without a CUDA graph, which {cuda.device.library} does not have; cuda.bindings does")
        return batch

    def _queue(self, batch: _Batch) -> None:
        """One upload, the network, one download."""
        cuda = self._opened
        cuda.upload(self._image_address, batch.image_nhw3.reshape(-1))
        self._api.logger.forget()
        if not batch.context.execute_async_v3(cuda.stream):
            raise self._failure("the plan failed")
        cuda.download(batch.staged, self._output_address)

    def _failure(self, what: str) -> EngineError:
        """The error for what TensorRT refused, in its own words."""
        text = f"{self._label}: {what}: {self._api.reason() or 'TensorRT gives no reason'}"
        short = next(filter(is_out_of_memory, self._api.logger.errors()), "")  # it need not be the first error
        if short and short not in text:
            text = f"{text}; {short}"
        return CudaError(text, "memory") if short else EngineError(text)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes = (*self.notes, text)


def _read_only(array: NDArray[np.float32]) -> NDArray[np.float32]:
    view = array.view()
    view.flags.writeable = False
    return view


def _aligned(nbytes: int) -> int:
    return -(-nbytes // ALIGNMENT) * ALIGNMENT
