"""What would crash or be undefined with real CUDA is an error with the doubles of its libraries."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.tensorrt_double.install import Rig, installed
from tests.tensorrt_double.settings import Gpu, Settings


@pytest.fixture
def rig() -> Iterator[Rig]:
    with installed() as made:
        yield made


@pytest.fixture
def cudart(rig: Rig) -> Any:
    """The double of cuda.bindings.runtime, unpacked: a value, or an AssertionError where the call failed."""

    class Unpacked:
        def __getattr__(self, name: str) -> Any:
            function = getattr(rig.modules["cuda.bindings.runtime"], name)
            if not callable(function) or isinstance(function, type):
                return function

            def call(*arguments: Any) -> Any:
                status, *values = function(*arguments)
                assert int(status) == 0, status
                return values[0] if values else None

            return call

    return Unpacked()


def test_work_is_done_when_it_is_waited_for(rig: Rig, cudart: Any) -> None:
    kinds = cudart.cudaMemcpyKind
    stream = cudart.cudaStreamCreateWithFlags(1)
    address, host = cudart.cudaMalloc(4), cudart.cudaMallocHost(4)
    view = rig.gpu.pinned(host, 4)
    view[:] = (1, 2, 3, 4)
    cudart.cudaMemcpyAsync(address, host, 4, kinds.cudaMemcpyHostToDevice, stream)
    view[:] = 9  # too early: the copy has not begun
    cudart.cudaStreamSynchronize(stream)
    assert list(rig.gpu.block(address, 4)) == [9, 9, 9, 9]


def test_new_memory_holds_rubbish(rig: Rig, cudart: Any) -> None:
    assert np.isnan(rig.gpu.block(cudart.cudaMalloc(4), 4).view(np.float32)[0])
    assert np.isnan(rig.gpu.pinned(cudart.cudaMallocHost(4), 4).view(np.float32)[0])


def test_memory_that_is_not_pinned_is_refused(cudart: Any) -> None:
    stream, address, host = cudart.cudaStreamCreateWithFlags(1), cudart.cudaMalloc(4), np.zeros(4, np.uint8)
    with pytest.raises(AssertionError, match="not pinned"):
        cudart.cudaMemcpyAsync(address, host.ctypes.data, 4, cudart.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)


@pytest.mark.parametrize("nbytes", [5, 400])
def test_a_copy_beyond_an_allocation_is_refused(cudart: Any, nbytes: int) -> None:
    stream, address, _ = cudart.cudaStreamCreateWithFlags(1), cudart.cudaMalloc(4), cudart.cudaMalloc(4)
    host = cudart.cudaMallocHost(nbytes)
    with pytest.raises(AssertionError, match="do not lie in one allocation"):
        cudart.cudaMemcpyAsync(address, host, nbytes, cudart.cudaMemcpyKind.cudaMemcpyHostToDevice, stream)


def test_memory_is_freed_once(cudart: Any) -> None:
    address, host = cudart.cudaMalloc(4), cudart.cudaMallocHost(4)
    cudart.cudaFree(address)
    cudart.cudaFreeHost(host)
    with pytest.raises(AssertionError, match="freed before"):
        cudart.cudaFree(address)
    with pytest.raises(AssertionError, match="freed before"):
        cudart.cudaFreeHost(host)


def test_a_stream_belongs_to_its_device() -> None:
    with installed(Settings(gpu=Gpu(devices=2))) as rig, ThreadPoolExecutor(1) as other:
        rig.gpu.current_device = 1
        stream = rig.gpu.create_stream()
        rig.gpu.synchronize(stream)
        with pytest.raises(AssertionError, match="stream of device 1 was used in a thread whose device is 0"):
            other.submit(rig.gpu.synchronize, stream).result()


def test_pycuda_without_a_context_in_the_thread_is_refused() -> None:
    with installed(cuda="pycuda") as rig, ThreadPoolExecutor(1) as other:
        driver: Any = rig.modules["pycuda.driver"]
        with pytest.raises(AssertionError, match="initialization error"):
            driver.Device(0)
        driver.init()
        context = driver.Device(0).retain_primary_context()
        with pytest.raises(driver.LogicError, match="no currently active context"):
            driver.mem_alloc(4)
        context.push()
        memory = driver.mem_alloc(4)
        with pytest.raises(driver.LogicError, match="no currently active context"):
            other.submit(memory.free).result()
        memory.free()
        context.pop()
