"""The process that converts: its answers, its errors, its end, and that it never outlives whom it works for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from depth_anything_ros.errors import ConfigError, EngineError, EngineNotReady, LicenceError, MissingDependency
from depth_anything_ros.fetch import conversion
from depth_anything_ros.fetch.conversion import ConversionJob, run_conversion
from tests.source_tree import REPOSITORY


def job(tmp_path: Path, deed: str) -> ConversionJob:
    return ConversionJob(
        source=tmp_path / f"{deed}.pth", model="v2-small", out=tmp_path, accept=["unclear"], torch_weights=False
    )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "CHILD", "tests.fetch.fake_conversion")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("fake")
def test_the_job_goes_over_whole_and_the_spec_comes_back(tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    spec = run_conversion(job(tmp_path, "fine"), lambda what, fraction: told.append((what, fraction)))
    assert spec.name == "v2-small" and (tmp_path / spec.artifact).is_file()
    assert json.loads(spec.provenance["job"]) == {
        "source": str(tmp_path / "fine.pth"),
        "model": "v2-small",
        "out": str(tmp_path),
        "accept": ["unclear"],
        "torch_weights": False,
    }
    assert ("exporting", 0.5) in told


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("deed", "kind", "words"),
    [
        ("LicenceError", LicenceError, "^told by the child$"),
        ("ConfigError", ConfigError, "^told by the child$"),
        ("KeyError", EngineError, "the conversion failed: KeyError: told by the child"),
        ("MissingDependency", MissingDependency, "safetensors is not installed"),
        ("killed", EngineError, "ended by SIGKILL; the system has most likely run out of memory"),
        ("crashed", EngineError, "ended with exit code 1: RuntimeError: something of torch's"),
    ],
)
def test_an_end_without_a_network_is_told(tmp_path: Path, deed: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        run_conversion(job(tmp_path, deed), lambda what, fraction: None)
    assert type(caught.value) is kind


@pytest.mark.usefixtures("fake")
def test_giving_up_ends_the_child(tmp_path: Path) -> None:
    def give_up(what: str, fraction: float | None) -> None:
        if (tmp_path / "pid").exists():
            raise EngineNotReady("given up")

    start_s = time.monotonic()
    with pytest.raises(EngineNotReady):
        run_conversion(job(tmp_path, "hanging"), give_up)
    assert time.monotonic() - start_s < 30
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    slow = (
        "import time\n"
        f"from {conversion.CHILD.rpartition('.')[0]} import conversion_child\n"
        "conversion_child._convert = lambda job, tell: (tell('converting', None), time.sleep(60))\n"
        "conversion_child.main()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", slow],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(job(tmp_path, "x").to_json().encode() + b"\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline()) == {"what": "converting", "fraction": None}
        assert child.poll() is None
        child.stdin.close()  # as the system does for a parent that was killed
        assert child.wait(30) == 1
    finally:
        child.kill()
        child.wait()


def test_the_real_child_answers_an_absent_file_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ConfigError, match=r"x\.pth: no such file"):
        run_conversion(job(tmp_path, "x"), lambda what, fraction: None)
