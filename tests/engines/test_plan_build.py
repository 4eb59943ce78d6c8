"""Building in another process: what is said meanwhile, and every way in which it can end.

The child here is a script of the test; the one that builds with TensorRT's stand-in is in ``test_tensorrt_build``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from depth_anything_ros.engines import plan_build
from depth_anything_ros.engines.plan_build import BuildJob, PlanRefused, duration_words, progress_words, run_build
from depth_anything_ros.engines.plan_lock import BuildCancelled
from depth_anything_ros.errors import EngineError
from tests.plan_samples import make_key, mode_of
from tests.tiny_networks import make_spec

NEVER = threading.Event()


def make_job(folder: Path) -> BuildJob:
    return BuildJob(
        artifact=folder / "tiny.onnx",
        spec=make_spec(),
        key=make_key(),
        device=0,
        plan=folder / "plan",
        timing_cache=folder / "timing",
        log=folder / "log",
    )


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the script of the test the child; returns the file to write it to."""
    monkeypatch.setattr(plan_build, "CHILD", "child_of_a_test")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "child_of_a_test.py"


def write_child(path: Path, body: str) -> None:
    head = "import json, os, signal, sys, time\njob = json.loads(sys.stdin.readline())\n"
    tell = "def tell(**answer): print(json.dumps(answer), flush=True)\n"
    path.write_text(head + tell + textwrap.dedent(body))


def build(folder: Path, said: list[tuple[str, float | None]] | None = None, **options: float) -> plan_build.BuiltPlan:
    said = [] if said is None else said
    return run_build(make_job(folder), report=lambda *words: said.append(words), cancelled=NEVER, **options)


def test_a_built_plan_and_the_job_that_it_was_built_of(child: Path, tmp_path: Path) -> None:
    write_child(child, "tell(built={'sha256': job['key']['rung'] + job['spec']['name'], 'bytes': 3})")
    built = build(tmp_path)
    assert (built.sha256, built.num_bytes) == ("fp16tiny", 3) and 0.0 < built.build_s < 60.0
    assert mode_of(tmp_path / "log") == 0o600


def test_progress_is_said_while_it_builds(child: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_build, "_REPORT_EVERY_S", 0.05)
    write_child(child, "tell(what='tactics', done=0.5)\ntime.sleep(1.0)\ntell(built={'sha256': '', 'bytes': 0})")
    said: list[tuple[str, float | None]] = []
    build(tmp_path, said)
    told = [(text, done) for text, done in said if "tactics" in text]
    assert len(told) >= 3 and all(done == 0.5 and "left" in text for text, done in told)


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        ("network", PlanRefused, "no kernel"),
        ("memory", EngineError, "free memory"),
        ("disk", EngineError, "free space"),
        ("other", EngineError, "no kernel"),
    ],
)
def test_a_failure_that_the_child_explains(
    child: Path, tmp_path: Path, cause: str, kind: type[EngineError], words: str
) -> None:
    write_child(child, f"tell(failed='no kernel', cause={cause!r})\nsys.exit(1)")
    with pytest.raises(EngineError, match=words) as caught:
        build(tmp_path)
    assert type(caught.value) is kind and "tiny 42x28 fp16" in str(caught.value)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
def test_a_crash_is_the_plans_fault(child: Path, tmp_path: Path, name: str) -> None:
    write_child(child, f"os.kill(os.getpid(), signal.{name})")
    with pytest.raises(PlanRefused, match=f"crashed while building .{name}"):
        build(tmp_path)


def test_a_crash_for_want_of_memory_is_not(child: Path, tmp_path: Path) -> None:
    words = "terminate called after throwing an instance of 'std::bad_alloc'"
    write_child(child, f"os.write(2, {words.encode()!r}); os.kill(os.getpid(), signal.SIGABRT)")
    with pytest.raises(EngineError, match=r"for want of memory: .*bad_alloc.*; free memory") as caught:
        build(tmp_path)
    assert not isinstance(caught.value, PlanRefused)


def test_a_killed_child_is_not(child: Path, tmp_path: Path) -> None:
    write_child(child, "os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(EngineError, match=r"was killed .SIGKILL.; the system may have run out of memory") as caught:
        build(tmp_path)
    assert not isinstance(caught.value, PlanRefused)


def test_a_bug_of_the_child_is_told_with_its_last_words(child: Path, tmp_path: Path) -> None:
    write_child(child, "raise RuntimeError('what nobody expected')")
    with pytest.raises(EngineError, match="exit code 1: RuntimeError: what nobody expected"):
        build(tmp_path)


def test_giving_up_ends_the_child(child: Path, tmp_path: Path) -> None:
    write_child(child, f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    cancelled = threading.Event()

    def give_up_when_it_runs() -> None:
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            time.sleep(0.05)
        cancelled.set()

    threading.Thread(target=give_up_when_it_runs).start()
    with pytest.raises(BuildCancelled):
        run_build(make_job(tmp_path), report=lambda *words: None, cancelled=cancelled)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot begin to build"):
        build(tmp_path / "absent")


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """The real child, whose parent is killed: it must not go on building for nobody."""
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {WAITING_CHILD!r}], stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline_s = time.monotonic() + 30.0
    while _runs(pid) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not _runs(pid)


WAITING_CHILD = """
import threading, time
from depth_anything_ros.engines.tensorrt_build import _end_with_parent
threading.Thread(target=_end_with_parent, daemon=True).start()
time.sleep(60)
"""


def _runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (3600, "60 min"), (7260, "2 h 1 min"), (-3, "0 s")],
)
def test_durations_are_words(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_the_estimate_is_by_the_usual_duration_or_by_the_share_that_is_done() -> None:
    begins = "building the TensorRT plan x, tactics: 30 s so far, "
    assert progress_words("x", "tactics", None, 30.0, None) == (f"{begins}this takes minutes, once", None)
    assert progress_words("x", "tactics", 0.01, 30.0, None) == (f"{begins}this takes minutes, once", 0.01)
    assert progress_words("x", "tactics", 0.25, 30.0, None) == (f"{begins}about 90 s left", 0.25)
    assert progress_words("x", "tactics", 0.9, 30.0, 120.0) == (f"{begins}about 90 s left", 0.25)
    assert progress_words("x", "tactics", 0.9, 30.0, 20.0) == (f"{begins}longer than usual", 0.99)
