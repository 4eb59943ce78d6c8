"""TensorRT as an engine, on an imagined machine: what it takes, what it refuses, and how it behaves meanwhile."""

from __future__ import annotations

import dataclasses
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.engines.plan_task import PlanTask
from depth_anything_ros.engines.tensorrt_engine import MAX_PLANS
from depth_anything_ros.errors import EngineError, EngineNotReady, MissingDependency
from depth_anything_ros.spec import load_spec, save_spec, spec_path_of
from tests.plan_machine import IMAGE, Machine, faulty, infer_when_ready, wait_for
from tests.tensorrt_double.settings import Gpu, Settings
from tests.tiny_networks import reference_infer

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_only_the_asked_precision_is_tried(machine: Machine) -> None:
    assert machine.run(precision="fp32").rung == "fp32"
    with pytest.raises(EngineError, match=r"passes its check .fp16: rejected.*fp16-unfused: rejected") as caught:
        machine.run(faulty("nan", "fp16*"), precision="fp16")
    assert "; fp32:" not in str(caught.value)


def test_the_cpu_runs_where_that_is_allowed_and_it_is_said(machine: Machine) -> None:
    run = machine.run(faulty("scaled", "*"), cpu_fallback=True)
    assert run.engine in ("openvino", "onnxruntime") and run.is_right()
    assert sum("rejected" in note for note in run.notes) == 4


def test_in_the_background_it_is_not_ready_until_it_is(machine: Machine) -> None:
    with machine.on(Settings(build_seconds=1.0)), machine.load(background=True) as engine:
        with pytest.raises(EngineNotReady):
            engine.infer(IMAGE)
        assert "plan" in engine.progress
        depth = infer_when_ready(engine)
        assert engine.progress == "" and engine.info.precision == "fp16"
    finite = np.isfinite(depth)
    np.testing.assert_allclose(depth[finite], reference_infer(IMAGE)[finite], rtol=1e-2)


def test_in_the_background_the_ladder_is_climbed_too(machine: Machine) -> None:
    with machine.on(faulty("nan", "fp16*")), machine.load(background=True) as engine:
        infer_when_ready(engine)
        assert engine.info.precision == "fp32"


def test_another_engine_runs_meanwhile(machine: Machine) -> None:
    with machine.on(Settings(build_seconds=1.5)), machine.load(background=True, meanwhile="onnxruntime") as engine:
        first = engine.infer(IMAGE)
        assert engine.info.engine == "onnxruntime" and "while the TensorRT plan" in engine.info.reason
        wait_for(lambda: engine.infer(IMAGE) is not None and engine.info.engine == "tensorrt")
        np.testing.assert_allclose(engine.infer(IMAGE), first, rtol=1e-2)


def test_frames_meanwhile_do_not_wait_for_the_plan(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    is_done = PlanTask.is_done
    monkeypatch.setattr(PlanTask, "is_done", lambda self, wait_s: waits.append(wait_s) or is_done(self, wait_s))
    with machine.on(Settings(build_seconds=60.0)), machine.load(background=True, meanwhile="onnxruntime") as engine:
        for _ in range(3):
            engine.infer(IMAGE)
    assert waits[0] > 0.0 and waits[1:] == [0.0, 0.0]


def test_closing_ends_a_build(machine: Machine) -> None:
    with machine.on(Settings(build_seconds=60.0)):
        engine = machine.load(background=True)
        with pytest.raises(EngineNotReady):
            engine.infer(IMAGE)
        wait_for(lambda: bool(list(machine.plans.glob("*.log"))))
        start_s = time.monotonic()
        engine.close()
        engine.close()
        assert time.monotonic() - start_s < 10.0
        with pytest.raises(EngineError, match="closed"):
            engine.infer(IMAGE)
    assert machine.files() == [] and not any(thread.name == "plan" for thread in threading.enumerate())


@pytest.mark.parametrize("num_images", [1, 2, 3])
def test_several_images_at_once(machine: Machine, num_images: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (num_images, 28, 42, 3), dtype=np.uint8)
    with machine.on(Settings()), machine.load(max_batch=3) as engine:
        assert engine.spec.max_batch == 3
        np.testing.assert_allclose(engine.infer(images), reference_infer(images), rtol=1e-2)
        with pytest.raises(EngineError, match="n up to 3"):
            engine.infer(np.zeros((4, 28, 42, 3), np.uint8))


def test_every_size_has_its_plan_and_the_memory_of_old_ones_is_freed(machine: Machine) -> None:
    with machine.on(Settings()) as rig:
        with machine.load(precision="fp32") as engine:
            for w in range(14, 14 * (MAX_PLANS + 2), 14):
                images = np.random.default_rng(w).integers(0, 256, (1, 28, w, 3), dtype=np.uint8)
                np.testing.assert_allclose(engine.infer(images), reference_infer(images), rtol=1e-3)
            assert rig.gpu.alive["streams"] == MAX_PLANS
        assert rig.gpu.alive == {"memory": 0, "pinned": 0, "streams": 0}
    assert len(machine.files("*.plan")) == MAX_PLANS + 1


def test_no_memory_is_taken_by_a_plan_that_failed(machine: Machine) -> None:
    with machine.on(faulty("nan", "fp16*")) as rig, machine.load() as engine:
        engine.infer(IMAGE)
        assert rig.gpu.alive["streams"] == 1


def test_pycuda_gives_the_same(machine: Machine) -> None:
    with machine.on(Settings(), cuda="pycuda"), machine.load() as engine:
        np.testing.assert_allclose(engine.infer(IMAGE), reference_infer(IMAGE), rtol=1e-2)


def test_without_a_gpu_it_is_told_before_tensorrt_is_touched(machine: Machine) -> None:
    """The stand-in's Runtime fails a test when it is used without a GPU, where the real one ends the process."""
    with pytest.raises(EngineError, match="no CUDA device"):
        machine.run(Settings(gpu=None))
    with pytest.raises(EngineError, match="no CUDA device 3"):
        machine.run(device=3)


def test_without_tensorrt_the_extra_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    with pytest.raises((MissingDependency, EngineError), match="tensorrt"):
        machine.load()


def test_an_unknown_version_is_refused_by_name(machine: Machine) -> None:
    with pytest.raises(EngineError, match=r"TensorRT 8\.6\.1 is too old"):
        machine.run(Settings(library_version="8.6.1"))


def test_a_plan_from_elsewhere_is_loaded_by_name_alone_and_checked(machine: Machine) -> None:
    machine.run()
    given = machine.folder / "given.plan"
    shutil.copy(machine.files("*.plan")[0], given)
    shutil.rmtree(machine.plans)
    run = machine.run(plan=given)
    assert run.is_right() and not run.built and "given by name" in run.notes[1]
    assert machine.files("*.plan") == []
    with machine.on(Settings()), machine.load(plan=given) as engine, pytest.raises(EngineError, match="28, 42"):
        engine.infer(np.zeros((1, 28, 56, 3), np.uint8))
    for other in (Settings(library_version="10.3.1"), Settings(gpu=Gpu(compute_capability=(8, 9)))):
        with pytest.raises(EngineError, match="the plan is not accepted"):
            machine.run(other, plan=given)


def test_a_wrong_plan_from_elsewhere_is_refused(machine: Machine) -> None:
    machine.run(faulty("scaled", "fp16"))
    given = machine.folder / "given.plan"
    shutil.copy(machine.files("*.plan.rejected")[0], given)
    with pytest.raises(EngineError, match=r"the plan given\.plan misses its golden sample"):
        machine.run(plan=given)
    given.write_bytes(b"garbage")
    with pytest.raises(EngineError, match="the plan is not accepted"):
        machine.run(plan=given)
    with pytest.raises(EngineError, match="cannot read the plan"):
        machine.run(plan=machine.folder / "absent.plan")


def test_what_tensorrt_cannot_run_is_refused_at_once(machine: Machine) -> None:
    with pytest.raises(EngineError, match="precision bf16"):
        machine.run(precision="bf16")
    path = spec_path_of(machine.network)
    save_spec(path, dataclasses.replace(load_spec(path), quantized="int8"))
    with pytest.raises(EngineError, match="quantised to int8"):
        machine.run()
