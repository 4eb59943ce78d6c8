"""Running a plan, with the stand-in in TensorRT's and CUDA's place."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_anything_ros.engine import apply_sky
from depth_anything_ros.engines.cuda.seam import CudaError
from depth_anything_ros.engines.plan_runner import PlanRunner
from depth_anything_ros.engines.tensorrt_api import find_tensorrt
from depth_anything_ros.errors import EngineError
from tests.conftest import TOLERANCES
from tests.tensorrt_double.install import Rig, installed
from tests.tensorrt_double.plans import build_plan, static, with_extra_output
from tests.tensorrt_double.settings import VERSIONS, Fault, Gpu, Settings
from tests.tiny_networks import make_spec, reference_infer, write_network

SIZE_HW = (28, 42)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_network(tmp_path_factory.mktemp("network")).read_bytes()


@pytest.fixture
def rig() -> Iterator[Rig]:
    with installed() as made:
        yield made


def images(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, *SIZE_HW, 3), dtype=np.uint8)


def open_runner(plan: bytes, *, device: int = 0, max_batch: int = 3, size_hw: Any = SIZE_HW, **spec: Any) -> PlanRunner:
    return PlanRunner(plan, make_spec(**spec), find_tensorrt(), device, size_hw=size_hw, max_batch=max_batch)


def assert_right(runner: PlanRunner, images_nhw3: NDArray[np.uint8]) -> None:
    depth, sky = runner.run(images_nhw3)
    assert depth.dtype == np.float32 and depth.shape == images_nhw3.shape[:3]
    found = apply_sky(depth, sky, make_spec())
    np.testing.assert_allclose(found, reference_infer(images_nhw3), **TOLERANCES["engine"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cuda", ["cuda.bindings", "pycuda"])
def test_every_batch_gives_the_networks_depth(version: str, cuda: str, network: bytes) -> None:
    with installed(Settings(version=version), cuda):
        runner = open_runner(build_plan(find_tensorrt(), network))
        for seed, n in enumerate((1, 3, 2, 1, 2, 3)):
            assert_right(runner, images(n, seed))
        runner.close()


def test_a_frame_is_one_launch_and_nothing_is_allocated(rig: Rig, network: bytes) -> None:
    runner = open_runner(build_plan(find_tensorrt(), network))
    for n in (1, 2, 3):
        runner.run(images(n))
    before, alive = rig.gpu.calls.copy(), rig.gpu.alive
    for frame in range(5):
        assert_right(runner, images(1 + frame % 3, frame))
    assert rig.gpu.calls - before == {"cudaSetDevice": 5, "cudaGraphLaunch": 5, "cudaStreamSynchronize": 5}
    assert rig.gpu.alive == alive


def test_without_graphs_a_frame_is_one_upload_and_one_download(network: bytes) -> None:
    with installed(cuda="pycuda") as rig:
        runner = open_runner(build_plan(find_tensorrt(), network))
        runner.run(images(1))
        before, alive = rig.gpu.calls.copy(), rig.gpu.alive
        for frame in range(5):
            assert_right(runner, images(1, frame))
        assert rig.gpu.calls - before == {"memcpy_htod_async": 5, "memcpy_dtoh_async": 5}
        assert rig.gpu.alive == alive
        assert runner.notes == ("runs without a CUDA graph, which pycuda does not have; cuda.bindings does",)


def test_a_depth_is_a_new_array_and_the_sky_is_for_reading(rig: Rig, network: bytes) -> None:
    runner = open_runner(build_plan(find_tensorrt(), network))
    first, sky = runner.run(images(1, 1))
    kept = first.copy()
    runner.run(images(1, 2))
    np.testing.assert_array_equal(first, kept)
    assert sky is not None and first.flags.writeable and not sky.flags.writeable


def test_all_batches_work_in_the_same_device_memory(rig: Rig, network: bytes) -> None:
    runner = open_runner(build_plan(find_tensorrt(), network))
    assert rig.gpu.alive == {"memory": 3, "pinned": 2, "streams": 1}
    for n in (1, 2):
        runner.run(images(n))
    assert rig.gpu.alive == {"memory": 3, "pinned": 2, "streams": 1}


@pytest.mark.parametrize("cuda", ["cuda.bindings", "pycuda"])
def test_close_frees_everything(cuda: str, network: bytes) -> None:
    with installed(cuda=cuda) as rig:
        runner = open_runner(build_plan(find_tensorrt(), network))
        runner.run(images(2))
        runner.close()
        runner.close()
        assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}
        with pytest.raises(EngineError, match="is closed"):
            runner.run(images(2))


@pytest.mark.parametrize("cuda", ["cuda.bindings", "pycuda"])
def test_any_thread_and_any_device(cuda: str, network: bytes) -> None:
    # A fresh thread has device 0, or no context at all: opened in one, run in another, closed in a third.
    with installed(Settings(gpu=Gpu(devices=2)), cuda) as rig:
        plan = build_plan(find_tensorrt(), network)
        threads = [ThreadPoolExecutor(1) for _ in range(3)]
        runner = threads[0].submit(open_runner, plan, device=1).result()
        for n in (1, 2):
            threads[1].submit(assert_right, runner, images(n)).result()
        threads[2].submit(runner.close).result()
        assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}
        for thread in threads:
            thread.shutdown()


def test_outputs_that_nobody_reads_have_their_place(rig: Rig, network: bytes) -> None:
    extended = with_extra_output(static(network, (1, *SIZE_HW)), "logits", (1, 1, 2, 3))
    plan = build_plan(find_tensorrt(), extended, max_batch=1)
    runner = open_runner(plan, max_batch=1)
    for frame in range(3):
        assert_right(runner, images(1, frame))


@pytest.mark.parametrize("shape", [(4, *SIZE_HW, 3), (0, *SIZE_HW, 3), (1, 42, 28, 3)])
def test_images_of_another_shape_are_refused(rig: Rig, network: bytes, shape: tuple[int, ...]) -> None:
    runner = open_runner(build_plan(find_tensorrt(), network))
    with pytest.raises(EngineError, match=r"accepted: \(1 to 3, 28, 42, 3\)"):
        runner.run(np.zeros(shape, np.uint8))


def test_a_static_plan_runs_its_one_shape(rig: Rig, network: bytes) -> None:
    api = find_tensorrt()
    plan = build_plan(api, static(network, (1, *SIZE_HW)), max_batch=1)
    assert_right(open_runner(plan, max_batch=1), images(1))
    with pytest.raises(EngineError, match=r"takes images \(1, 28, 42, 3\); \(2, 28, 42, 3\) was asked for"):
        open_runner(plan, max_batch=2)


def test_a_network_without_sky(rig: Rig, network: bytes) -> None:
    runner = open_runner(build_plan(find_tensorrt(), network), sky_output=None)
    depth, sky = runner.run(images(2))
    assert sky is None
    np.testing.assert_allclose(depth, reference_infer(images(2), sky_threshold=None), **TOLERANCES["engine"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_name": "pixels"}, "the plan takes image; tiny takes pixels"),
        ({"depth_output": "metres"}, "has no 'metres', which the spec of tiny names: image, depth, sky"),
        ({"sky_output": "clouds"}, "has no 'clouds'"),
        ({"max_batch": 4}, r"takes images \(1, 28, 42, 3\) to \(3, 28, 42, 3\); \(4, 28, 42, 3\) was asked for"),
        ({"size_hw": (28, 56)}, r"\(1, 28, 56, 3\) was asked for"),
    ],
)
def test_a_plan_of_something_else_is_refused(rig: Rig, network: bytes, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        open_runner(build_plan(find_tensorrt(), network), **changes)
    assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}


@pytest.mark.parametrize(
    "spoil", [lambda plan: b"", lambda plan: plan[:-1], lambda plan: plan[:200] + b"\0" + plan[201:]]
)
def test_a_corrupt_plan_is_refused_in_tensorrts_words(rig: Rig, network: bytes, spoil: Any) -> None:
    plan = build_plan(find_tensorrt(), network)
    with pytest.raises(EngineError, match=r"tiny on TensorRT 10\.3\.0: the plan is not accepted: .*Serialization"):
        open_runner(spoil(plan))
    assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Settings(library_version="10.7.0"), r"expecting library version 10\.7\.0 got 10\.3\.0"),
        (Settings(gpu=Gpu(name="RTX", compute_capability=(8, 9))), r"expecting compute 8\.9 got compute 8\.7"),
    ],
)
def test_a_plan_of_another_machine_is_refused(network: bytes, other: Settings, words: str) -> None:
    with installed():
        plan = build_plan(find_tensorrt(), network)
    with installed(other), pytest.raises(EngineError, match=words):
        open_runner(plan)


@pytest.mark.parametrize("cuda", ["cuda.bindings", "pycuda"])
def test_without_a_gpu_no_runtime_is_touched(cuda: str, network: bytes) -> None:
    with installed(Settings(gpu=None), cuda), pytest.raises(CudaError, match="no CUDA device can be used") as caught:
        open_runner(b"")
    assert caught.value.kind == "no device"


def test_too_little_memory_is_said_and_nothing_is_left(network: bytes) -> None:
    with installed():
        plan = build_plan(find_tensorrt(), network)
    with installed(Settings(gpu=Gpu(memory_mb=32))) as rig:
        with pytest.raises(CudaError, match="not enough memory for 67 MB more") as caught:
            open_runner(plan)
        assert caught.value.kind == "memory"
        assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}


@pytest.mark.parametrize("cuda", ["cuda.bindings", "pycuda"])
def test_a_lost_device_is_said_and_close_still_works(cuda: str, network: bytes) -> None:
    with installed(cuda=cuda) as rig:
        runner = open_runner(build_plan(find_tensorrt(), network))
        rig.gpu.fail_next = True
        with pytest.raises(CudaError, match=r"device 0 was lost .*only a restart of the process") as caught:
            runner.run(images(3))
        assert caught.value.kind == "lost"
        runner.close()


def test_a_network_that_cannot_be_recorded_runs_without_a_graph(network: bytes) -> None:
    with installed(Settings(faults=(Fault(kind="uncapturable"),))):
        runner = open_runner(build_plan(find_tensorrt(), network))
        for frame in range(3):
            assert_right(runner, images(3, frame))
        (note,) = runner.notes
        assert note.startswith("runs without a CUDA graph: ") and "capturing" in note


def test_a_refused_launch_is_told_in_tensorrts_words(network: bytes) -> None:
    with installed(Settings(faults=(Fault(kind="refused"),))) as rig:
        with pytest.raises(EngineError, match=r"the plan failed: .*illegal memory access"):
            open_runner(build_plan(find_tensorrt(), network))
        assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}


def test_what_tensorrt_throws_is_one_line(rig: Rig, network: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def throw(self: Any) -> Any:
        raise RuntimeError("shape inference failed\n in some file")

    plan = build_plan(find_tensorrt(), network)
    monkeypatch.setattr(rig.tensorrt.IExecutionContext, "infer_shapes", throw)
    with pytest.raises(EngineError, match=r"the plan cannot be opened: shape inference failed$"):
        open_runner(plan)
    assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}
