"""The seam's leaf, and the double of its library, against NVIDIA's own cuda.bindings, which imports without a GPU.

Skipped where it is not installed: pip install cuda-bindings.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import depth_anything_ros.engines.cuda as package
from depth_anything_ros.engines.cuda.seam import CudaError, find_device
from tests.conftest import has_cuda_device
from tests.tensorrt_double import cuda_bindings as double
from tests.tensorrt_double.cuda_bindings import ENUMS, ERRORS, STREAM_NON_BLOCKING, Functions


@pytest.fixture(scope="module")
def runtime() -> ModuleType:
    module: ModuleType = pytest.importorskip("cuda.bindings.runtime", reason="cuda.bindings is not installed")
    return module


def names_used() -> set[str]:
    """What ``bindings.py`` takes from the library."""
    tree = ast.parse((Path(package.__path__[0]) / "bindings.py").read_text("utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "runtime"
    }


def functions_of_the_double() -> list[str]:
    return [name for name in vars(Functions) if name.startswith("cuda")]


def test_the_double_has_every_name_that_is_used() -> None:
    used = names_used()
    assert len(used) > 15
    assert used <= {*functions_of_the_double(), *ENUMS, "cudaStreamNonBlocking"}


@pytest.mark.parametrize("name", functions_of_the_double())
def test_functions_have_the_parameters_of_the_real_ones(runtime: ModuleType, name: str) -> None:
    ours = list(inspect.signature(getattr(Functions, name)).parameters)[1:]
    assert ours == list(inspect.signature(getattr(runtime, name)).parameters)


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_enums_have_the_values_of_the_real_ones(runtime: ModuleType, name: str) -> None:
    real = getattr(runtime, name).__members__
    assert {member: int(real[member]) for member in ENUMS[name]} == ENUMS[name]
    assert runtime.cudaStreamNonBlocking == STREAM_NON_BLOCKING


def test_errors_have_the_words_of_the_real_ones(runtime: ModuleType) -> None:
    for name, (number, words) in ERRORS.items():
        error = runtime.cudaError_t(number)
        assert runtime.cudaGetErrorName(error) == (runtime.cudaError_t.cudaSuccess, name.encode())
        assert runtime.cudaGetErrorString(error) == (runtime.cudaError_t.cudaSuccess, words.encode())


def test_errors_that_lose_the_device_exist(runtime: ModuleType) -> None:
    from depth_anything_ros.engines.cuda.bindings import _LOST

    assert set(runtime.cudaError_t.__members__) >= _LOST


def test_a_device_has_the_properties_that_are_read(runtime: ModuleType) -> None:
    properties = runtime.cudaDeviceProp()
    assert isinstance(properties.name, bytes)
    for name in ("major", "minor", "multiProcessorCount", "totalGlobalMem"):
        assert isinstance(getattr(properties, name), int), name


def test_handles_are_numbers_where_they_are_asked_for(runtime: ModuleType) -> None:
    for handle in (runtime.cudaStream_t(42), runtime.cudaGraph_t(42), runtime.cudaGraphExec_t(42)):
        assert int(handle) == 42
    assert int(double.Handle("stream", 42)) == 42


@pytest.mark.skipif(has_cuda_device(), reason="about machines without a GPU, and this one has one")
def test_without_a_gpu_the_reason_is_said(runtime: ModuleType) -> None:
    with pytest.raises(CudaError, match=r"no CUDA device can be used \(cudaError\w+: ") as caught:
        find_device(0)
    assert caught.value.kind == "no device"


@pytest.mark.skipif(has_cuda_device(), reason="about machines without a GPU, and this one has one")
def test_a_failing_call_is_named(runtime: ModuleType) -> None:
    from depth_anything_ros.engines.cuda.bindings import _call

    with pytest.raises(CudaError, match=r"cudaMalloc failed on CUDA device 0: cudaError\w+: CUDA"):
        _call(0, runtime.cudaMalloc, 4)
