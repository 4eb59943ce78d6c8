"""Which TensorRT is taken, with the stand-in in its place."""

from __future__ import annotations

import gc
import re
import sys
from contextlib import nullcontext
from typing import Any

import pytest

from depth_anything_ros.engines.cuda.seam import CudaError, open_cuda
from depth_anything_ros.engines.tensorrt_api import (
    BUILD_NAMES,
    MESSAGES,
    RUN_NAMES,
    find_tensorrt,
    is_out_of_memory,
    use_module,
)
from depth_anything_ros.errors import EngineError, MissingDependency
from tests.tensorrt_double.install import installed
from tests.tensorrt_double.run import NullRuntime
from tests.tensorrt_double.settings import VERSIONS, Settings


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_what_is_used(version: str) -> None:
    with installed(Settings(version=version)) as rig:
        api = find_tensorrt()
        api.require(BUILD_NAMES)
        assert api.version == rig.tensorrt.__version__ and str(api) == f"TensorRT {api.version}"


@pytest.mark.parametrize(("version", "flags"), [("10.3", 2), ("10.16", 2), ("11.4", 1)])
def test_strongly_typed_is_asked_for_by_name_as_its_value_differs(version: str, flags: int) -> None:
    with installed(Settings(version=version)):
        assert find_tensorrt().network_flags() == flags


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("8.5.2.2", "8.5.2.2 is too old; accepted: 10.3 to 11.x"),
        ("8.6.2", "too old"),
        ("10.2.0", "too old"),
        ("12.0.1", "12.0.1 is newer than what this package knows; accepted: 10.3 to 11.x"),
        ("dev", "'dev'; accepted: 10.3"),
    ],
)
def test_other_versions_are_refused_by_name(version: str, words: str) -> None:
    with installed(Settings(library_version=version)), pytest.raises(EngineError, match=words):
        find_tensorrt()


@pytest.mark.parametrize("version", ["10.3.0", "10.13.3.9", "11.0.0", "11.9.1"])
def test_versions_between_are_taken(version: str) -> None:
    with installed(Settings(version="10.3", library_version=version)):
        assert find_tensorrt().version == version


@pytest.mark.parametrize("names", [RUN_NAMES, BUILD_NAMES])
def test_a_module_that_lacks_a_name_is_refused_with_it(names: dict[str, tuple[str, ...]]) -> None:
    owner, attributes = next(iter(names.items()))
    with installed() as rig:
        delattr(getattr(rig.tensorrt, owner), attributes[0])
        with pytest.raises(EngineError, match=f"lacks {owner}.{attributes[0]}, which is needed"):
            find_tensorrt().require(names)


def test_nothing_that_tensorrt_11_removed_is_used() -> None:
    removed = {
        ("ICudaEngine", "device_memory_size"),
        ("ICudaEngine", "create_execution_context_without_device_memory"),
        ("IExecutionContext", "all_shape_inputs_specified"),
        ("BuilderFlag", "FP16"),
        ("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH"),
    }
    used = {(owner, name) for names in (RUN_NAMES, BUILD_NAMES) for owner, group in names.items() for name in group}
    assert not used & removed


def test_without_tensorrt_the_extra_is_named() -> None:
    with installed():
        del sys.modules["tensorrt"]
        with pytest.raises(MissingDependency, match=r"depth_anything_ros\[tensorrt\]"):
            find_tensorrt()


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libnvinfer.so.10: cannot open shared object file"),
        ModuleNotFoundError("No module named 'tensorrt_bindings'", name="tensorrt_bindings"),
        OSError("libnvinfer.so.10: file too short"),
    ],
)
def test_a_tensorrt_that_is_there_and_does_not_load_says_why(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> None:
            if name == "tensorrt":
                raise error

    with installed():
        del sys.modules["tensorrt"]
        monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
        with pytest.raises(EngineError, match=f"is installed, but cannot be imported: {re.escape(str(error))}"):
            find_tensorrt()
        monkeypatch.undo()


def test_messages_are_kept_and_forgotten(capfd: pytest.CaptureFixture[str]) -> None:
    with installed() as rig:
        logger, severity = find_tensorrt().logger, rig.tensorrt.ILogger
        logger.log(severity.INFO, "chatter")
        logger.log(severity.WARNING, "careful")
        logger.log(severity.ERROR, "broken\n   badly")
        logger.log(severity.INTERNAL_ERROR, "very broken")
        assert logger.errors() == ["broken badly", "very broken"]
        assert logger.warnings() == ["careful"]
        for number in range(2 * MESSAGES):
            logger.log(severity.ERROR, str(number))
        assert logger.errors() == [str(number) for number in range(MESSAGES, 2 * MESSAGES)]
        logger.forget()
        assert logger.errors() == logger.warnings() == []
    assert capfd.readouterr() == ("", "")


def test_one_module_has_one_logger() -> None:
    with installed() as rig:
        assert find_tensorrt() is use_module(rig.tensorrt)


def test_a_runtime_asks_for_a_device_first() -> None:
    with installed(Settings(gpu=None)) as rig:
        api = find_tensorrt()
        with pytest.raises(CudaError, match="no CUDA device"):
            api.create_runtime(open_cuda(0))
        with pytest.raises(AssertionError, match="would segfault"):
            rig.tensorrt.Runtime(api.logger).deserialize_cuda_engine(b"")


class NoCuda:
    """A device that was counted, and with which TensorRT cannot start."""

    def current(self) -> Any:
        return nullcontext()


def test_a_runtime_that_cannot_start_says_why_and_is_never_destroyed() -> None:
    with installed(Settings(gpu=None)):
        destroyed = NullRuntime.destroyed
        with pytest.raises(EngineError, match=r"cannot be started: CUDA initialization failure with error: 35"):
            find_tensorrt().create_runtime(NoCuda())  # type: ignore[arg-type]
        gc.collect()
        assert NullRuntime.destroyed == destroyed


def test_a_runtime_that_is_a_null_pointer_says_so() -> None:
    with installed() as rig:

        def null(logger: Any) -> Any:
            raise TypeError("pybind11::init(): factory function returned nullptr")

        rig.tensorrt.Runtime = null  # type: ignore[attr-defined]
        null.deserialize_cuda_engine = None  # type: ignore[attr-defined]
        with pytest.raises(EngineError, match="cannot be started: pybind11"):
            find_tensorrt().create_runtime(NoCuda())  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["Error Code 2: OutOfMemory (no further information)", "CUDA error 2: out of memory"])
def test_too_little_memory_is_told_from_its_words(text: str) -> None:
    assert is_out_of_memory(text)
    assert not is_out_of_memory("Error Code 1: Serialization (magic tag does not match)")
