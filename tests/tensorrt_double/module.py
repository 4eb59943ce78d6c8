"""The module object ``tensorrt`` of one imagined machine."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from . import build, run
from .gpu import FakeGpu
from .network import Tensor
from .settings import Settings
from .surface import load_api, strict_class, strict_enum

BODIES: dict[str, type] = {
    "Builder": build.Builder,
    "IBuilderConfig": build.BuilderConfig,
    "ITimingCache": build.TimingCache,
    "IOptimizationProfile": build.OptimizationProfile,
    "INetworkDefinition": build.NetworkDefinition,
    "OnnxParser": build.OnnxParser,
    "ParserError": build.ParserError,
    "Runtime": run.Runtime,
    "ICudaEngine": run.CudaEngine,
    "IExecutionContext": run.ExecutionContext,
}


class World:
    """What the classes of one module share: settings, GPU, enums, and how to make each other."""

    def __init__(self, settings: Settings, gpu: FakeGpu) -> None:
        self.settings = settings
        self.gpu = gpu
        self.api = load_api(settings.version)
        self.version: str = settings.library_version or self.api["version"]
        self.major = int(settings.version.partition(".")[0])
        self.enums = {name: strict_enum(name, self.api) for name in self.api["enums"]}
        self.classes: dict[str, type] = {}

    def enum(self, name: str) -> Any:
        return self.enums[name]

    def make(self, name: str, **fields: Any) -> Any:
        """An object that Python code cannot make by itself."""
        made = object.__new__(self.classes[name])
        for key, value in fields.items():
            object.__setattr__(made, key, value)
        return made

    def tensor(self, tensor: Tensor) -> Any:
        return self.make("ITensor", _tensor=tensor)

    def check_enum(self, value: Any, name: str) -> None:
        if not isinstance(value, self.enums[name]):
            raise TypeError(f"incompatible function arguments: {value!r} is no {name}")

    def check_logger(self, logger: Any) -> None:
        if not isinstance(logger, self.classes["ILogger"]) or not vars(logger).get("_made"):
            raise TypeError("incompatible function arguments: a logger is an ILogger whose __init__ was called")

    def log(self, logger: Any, severity: str, message: str) -> None:
        self.check_logger(logger)
        logger.log(self.enums["ILogger.Severity"][severity], message)

    def run_faults(self, engine: Any) -> set[str]:
        network = engine._network
        return self.settings.faults_of(engine.name, network.half, len(network.outputs) > 2)


class _Logger:
    def __init__(self) -> None:
        self._made = True


class _PrintingLogger:
    def __init__(self, min_severity: Any = None) -> None:
        self._made = True

    def log(self, severity: Any, msg: str) -> None:
        print(f"[TRT] [{severity.name}] {msg}")


class _ProgressMonitor:
    def __init__(self) -> None:
        self._made = True


class _Tensor:
    name = property(lambda self: self._tensor.name)
    shape = property(lambda self: self._tensor.shape)
    dtype = property(lambda self: self._world.enum("DataType")[self._tensor.data_type])
    is_network_input = property(lambda self: True)


def build_module(settings: Settings, gpu: FakeGpu) -> ModuleType:
    """A module with the classes and enums of ``settings.version``."""
    world = World(settings, gpu)
    bodies = {**BODIES, "ILogger": _Logger, "IProgressMonitor": _ProgressMonitor, "ITensor": _Tensor}
    for name, body in bodies.items():
        world.classes[name] = strict_class(name, world.api, body, world)
    severity = world.enum("ILogger.Severity")
    logger = world.classes["ILogger"]
    for member in severity:
        setattr(logger, member.name, member)
    logger.Severity = severity  # type: ignore[attr-defined]
    world.classes["Logger"] = strict_class("Logger", world.api, _PrintingLogger, world, (logger,))
    module = ModuleType("tensorrt")
    module.__dict__.update(world.classes, IHostMemory=build.HostMemory)
    module.__dict__.update({name: enum for name, enum in world.enums.items() if "." not in name})
    module.__version__ = world.version  # type: ignore[attr-defined]
    return module
