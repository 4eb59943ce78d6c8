"""``run`` where the output cannot be written, or the user stops it: what was written stays whole."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from depth_anything_ros import outputs
from tests.run_command import QUICK, leftovers, one_line_error, read_bag, run, summary_of
from tests.sample_bags import camera_recording, write_bag


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_bag(tmp_path / "walk", camera_recording(5))


def test_earlier_results_are_refused_unless_overwritten(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(bag, out, *QUICK) == 0
    assert run(bag, out, "--max-frames", "1") == 2
    assert "--overwrite" in one_line_error(capsys)
    assert len(list((out / "depth").iterdir())) == 5
    assert run(bag, out, "--max-frames", "1", "--overwrite", *QUICK) == 0
    assert len(list((out / "depth").iterdir())) == 1


def test_a_failed_start_leaves_earlier_results(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(bag, out, *QUICK) == 0
    before = sorted(path for path in out.rglob("*"))
    assert run(bag, out, "--overwrite", "--model", str(tmp_path / "absent.onnx"), engine="onnxruntime") == 2
    assert sorted(path for path in out.rglob("*")) == before


def test_output_folder_that_cannot_be(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(bag, tmp_path / "file") == 2
    assert "is a file, not a folder" in one_line_error(capsys)
    assert run(bag, tmp_path / "file" / "below") == 2
    assert "file" in one_line_error(capsys)
    assert run(bag, Path("/proc/depth")) == 2
    assert "cannot write /proc/depth" in one_line_error(capsys)


def test_a_full_disk_ends_the_run_and_keeps_what_is_whole(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def full_after_three(source: str, target: str) -> None:
        if Path(target).name == "000003.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(outputs.os, "replace", full_after_three)
    out = tmp_path / "out"
    assert run(bag, out) == 2
    error = one_line_error(capsys)
    assert "000003.png: the disk is full" in error
    assert sorted(path.name for path in (out / "depth").iterdir()) == ["000000.png", "000001.png", "000002.png"]
    assert len(read_bag(out / "bag")["/depth/image"]) == 3
    assert summary_of(out)["problem"].endswith("the disk is full")
    assert leftovers(out) == []


def test_files_that_may_not_grow_end_the_run_cleanly(tmp_path: Path) -> None:
    """A real limit of the system, in a process of its own: no file beyond 3 MB. The bag has to stop there."""
    bag = write_bag(tmp_path / "bag", camera_recording(6, width=320, height=240))
    out = tmp_path / "out"
    code = (
        "import resource, signal, sys\n"
        "from depth_anything_ros.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))\n"
        f"sys.exit(main(['run', {str(bag)!r}, '--out', {str(out)!r}, '--engine', 'plane', '--stride', '1']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("depth_anything_ros: error:") == 1
    num_written = len(read_bag(out / "bag")["/depth/image"])
    assert 1 <= num_written < 6
    assert summary_of(out)["problem"]


def test_ctrl_c_finishes_what_was_begun(tmp_path: Path) -> None:
    """SIGINT in the middle of a long recording: exit 130, and all that was written is whole and as the summary says."""
    bag = write_bag(tmp_path / "bag", camera_recording(600, depth=False))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "depth_anything_ros", "run", str(bag), "--out", str(out), "--engine", "plane"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (out / "depth" / "000004.png").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "interrupted" in printed
    summary = summary_of(out)
    assert summary["interrupted"] is True
    count = summary["frames"]["out"]
    assert 5 <= count < 600
    messages = read_bag(out / "bag")
    assert len(messages["/depth/image"]) == len(messages["/points"]) == count
    assert len(list((out / "depth").glob("*.png"))) == count
    assert all(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None for path in (out / "depth").iterdir())
    assert cv2.VideoCapture(str(out / "side_by_side.mp4")).read()[0]
    assert leftovers(out) == []
