"""The classes that build a plan: Builder, its network and configuration, OnnxParser."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from .network import Network
from .plan import Plan
from .surface import stored

BUILD_STEPS = 20


class HostMemory(bytes):
    """A plan as the builder gives it: a buffer with ``nbytes`` and no methods of ``bytes``."""

    def __dir__(self) -> list[str]:
        return ["dtype", "nbytes"]

    def __getattribute__(self, name: str) -> Any:
        if name == "dtype":
            raise AssertionError("the stand-in does not imitate IHostMemory.dtype")
        if name == "nbytes":
            return memoryview(self).nbytes
        if name.startswith("_"):
            return bytes.__getattribute__(self, name)
        raise AttributeError(f"'IHostMemory' object has no attribute {name!r}")

    def __len__(self) -> int:
        raise TypeError("object of type 'IHostMemory' has no len()")

    def __getitem__(self, index: Any) -> Any:
        raise TypeError("'IHostMemory' object is not subscriptable")


class Builder:
    def __init__(self, logger: Any) -> None:
        self._world.check_logger(logger)
        self._logger = logger
        if self._world.settings.gpu is None:
            self._world.log(logger, "INTERNAL_ERROR", "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    max_threads = stored(1)
    logger = property(lambda self: self._logger)

    def create_network(self, flags: int = 0) -> Any:
        typed = flags >> int(self._world.enum("NetworkDefinitionCreationFlag").STRONGLY_TYPED) & 1
        return self._world.make("INetworkDefinition", _typed=bool(typed), _network=None)

    def create_builder_config(self) -> Any:
        tf32 = self._world.enum("BuilderFlag").TF32  # on by default
        return self._world.make("IBuilderConfig", _profiles=[], _flags={tf32}, _limits={}, _cache=None)

    def create_optimization_profile(self) -> Any:
        return self._world.make("IOptimizationProfile", _shapes={})

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        parsed: Network | None = network._network
        if parsed is None:
            return self._fail("Error Code 4: API Usage Error: the network has no outputs")
        profile, complaint = _profile_of(parsed, config._profiles)
        if complaint:
            return self._fail(f"Error Code 4: API Usage Error ({complaint})")
        faults = self._world.settings.faults_of(network.name, parsed.half, len(parsed.outputs) > 2)
        if not self._wait(config.progress_monitor, killed="killed" in faults):
            return self._fail("Error Code 10: Internal Error (the build was cancelled)")
        if "none" in faults:
            return self._fail("Error Code 10: Internal Error (Could not find any implementation for node /attention)")
        if "memory" in faults:
            return self._fail("Error Code 2: OutOfMemory (Requested size was 1073741824 bytes.)")
        if config._cache is not None:
            config._cache._data += b"+"
        gpu = self._world.settings.gpu
        plan = Plan(
            version=self._world.version,
            gpu=gpu.name,
            compute_capability=gpu.compute_capability,
            name=network.name,
            profile=profile,
            faults=sorted(faults),
            network=parsed.data,
        )
        return HostMemory(plan.to_bytes())

    def _wait(self, monitor: Any, *, killed: bool) -> bool:
        """Take the time of a build, step by step; False where the monitor wants it to stop."""
        phase, going_on = "Building engine", True
        if monitor is not None:
            monitor.phase_start(phase, None, BUILD_STEPS)
        for step in range(BUILD_STEPS):
            time.sleep(self._world.settings.build_seconds / BUILD_STEPS)
            if killed and step == BUILD_STEPS // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            if monitor is not None and not monitor.step_complete(phase, step):
                going_on = False
                break
        if monitor is not None:
            monitor.phase_finish(phase)
        return going_on

    def _fail(self, message: str) -> None:
        self._world.log(self._logger, "ERROR", f"IBuilder::buildSerializedNetwork: {message}")


class BuilderConfig:
    progress_monitor = stored(None)
    builder_optimization_level = stored(3)
    profiling_verbosity = stored(None)
    avg_timing_iterations = stored(1)
    hardware_compatibility_level = stored(None)
    max_aux_streams = stored(-1)

    def add_optimization_profile(self, profile: Any) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self._world.check_enum(pool, "MemoryPoolType")
        self._limits[pool] = int(pool_size)

    def get_memory_pool_limit(self, pool: Any) -> int:
        self._world.check_enum(pool, "MemoryPoolType")
        return int(self._limits.get(pool, 1 << 30))

    def set_flag(self, flag: Any) -> None:
        self._world.check_enum(flag, "BuilderFlag")
        self._flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self._world.check_enum(flag, "BuilderFlag")
        self._flags.discard(flag)

    def get_flag(self, flag: Any) -> bool:
        self._world.check_enum(flag, "BuilderFlag")
        return flag in self._flags

    def create_timing_cache(self, serialized_timing_cache: Any) -> Any:
        """Of no bytes an empty one; None for bytes that are no timing cache."""
        data = bytes(memoryview(serialized_timing_cache))
        label = f"timing {self._world.version} {self._world.settings.gpu.name} ".encode()
        if data and not data.startswith(b"timing "):
            return None
        return self._world.make("ITimingCache", _data=data or label, _fits=not data or data.startswith(label))

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        if cache is None:
            raise TypeError("set_timing_cache(): incompatible function arguments")
        assert not ignore_mismatch, "a cache of another GPU or version gives wrong timings"
        if cache._fits:
            self._cache = cache
        return bool(cache._fits)

    def get_timing_cache(self) -> Any:
        return self._cache


class TimingCache:
    def serialize(self) -> Any:
        return HostMemory(self._data)


class OptimizationProfile:
    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        shapes = [[int(d) for d in shape] for shape in (min, opt, max)]
        ordered = all(low <= best <= high for low, best, high in zip(*shapes, strict=True))
        if not ordered or min[0] < 1:
            raise ValueError("Shape provided must have min <= opt <= max")
        self._shapes[input] = shapes

    def get_shape(self, input: str) -> Any:
        return [tuple(shape) for shape in self._shapes[input]]


class NetworkDefinition:
    name = stored("Unnamed Network 0")
    num_inputs = property(lambda self: len(self._network.inputs) if self._network else 0)
    num_outputs = property(lambda self: len(self._network.outputs) if self._network else 0)

    def get_input(self, index: int) -> Any:
        return self._world.tensor(self._network.inputs[index])

    def get_output(self, index: int) -> Any:
        return self._world.tensor(self._network.outputs[index])


class OnnxParser:
    def __init__(self, network: Any, logger: Any) -> None:
        self._world.check_logger(logger)
        self._target, self._logger, self._errors = network, logger, []

    num_errors = property(lambda self: len(self._errors))

    def parse(self, model: Any, path: str | None = None) -> bool:
        refusal, parsed = "", None
        try:
            parsed = Network(bytes(memoryview(model)))
            refusal = parsed.refusal(self._world.settings.version)
            half, extra = parsed.half, len(parsed.outputs) > 2
            if "parse" in self._world.settings.faults_of(self._target.name, half, extra):
                refusal = "Assertion failed: the operator is not supported"
            if half and not self._target._typed and self._world.major >= 10:
                refusal = refusal or "float16 tensors in a network that is not strongly typed (a rule of the stand-in)"
        except Exception as error:
            refusal = f"Failed to parse the ONNX model: {type(error).__name__}"
        if refusal:
            self._errors.append(self._world.make("ParserError", _text=refusal))
            self._world.log(self._logger, "ERROR", f"ModelImporter.cpp: ERROR: {refusal}")
            return False
        self._target._network = parsed
        return True

    def get_error(self, index: int) -> Any:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors.clear()


class ParserError:
    def desc(self) -> str:
        return str(self._text)

    def node(self) -> int:
        return 0

    def node_name(self) -> str:
        return "/attention"


def _profile_of(network: Network, profiles: list[Any]) -> tuple[dict[str, list[list[int]]], str]:
    """The shapes that a plan is built for, and what is wrong with the profiles."""
    found = {}
    for tensor in network.inputs:
        shapes = profiles[0]._shapes.get(tensor.name) if profiles else None
        if shapes is None and -1 in tensor.shape:
            if not profiles:
                return {}, "Network has dynamic or shape inputs, but no optimization profile has been defined."
            return {}, f"{tensor.name}: optimization profile is missing values for shape input"
        for shape in shapes or ():
            fits = len(shape) == len(tensor.shape)
            if not fits or any(want not in (-1, have) for want, have in zip(tensor.shape, shape, strict=True)):
                return {}, f"{tensor.name}: the profile's {shape} does not fit the network's {tensor.shape}"
        found[tensor.name] = shapes or [list(tensor.shape)] * 3
    unknown = {name for profile in profiles for name in profile._shapes} - set(found)
    return found, f"the profile names {sorted(unknown)[0]}, which is no input" if unknown else ""
