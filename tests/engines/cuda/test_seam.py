"""The seam to CUDA: over doubles of both libraries, and over the real one where there is a GPU."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.engines.cuda.seam import (
    ALIGNMENT,
    CudaError,
    DeviceInfo,
    find_device,
    open_cuda,
    version_text,
)
from depth_anything_ros.errors import EngineError, MissingDependency
from tests.tensorrt_double.install import Rig, installed
from tests.tensorrt_double.settings import Gpu, Settings

LIBRARIES = ("cuda.bindings", "pycuda")
NOTHING = {"memory": 0, "pinned": 0, "streams": 0}


@pytest.fixture(params=LIBRARIES)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with installed(cuda=request.param) as made:
        yield made


def round_trip(cuda: Any, text: bytes) -> bytes:
    """Send bytes to the device and back."""
    with cuda.current():
        address = cuda.allocate(len(text))
        up, down = cuda.allocate_pinned(len(text)), cuda.allocate_pinned(len(text))
        up[:] = np.frombuffer(text, np.uint8)
        cuda.upload(address, up)
        cuda.download(down, address)
        cuda.synchronize()
    return bytes(down)


def test_the_device_is_described(rig: Rig) -> None:
    library = "pycuda" if "pycuda" in rig.modules else "cuda.bindings"
    assert find_device(0) == DeviceInfo(0, "Orin", "8.7", 16, 4096, "12.6", library)
    assert str(find_device(0)) == "CUDA device 0, Orin (8.7, 16 multiprocessors)"
    assert rig.gpu.alive == NOTHING


def test_bytes_come_back(rig: Rig) -> None:
    cuda = open_cuda(0)
    assert round_trip(cuda, b"depth") == b"depth"
    assert cuda.stream != 0
    cuda.close()
    cuda.close()
    assert rig.gpu.alive == NOTHING


def test_addresses_are_aligned(rig: Rig) -> None:
    cuda = open_cuda(0)
    with cuda.current():
        assert all(cuda.allocate(7) % ALIGNMENT == 0 for _ in range(3))


def test_two_streams_free_their_own(rig: Rig) -> None:
    first, second = open_cuda(0), open_cuda(0)
    round_trip(first, b"1")
    first.close()
    assert round_trip(second, b"22") == b"22"
    second.close()
    assert rig.gpu.alive == NOTHING


def test_the_other_device_is_used_where_it_is_asked_for() -> None:
    for library in LIBRARIES:
        with installed(Settings(gpu=Gpu(devices=2)), library) as rig:
            first, second = open_cuda(0), open_cuda(1)
            assert round_trip(second, b"b") + round_trip(first, b"a") == b"ba"
            second.close()
            first.close()
            assert rig.gpu.alive == NOTHING


def test_a_device_that_is_not_there_is_refused(rig: Rig) -> None:
    with pytest.raises(CudaError, match="no CUDA device 1; accepted: 0 to 0") as caught:
        open_cuda(1)
    assert caught.value.kind == "no device"


@pytest.mark.parametrize(
    ("library", "reason"),
    [
        ("cuda.bindings", "cudaErrorInsufficientDriver: CUDA driver version"),
        ("pycuda", "cuInit failed: no CUDA-capable"),
    ],
)
def test_without_a_driver_the_reason_and_the_remedy_are_said(library: str, reason: str) -> None:
    with installed(Settings(gpu=None), library), pytest.raises(CudaError, match=reason) as caught:
        find_device(0)
    assert caught.value.kind == "no device" and "--gpus all" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("gpu", "has", "limit"),
    [(Gpu(driver=11080), "11.8", "12"), (Gpu(driver=12060, oldest_driver=12090), "12.6", "12.7")],
)
def test_a_library_too_new_for_the_driver_names_the_one_that_is_not(gpu: Gpu, has: str, limit: str) -> None:
    words = re.escape(f"the driver has CUDA {has}, cuda.bindings needs 12.9: pip install 'cuda-bindings<{limit}'")
    with installed(Settings(gpu=gpu)), pytest.raises(CudaError, match=words):
        find_device(0)


def test_too_much_memory_is_refused_with_its_size(rig: Rig) -> None:
    cuda = open_cuda(0)
    with cuda.current(), pytest.raises(CudaError, match="not enough memory for 8590 MB more") as caught:
        cuda.allocate(8 << 30)
    assert caught.value.kind == "memory"
    cuda.close()


def test_an_error_is_raised_where_the_stream_is_waited_for(rig: Rig) -> None:
    cuda = open_cuda(0)
    rig.gpu.fail_next = True
    with pytest.raises(CudaError, match="was lost") as caught:
        round_trip(cuda, b"x")
    assert caught.value.kind == "lost"
    cuda.close()


def test_a_graph_repeats_what_was_recorded() -> None:
    with installed() as rig:
        cuda = open_cuda(0)
        with cuda.current():
            address, up, down = cuda.allocate(4), cuda.allocate_pinned(4), cuda.allocate_pinned(4)

            def work() -> None:
                cuda.upload(address, up)
                cuda.download(down, address)

            down[:] = 0
            graph = cuda.capture(work)
            cuda.synchronize()
            assert bytes(down) == b"\0\0\0\0"  # recorded, not done
            for text in (b"abcd", b"efgh"):
                up[:] = np.frombuffer(text, np.uint8)
                cuda.launch(graph)
                cuda.synchronize()
                assert bytes(down) == text
        cuda.close()
        assert rig.gpu.alive == NOTHING


@pytest.mark.parametrize("is_broken", [False, True])
def test_work_that_fails_while_it_is_recorded_leaves_the_stream_usable(is_broken: bool) -> None:
    with installed() as rig:
        cuda = open_cuda(0)

        def work() -> None:
            rig.gpu.stream(cuda.stream).broken = is_broken
            raise EngineError("refused")

        with cuda.current(), pytest.raises(EngineError, match="refused"):
            cuda.capture(work)
        assert rig.gpu.last_error == "", "the next launch would be taken for failed"
        assert rig.gpu.calls["cudaGraphDestroy"] == (not is_broken)
        assert round_trip(cuda, b"after") == b"after"


def test_pycuda_says_that_it_has_no_graphs() -> None:
    with installed(cuda="pycuda"):
        cuda = open_cuda(0)
        assert not cuda.can_capture
        with cuda.current(), pytest.raises(CudaError, match=r"has no CUDA graphs; cuda\.bindings has"):
            cuda.capture(lambda: None)


def test_pycuda_leaves_no_context_behind() -> None:
    # It would abort the process when the thread ends.
    with installed(cuda="pycuda") as rig:
        cuda = open_cuda(0)
        round_trip(cuda, b"x")
        with pytest.raises(ValueError, match="mine"), cuda.current():
            raise ValueError("mine")
        cuda.close()
        with pytest.raises(rig.modules["pycuda.driver"].LogicError, match="cannot pop"):
            rig.modules["pycuda.driver"].Context.pop()


def test_cuda_bindings_is_first() -> None:
    with installed() as both, installed(cuda="pycuda") as other:
        sys.modules.update(both.modules | {name: other.modules[name] for name in ("pycuda", "pycuda.driver")})
        assert find_device(0).library == "cuda.bindings"


def test_without_either_library_the_extra_is_named() -> None:
    with installed(cuda=""), pytest.raises(MissingDependency, match=r"cuda\.bindings .*\[tensorrt\]"):
        open_cuda(0)


def test_a_library_that_is_there_and_does_not_load_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> None:
            if name == "pycuda":
                raise ImportError("libcuda.so.1: cannot open shared object file")

    with installed(cuda=""):
        monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
        with pytest.raises(EngineError, match=r"pycuda cannot be imported: libcuda\.so\.1"):
            open_cuda(0)
        monkeypatch.undo()


def test_versions_are_written_as_people_write_them() -> None:
    assert [version_text(number) for number in (11040, 12060, 13000)] == ["11.4", "12.6", "13.0"]


@pytest.mark.gpu
def test_a_real_gpu_sends_bytes_back_and_repeats_a_graph() -> None:
    pytest.importorskip("cuda.bindings.runtime")
    cuda = open_cuda(0)
    assert round_trip(cuda, b"depth") == b"depth"
    with cuda.current():
        address, up, down = cuda.allocate(4), cuda.allocate_pinned(4), cuda.allocate_pinned(4)

        def work() -> None:
            cuda.upload(address, up)
            cuda.download(down, address)

        graph = cuda.capture(work)
        for text in (b"abcd", b"efgh"):
            up[:] = np.frombuffer(text, np.uint8)
            cuda.launch(graph)
            cuda.synchronize()
            assert bytes(down) == text
    cuda.close()
