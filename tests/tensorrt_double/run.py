"""The classes that run a plan: Runtime, ICudaEngine, IExecutionContext."""

from __future__ import annotations

from typing import Any

import numpy as np

from .gpu import ALIGNMENT, DeviceLost
from .network import Execution, Network, Tensor
from .plan import Plan, read_plan
from .surface import stored

TYPES = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8, "INT32": np.int32, "INT64": np.int64, "BOOL": bool}


class NullRuntime:
    """What ``Runtime(logger)`` gives without a GPU: an object that crashes the process when it is used or destroyed."""

    destroyed = 0
    """How often it would have crashed so; an error raised in ``__del__`` reaches nobody."""

    def __del__(self) -> None:
        NullRuntime.destroyed += 1

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        raise AssertionError(f"would segfault: Runtime.{name} without a GPU")


class Runtime:
    def __new__(cls, logger: Any) -> Any:
        if cls._world.settings.gpu is not None:
            return object.__new__(cls)
        cls._world.log(logger, "INTERNAL_ERROR", "CUDA initialization failure with error: 35")
        return object.__new__(NullRuntime)

    def __init__(self, logger: Any) -> None:
        self._world.check_logger(logger)
        self._logger = logger

    logger = property(lambda self: self._logger)
    max_threads = stored(1)
    engine_host_code_allowed = stored(False)

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
        plan = read_plan(bytes(memoryview(serialized_engine)))
        complaint = plan if isinstance(plan, str) else self._complaint(plan)
        if complaint:
            self._world.log(self._logger, "ERROR", f"IRuntime::deserializeCudaEngine: Error Code 1: {complaint}")
            return None
        assert isinstance(plan, Plan)
        return self._world.make("ICudaEngine", _plan=plan, _network=Network(plan.network), _logger=self._logger)

    def _complaint(self, plan: Plan) -> str:
        gpu = self._world.settings.gpu
        if plan.version != self._world.version:
            return (
                "The engine plan file is not compatible with this version of TensorRT, expecting library version"
                f" {self._world.version} got {plan.version}, please rebuild."
            )
        if plan.compute_capability != gpu.compute_capability:
            found, built = (".".join(map(str, pair)) for pair in (gpu.compute_capability, plan.compute_capability))
            return (
                f"The engine plan file is generated on an incompatible device, expecting compute {found} got compute"
                f" {built}, please rebuild."
            )
        if plan.gpu != gpu.name:
            self._world.log(
                self._logger,
                "WARNING",
                "Using an engine plan file across different models of devices is not recommended and is likely to"
                " affect performance or even cause errors.",
            )
        return "Serialization (Serialization assertion failed)" if "unloadable" in plan.faults else ""


class CudaEngine:
    num_io_tensors = property(lambda self: len(self._tensors))
    num_optimization_profiles = property(lambda self: 1)
    name = property(lambda self: self._plan.name)
    device_memory_size_v2 = property(lambda self: self._world.settings.workspace_mb << 20)

    @property
    def _tensors(self) -> list[Tensor]:
        return [*self._network.inputs, *self._network.outputs]

    def _tensor(self, name: str) -> Tensor:
        return next(tensor for tensor in self._tensors if tensor.name == name)

    def get_tensor_name(self, index: int) -> str:
        return self._tensors[index].name

    def get_tensor_mode(self, name: str) -> Any:
        mode = self._world.enum("TensorIOMode")
        names = [tensor.name for tensor in self._tensors]
        if name not in names:
            return mode.NONE
        return mode.INPUT if names.index(name) < len(self._network.inputs) else mode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return self._world.enum("DataType")[self._tensor(name).data_type]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._tensor(name).shape

    def get_tensor_location(self, name: str) -> Any:
        return self._world.enum("TensorLocation").DEVICE

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> Any:
        assert profile_index == 0
        return [tuple(shape) for shape in self._plan.profile[name]]

    def create_execution_context(self, strategy: Any = None) -> Any:
        strategies = self._world.enum("ExecutionContextAllocationStrategy")
        strategy = strategies.STATIC if strategy is None else strategy
        self._world.check_enum(strategy, "ExecutionContextAllocationStrategy")
        context = self._world.make(
            "IExecutionContext",
            _engine=self,
            _own_memory=strategy is not strategies.USER_MANAGED,
            _memory=None,
            _shapes={tensor.name: tensor.shape for tensor in self._network.inputs if -1 not in tensor.shape},
            _addresses={},
            _warm=False,
            _changes=0,
            _execution=Execution(self._plan.network, set(self._plan.faults)),
        )
        if context._own_memory and self._world.gpu.allocate(self.device_memory_size_v2) is None:
            self._world.log(self._logger, "ERROR", "createExecutionContext: Error Code 2: OutOfMemory")
            return None
        return context


class ExecutionContext:
    engine = property(lambda self: self._engine)

    def set_input_shape(self, name: str, shape: Any) -> bool:
        low, _, high = self._engine._plan.profile[name]
        shape = tuple(int(d) for d in shape)
        fits = len(shape) == len(low) and all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))
        if not fits:
            return self._fail(f"setInputShape: {name} {shape} is outside of the profile {low} to {high}")
        if self._shapes.get(name) != shape:
            self._shapes[name], self._warm = shape, False
            self._changes += 1
        return True

    def set_device_memory(self, memory: int, size: int) -> None:
        assert not self._own_memory, "set_device_memory is for USER_MANAGED contexts"
        assert memory % ALIGNMENT == 0 and size >= self._engine.device_memory_size_v2
        self._world.gpu.block(memory, size)
        self._memory = (memory, size)
        self._changes += 1

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._engine._tensor(name)
        assert memory % ALIGNMENT == 0, f"the address of {name} is not aligned to {ALIGNMENT} bytes"
        self._addresses[name] = int(memory)
        self._changes += 1
        return True

    def infer_shapes(self) -> list[str]:
        return [tensor.name for tensor in self._engine._network.inputs if tensor.name not in self._shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._shapes.get(name) or self._output_shape(self._engine._tensor(name)))

    def get_max_output_size(self, name: str) -> int:
        tensor = self._engine._tensor(name)
        return int(np.prod(self._output_shape(tensor))) * np.dtype(TYPES[tensor.data_type]).itemsize

    def execute_async_v3(self, stream_handle: int) -> bool:
        faults = self._world.run_faults(self._engine)
        stream = self._world.gpu.stream(stream_handle)
        assert self._own_memory or self._memory, "no device memory was set"
        if missing := self.infer_shapes():
            return self._fail(f"enqueueV3: the shape of {missing[0]} was not set")
        if missing := [t.name for t in self._engine._tensors if t.name not in self._addresses]:
            return self._fail(f"enqueueV3: the address of {missing[0]} was not set")
        if "refused" in faults:
            return self._fail("enqueueV3: Error Code 1: Cuda Runtime (an illegal memory access was encountered)")
        if stream.recording is not None and ("uncapturable" in faults or not self._warm):
            stream.broken = True
            return self._fail(
                "enqueueV3: Error Code 1: Cuda Runtime (operation not permitted when stream is capturing)"
            )
        self._warm = True
        self._world.gpu.enqueue(stream_handle, self._work("lost" in faults))
        return True

    def _work(self, lost: bool) -> Any:
        block, changes, memory = self._world.gpu.block, self._changes, self._memory
        inputs = [(t, self._shapes[t.name], self._addresses[t.name]) for t in self._engine._network.inputs]
        outputs = [(t, self._output_shape(t), self._addresses[t.name]) for t in self._engine._network.outputs]

        def view(tensor: Tensor, shape: tuple[int, ...], address: int) -> Any:
            dtype = np.dtype(TYPES[tensor.data_type])
            return block(address, int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape)

        def work() -> None:
            if lost:
                raise DeviceLost
            assert changes == self._changes, "a graph was replayed after its context had been changed"
            if memory:
                block(*memory)
            arrays = {item[0].name: view(*item) for item in inputs}
            for item, array in zip(outputs, self._execution(arrays, [t.name for t, _, _ in outputs]), strict=True):
                view(*item)[...] = array

        return work

    def _output_shape(self, tensor: Tensor) -> tuple[int, ...]:
        if -1 not in tensor.shape:
            return tensor.shape
        given: tuple[int, ...] = next(iter(self._shapes.values()), ())
        return tuple(given[i] if d == -1 and i < len(given) else d for i, d in enumerate(tensor.shape))

    def _fail(self, message: str) -> bool:
        self._world.log(self._engine._logger, "ERROR", f"IExecutionContext::{message}")
        return False
