"""``build-engine``: from the command line to a plan that run and the node find, and every way in which it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from depth_anything_ros.cli import main
from depth_anything_ros.engines.plan_lock import is_locked
from tests.plan_machine import Machine, faulty, wait_for
from tests.run_command import one_line_error
from tests.tensorrt_double.settings import Settings

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")

# The network's long side is always 56.
SIZE = ("--size", "80x40")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def build(machine: Machine, *options: str, settings: Settings | None = None) -> int:
    with machine.on(settings or Settings()):
        return main(["build-engine", str(machine.network), *SIZE, *options])


def test_a_plan_is_built_for_the_cameras_size_and_found_by_the_engine(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(machine) == 0
    out = capsys.readouterr().out
    assert "tiny for images of 80x40 (network 56x28) on CUDA device 0, Orin" in out and "TensorRT 10.3.0" in out
    assert "fp16: accepted; abs_rel" in out and "golden sample reproduced in fp16" in out and str(machine.plans) in out
    with machine.on(Settings()), machine.load() as engine:
        engine.prepare((28, 56))
    assert not any(text.startswith("no plan of") for text in machine.said)


def test_the_batch_and_the_precision_are_taken(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(machine, "--batch", "2", "--precision", "fp32", "--workspace-mb", "256") == 0
    assert "fp32: accepted" in capsys.readouterr().out
    assert [(r.key.max_batch, r.key.rung, r.key.workspace_mb) for r in machine.cache.records()] == [(2, "fp32", 256)]


def test_a_batch_that_the_network_does_not_take_is_refused(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(machine, "--batch", "4") == 2
    assert "max_batch is 4; tiny takes 3 images at most" in capsys.readouterr().err
    assert machine.builders() == [] and machine.files() == []


def test_another_size_of_the_network_is_another_plan(machine: Machine) -> None:
    assert build(machine, "--resize", "short_side:14") == 0
    assert [record.key.shape for record in machine.cache.records()] == [(1, 14, 28)]


def test_verdicts_are_shown(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(machine, settings=faulty("scaled", "fp16")) == 0
    out = capsys.readouterr().out
    assert "fp16: rejected; misses its golden sample" in out
    assert "fp16-attention-fp32: accepted" in out


def test_where_nothing_passes_it_is_one_line_and_exit_code_2(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(machine, settings=faulty("nan", "*")) == 2
    assert "no TensorRT plan of tiny at 56x28 passes its check" in one_line_error(capsys)


def test_force_builds_again(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(machine, settings=faulty("nan", "*")) == 2
    assert build(machine) == 2
    assert build(machine, "--force") == 0
    assert "fp16: accepted" in capsys.readouterr().out


def test_without_a_gpu_it_is_one_line(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(machine, settings=Settings(gpu=None)) == 2
    assert "no CUDA device can be used" in one_line_error(capsys)


def test_list_and_clear(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(machine, settings=faulty("nan", "fp16")) == 0
    capsys.readouterr()
    assert main(["build-engine", "--list"]) == 0
    out = capsys.readouterr().out
    assert "tiny 56x28, TensorRT 10.3.0, CUDA 12, Orin (8.7, 16 multiprocessors)" in out
    assert "fp16: rejected; gives NaN" in out and "fp16-attention-fp32: accepted" in out
    assert "2 plans in" in out
    assert main(["build-engine", "--clear"]) == 0
    assert "MB removed" in capsys.readouterr().out
    assert list(machine.plans.iterdir()) == []
    assert main(["build-engine", "--list"]) == 0
    assert capsys.readouterr().out.startswith("0 plans")


def test_list_and_clear_exclude_force(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["build-engine", "--list", "--clear"])
    assert caught.value.code == 2 and "not allowed with" in capsys.readouterr().err


def test_ctrl_c_ends_the_build_and_its_process(machine: Machine) -> None:
    with machine.on(Settings(build_seconds=120.0)):
        command = [sys.executable, "-m", "depth_anything_ros", "build-engine", str(machine.network), *SIZE]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: bool(list(machine.plans.glob("*.log"))))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        wait_for(lambda: machine.builders() == [])
    assert process.returncode == 130 and "interrupted" in errors and "Traceback" not in errors
    assert machine.files("*.plan") == [] and machine.files(".*.tmp*") == []
    locks = list(machine.plans.glob("*.lock"))
    assert locks and not any(map(is_locked, locks))
