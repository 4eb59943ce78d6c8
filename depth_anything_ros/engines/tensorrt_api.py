"""TensorRT's Python module: which versions are taken, what each offers, and where its messages go.

Nothing is guessed from a version number: what a version lacks is seen by name, before anything is built or run. The
names were read from the bindings of 10.3, 10.16 and 11.4.
"""

from __future__ import annotations

import ctypes
import re
from collections import deque
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from ..errors import EngineError, MissingDependency
from .cuda.seam import Cuda

OLDEST = (10, 3)
"""TensorRT of JetPack 6.1 and 6.2."""
BELOW = (12, 0)
MESSAGES = 40
"""Errors and warnings of TensorRT that are kept for an error message."""

RUN_NAMES: Mapping[str, tuple[str, ...]] = {
    "Runtime": ("deserialize_cuda_engine",),
    "ICudaEngine": (
        *("num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_dtype", "get_tensor_shape"),
        *("get_tensor_location", "get_tensor_profile_shape"),
        *("create_execution_context", "device_memory_size_v2"),
    ),
    "IExecutionContext": (
        *("set_input_shape", "set_tensor_address", "set_device_memory", "infer_shapes", "get_tensor_shape"),
        *("get_max_output_size", "execute_async_v3"),
    ),
    "ExecutionContextAllocationStrategy": ("USER_MANAGED",),
    "TensorIOMode": ("INPUT", "OUTPUT"),
    "TensorLocation": ("DEVICE",),
    "DataType": ("UINT8", "FLOAT"),
    "ILogger": ("log", "Severity"),
}
"""What running a plan uses, by class."""
BUILD_NAMES: Mapping[str, tuple[str, ...]] = {
    "Builder": ("create_network", "create_builder_config", "create_optimization_profile", "build_serialized_network"),
    "NetworkDefinitionCreationFlag": ("STRONGLY_TYPED",),
    "IBuilderConfig": (
        *("add_optimization_profile", "set_memory_pool_limit", "progress_monitor", "clear_flag"),
        *("create_timing_cache", "set_timing_cache", "get_timing_cache"),
    ),
    "BuilderFlag": ("TF32",),
    "ITimingCache": ("serialize",),
    "IOptimizationProfile": ("set_shape",),
    "INetworkDefinition": ("name",),
    "OnnxParser": ("parse", "num_errors", "get_error"),
    "MemoryPoolType": ("WORKSPACE",),
    "IProgressMonitor": ("phase_start", "step_complete", "phase_finish"),
}
"""What building a plan uses, by class."""


# The misspelling is TensorRT's.
_OUT_OF_MEMORY = re.compile(
    r"out.?of.?memory|insuff?icient (?:memory|workspace)|memory is insuff?icient|bad.?alloc|cannot allocate"
    r"|could not be allocated|memory allocation",
    re.IGNORECASE,
)


def is_out_of_memory(text: str) -> bool:
    """Whether a message of TensorRT's, which has no codes, says that there was too little memory."""
    return _OUT_OF_MEMORY.search(text) is not None


class TensorRt:
    """One TensorRT module that was found acceptable, with its version and its logger."""

    def __init__(self, module: ModuleType | Any) -> None:
        self.module: Any = module
        self.version: str = module.__version__
        _require_version(self.version)
        self.require(RUN_NAMES)
        self.logger: Any = _logger_of(module)

    def __str__(self) -> str:
        return f"TensorRT {self.version}"

    def require(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Raise EngineError where the module lacks one of the names (class to attributes)."""
        lacking = []
        for owner, attributes in names.items():
            cls = getattr(self.module, owner, None)
            lacking += [f"{owner}.{name}" for name in attributes if not hasattr(cls, name)]
        if lacking:
            raise EngineError(f"TensorRT {self.version} lacks {', '.join(lacking)}, which is needed here")

    def create_runtime(self, cuda: Cuda) -> Any:
        """A ``Runtime``; ``cuda`` proves that there is a device, as without one every use of a Runtime crashes.

        Raises EngineError, in TensorRT's words, where it cannot start all the same (a driver older than its CUDA).
        """
        self.logger.forget()
        try:
            with cuda.current():
                runtime = self.module.Runtime(self.logger)
        except TypeError as error:  # what the bindings make of a null pointer
            raise EngineError(f"{self} cannot be started: {self.reason() or error}") from error
        if self.reason():
            # An object that TensorRT could not start: to use it, and even to destroy it, crashes the process.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(runtime))
            raise EngineError(f"{self} cannot be started: {self.reason()}")
        return runtime

    def reason(self) -> str:
        """The first error that TensorRT wrote since its messages were forgotten: what follows are consequences."""
        return str(next(iter(self.logger.errors()), ""))

    def network_flags(self) -> int:
        """For ``Builder.create_network``: types as the ONNX has them (the enum's value differs between versions)."""
        return 1 << int(self.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def find_tensorrt() -> TensorRt:
    """The installed TensorRT.

    Raises MissingDependency where there is none, EngineError where its libraries do not load, where its version is not
    accepted, or where it lacks a name.
    """
    try:
        import tensorrt
    except ModuleNotFoundError as error:
        if error.name == "tensorrt":
            raise MissingDependency("tensorrt", "tensorrt") from error
        raise EngineError(f"TensorRT is installed, but cannot be imported: {error}") from error
    except (ImportError, OSError) as error:
        raise EngineError(f"TensorRT is installed, but cannot be imported: {error}") from error
    return use_module(tensorrt)


@cache
def use_module(module: ModuleType) -> TensorRt:
    """As ``find_tensorrt``, for a module at hand; one per module, as TensorRT keeps the first logger that it gets."""
    return TensorRt(module)


def _require_version(version: str) -> None:
    accepted = f"{OLDEST[0]}.{OLDEST[1]} to {BELOW[0] - 1}.x"
    try:
        major, minor = (int(part) for part in version.split(".")[:2])
    except ValueError:
        raise EngineError(f"TensorRT gives its version as {version!r}; accepted: {accepted}") from None
    if (major, minor) < OLDEST:
        raise EngineError(f"TensorRT {version} is too old; accepted: {accepted} (10.3 comes with JetPack 6.1)")
    if (major, minor) >= BELOW:
        raise EngineError(f"TensorRT {version} is newer than what this package knows; accepted: {accepted}")


def _logger_of(module: Any) -> Any:
    """An ``ILogger`` that keeps the last errors and warnings and prints nothing."""

    class Log(module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self._messages: deque[tuple[int, str]] = deque(maxlen=MESSAGES)

        def log(self, severity: Any, msg: str) -> None:
            if int(severity) <= int(module.ILogger.WARNING):
                self._messages.append((int(severity), " ".join(msg.split())))

        def errors(self) -> list[str]:
            """What went wrong since ``forget``, oldest first."""
            return [text for severity, text in self._messages if severity <= int(module.ILogger.ERROR)]

        def warnings(self) -> list[str]:
            """What TensorRT warned of since ``forget``, oldest first."""
            return [text for severity, text in self._messages if severity == int(module.ILogger.WARNING)]

        def forget(self) -> None:
            """Start anew, before a step whose messages are wanted alone."""
            self._messages.clear()

    return Log()
