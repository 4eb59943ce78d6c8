"""What runs plans, against NVIDIA's own bindings: TensorRT's lean runtime, whose wheels import without a GPU.

Skipped where it is not installed: pip install tensorrt_lean_cu12_libs tensorrt_lean_cu12_bindings (10.16.1.11 or
11.4.0.106, both from PyPI).
"""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from depth_anything_ros.engines.cuda.seam import CudaError
from depth_anything_ros.engines.plan_runner import PlanRunner
from depth_anything_ros.engines.tensorrt_api import BUILD_NAMES, RUN_NAMES, TensorRt
from depth_anything_ros.errors import EngineError
from tests.conftest import has_cuda_device
from tests.tensorrt_double.install import installed
from tests.tensorrt_double.read_bindings import read
from tests.tensorrt_double.settings import VERSIONS, Settings
from tests.tensorrt_double.surface import load_api
from tests.tiny_networks import make_spec

NAMES = ("tensorrt_lean", "tensorrt_lean_bindings")
without_gpu = pytest.mark.skipif(has_cuda_device(), reason="about machines without a GPU, and this one has one")

MAKE = """
runtime = lean.Runtime(lean.Logger())
print("made", flush=True)
"""
START = """
from contextlib import nullcontext
from depth_anything_ros.engines.tensorrt_api import TensorRt
from depth_anything_ros.errors import EngineError
class Cuda:
    current = nullcontext
try:
    TensorRt(lean).create_runtime(Cuda())
except EngineError as error:
    print(error)
"""


def in_child(code: str, lean: ModuleType) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, as it may crash."""
    code = f"import importlib\nlean = importlib.import_module({lean.__name__!r})\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def lean() -> ModuleType:
    for name in NAMES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    pytest.skip("TensorRT's lean runtime is not installed (tensorrt_lean_cu12_libs and tensorrt_lean_cu12_bindings)")


def test_everything_that_running_a_plan_uses_is_there(lean: ModuleType) -> None:
    api = TensorRt(lean)
    assert api.version == lean.__version__
    with pytest.raises(EngineError, match=r"lacks Builder\.create_network"):  # it cannot build
        api.require(BUILD_NAMES)


def test_the_stand_in_has_its_names_signatures_and_values(lean: ModuleType) -> None:
    version = next((name for name in VERSIONS if lean.__version__.startswith(f"{name}.")), None)
    if version is None:
        pytest.skip(f"the stand-in imitates {', '.join(VERSIONS)}, not {lean.__version__}")
    real, double = read(lean), load_api(version)
    compared = 0
    for name in sorted(set(real["classes"]) & set(RUN_NAMES)):
        assert double["classes"][name] == real["classes"][name], name
        compared += 1
    for name in sorted(set(real["enums"])):
        assert double["enums"][name] == real["enums"][name], name
        compared += 1
    assert compared >= 6


def test_the_logger_is_one_that_it_takes(lean: ModuleType) -> None:
    logger = TensorRt(lean).logger
    assert isinstance(logger, lean.ILogger)
    for severity in (lean.ILogger.INFO, lean.ILogger.WARNING, lean.ILogger.ERROR, lean.ILogger.INTERNAL_ERROR):
        logger.log(severity, f"as {severity.name}")
    assert logger.errors() == ["as ERROR", "as INTERNAL_ERROR"]
    assert logger.warnings() == ["as WARNING"]


@without_gpu
def test_without_a_gpu_a_plan_is_refused_before_a_runtime_is_made(
    lean: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(logger: Any) -> Any:
        raise AssertionError("a Runtime was made on a machine without a GPU")

    api = TensorRt(lean)
    monkeypatch.setattr(lean, "Runtime", touched)
    with installed(Settings(gpu=None)), pytest.raises(CudaError, match="no CUDA device can be used") as caught:
        PlanRunner(b"plan", make_spec(), api, 0, size_hw=(28, 42), max_batch=1)
    assert caught.value.kind == "no device"


@without_gpu
def test_a_runtime_that_cannot_start_is_an_error_and_no_crash(lean: ModuleType) -> None:
    # As where the devices were counted, and the driver is too old for TensorRT's own CUDA.
    result = in_child(START, lean)
    assert result.returncode == 0, result.stderr
    assert "cannot be started: " in result.stdout and "CUDA initialization failure" in result.stdout


@without_gpu
@pytest.mark.parametrize("use", ["runtime.deserialize_cuda_engine(b'no plan')", "runtime.max_threads", "del runtime"])
def test_such_a_runtime_crashes_the_process_as_the_stand_in_says(lean: ModuleType, use: str) -> None:
    result = in_child(f"{MAKE}\n{use}", lean)
    assert result.stdout.endswith("made\n")
    assert result.returncode == -signal.SIGSEGV, "it no longer crashes: the stand-in and create_runtime can be simpler"
