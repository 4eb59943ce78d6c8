"""``selftest``: a report that a user can send, whatever happens."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros import selftest
from depth_anything_ros.cli import main
from tests.plan_machine import Machine, faulty
from tests.run_command import one_line_error
from tests.tensorrt_double.settings import Settings

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")

QUICK = ("--size", "80x40", "--seconds", "0.01")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def run(machine: Machine, *options: str, settings: Settings | None = None, engine: str = "tensorrt") -> int:
    arguments = ["selftest", "--engine", engine, "--model", str(machine.network), *QUICK]
    with machine.on(settings or Settings()):
        return main([*arguments, "--out", str(machine.folder / "report"), *options])


def report_of(machine: Machine, engine: str = "tensorrt") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((machine.folder / "report" / f"selftest_{engine}.json").read_text())
    return found


def test_the_report_says_what_runs_how_exactly_and_how_fast(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(machine) == 0
    report = report_of(machine)
    assert report["library"] == "TensorRT 10.3.0" and report["device"].startswith("CUDA device 0, Orin")
    assert report["network size"] == "56x28" and report["problem"] == ""
    (only,) = report["runs"]
    assert only["precision"] == "fp16" and only["golden"]["cosine"] > 0.999 and "accepted" in only["verdict"]
    assert 0.0 < only["latency_ms"]["p50"] <= only["latency_ms"]["max"] and only["latency_ms"]["images"] >= 10
    out = capsys.readouterr().out
    assert "it works here" in out and "golden sample: abs_rel" in out
    assert (machine.folder / "report" / "selftest_tensorrt.txt").read_text().strip() in out


def test_rungs_are_tried_until_one_passes(machine: Machine) -> None:
    assert run(machine, settings=faulty("scaled", "fp16")) == 0
    report = report_of(machine)
    assert [run["precision"] for run in report["runs"]] == ["fp16", "fp16-attention-fp32"]
    assert "misses its golden sample" in report["runs"][0]["verdict"] and "latency_ms" not in report["runs"][0]


def test_what_nobody_expected_is_in_the_report_too(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise TypeError("incompatible function arguments\nInvoked with: 3")

    monkeypatch.setattr(selftest, "measure", fail)
    assert run(machine) == 2
    assert report_of(machine)["problem"] == "TypeError: incompatible function arguments Invoked with: 3"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("cannot read /data/ann/x.plan: Permission denied", "cannot read x.plan: Permission denied"),
        ("cannot make /homes/ann lee: File exists", "cannot make ~: File exists"),
        ("cannot make /homes/ann lee/.cache/plans: File exists", "cannot make plans: File exists"),
        ("no network at /homes/ann lee/x.onnx", "no network at x.onnx"),
    ],
)
def test_folders_are_not_in_the_report(monkeypatch: pytest.MonkeyPatch, text: str, sent: str) -> None:
    monkeypatch.setenv("HOME", "/homes/ann lee")
    assert selftest._anonymous(text) == sent
    monkeypatch.setenv("HOME", "/")
    assert selftest._anonymous("cannot read /data/ann/x.plan") == "cannot read x.plan"


def test_all_rungs_are_measured_where_that_is_asked(machine: Machine) -> None:
    assert run(machine, "--all-rungs", settings=faulty("nan", "fp16")) == 0
    runs = {run["precision"]: "latency_ms" in run for run in report_of(machine)["runs"]}
    # This network has no attention that could be unfused.
    assert runs == {"fp16": False, "fp16-attention-fp32": True, "fp16-unfused": False, "fp32": True}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(gpu=None), "no CUDA device"),
        (Settings(library_version="8.6.1"), "TensorRT 8.6.1 is too old"),
        (faulty("nan", "*"), "no TensorRT plan of tiny"),
    ],
)
def test_what_does_not_work_is_reported_too(
    machine: Machine, capsys: pytest.CaptureFixture[str], settings: Settings, words: str
) -> None:
    assert run(machine, settings=settings) == 2
    report = report_of(machine)
    assert words in report["problem"] and report["machine"]["python"]
    assert "it does not work here" in capsys.readouterr().out


def test_nothing_of_the_users_own_is_reported(machine: Machine) -> None:
    run(machine, settings=faulty("killed", "*"))
    texts = [path.read_text() for path in (machine.folder / "report").iterdir()]
    assert len(texts) == 2
    for text in texts:
        assert str(machine.folder) not in text and f"/{getpass.getuser()}/" not in text and "was killed" in text


def test_other_engines_are_tested_too(machine: Machine) -> None:
    assert run(machine, engine="onnxruntime") == 0
    (only,) = report_of(machine, "onnxruntime")["runs"]
    assert only["precision"] == "fp32" and only["latency_ms"]["images"] >= 10


def test_a_folder_that_cannot_be_written_is_one_line(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    (machine.folder / "report").touch()
    assert run(machine, engine="onnxruntime") == 2
    assert "cannot write" in one_line_error(capsys)
