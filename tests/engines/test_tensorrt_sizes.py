"""Cameras of several sizes on TensorRT: none stands in the way of another, and what is said of each is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.engines.tensorrt_engine import MAX_PLANS, TensorrtEngine
from depth_anything_ros.errors import EngineError, EngineNotReady
from tests.plan_machine import IMAGE, Machine, faulty, infer_when_ready, wait_for
from tests.tensorrt_double.settings import Settings

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")

OTHER = np.zeros((1, 42, 28, 3), np.uint8)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def begin(engine: TensorrtEngine, *images: np.ndarray) -> None:
    for image in images:
        with pytest.raises(EngineNotReady):
            engine.infer(image)


def test_plans_of_two_sizes_are_built_one_after_the_other(machine: Machine) -> None:
    """Two builds at once need twice the memory, and disturb each other's timings."""
    at_once = []
    with machine.on(Settings(build_seconds=1.0)), machine.load(background=True) as engine:
        begin(engine, IMAGE, OTHER)

        def is_built() -> bool:
            at_once.append(len(machine.builders()))
            return len(machine.files("*.plan")) == 2

        wait_for(is_built)
        assert max(at_once) == 1
        infer_when_ready(engine)


def test_progress_is_that_of_the_size_that_is_not_ready(machine: Machine) -> None:
    with machine.on(Settings(build_seconds=3.0)), machine.load(background=True) as engine:
        begin(engine, IMAGE)
        wait_for(lambda: bool(machine.builders()))
        begin(engine, OTHER)
        infer_when_ready(engine)
        with pytest.raises(EngineNotReady, match="tiny 28x42"):
            engine.infer(OTHER)
        assert "tiny 28x42" in engine.progress and "tiny 42x28" not in engine.progress


def test_a_plan_that_no_image_has_come_for_yet_is_not_said_to_be_built_for_ever(machine: Machine) -> None:
    with machine.on(Settings()), machine.load(background=True) as engine:
        begin(engine, IMAGE)
        wait_for(lambda: "waits for an image" in engine.progress)
        infer_when_ready(engine)
        assert engine.progress == ""


def test_a_build_that_failed_before_an_image_came_says_why(machine: Machine) -> None:
    with machine.on(faulty("memory", "*")), machine.load(background=True) as engine:
        begin(engine, IMAGE)
        wait_for(lambda: "OutOfMemory" in engine.progress)
        with pytest.raises(EngineError, match="OutOfMemory"):
            engine.infer(IMAGE)
        assert engine.progress == ""


def test_every_camera_of_the_node_keeps_its_plan(machine: Machine) -> None:
    widths = [14 * k for k in range(1, MAX_PLANS + 2)]
    with machine.on(Settings()) as rig, machine.load(max_batch=len(widths), precision="fp32") as engine:
        assert engine.spec.max_batch == 3  # the network takes no more at once
        for w in widths:
            engine.infer(np.zeros((1, 28, w, 3), np.uint8))
        assert rig.gpu.alive["streams"] == len(widths)
