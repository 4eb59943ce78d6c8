"""The lock of a plan: one holder, given back when it dies, and never of a file that was removed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from depth_anything_ros.engines.plan_lock import BuildCancelled, is_locked, locked
from depth_anything_ros.errors import EngineError

NEVER = threading.Event()
HOLDER = """
import sys, threading, time
from pathlib import Path
from depth_anything_ros.engines.plan_lock import locked
with locked(Path(sys.argv[1]), threading.Event(), lambda: None):
    print("held", flush=True)
    time.sleep(60)
"""


def hold_elsewhere(path: Path) -> subprocess.Popen[bytes]:
    """A process that holds the lock until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_second_holder_waits_until_the_first_one_dies(tmp_path: Path) -> None:
    path = tmp_path / "plan.lock"
    holder = hold_elsewhere(path)
    waits = []

    def on_wait() -> None:
        waits.append(is_locked(path))
        holder.send_signal(signal.SIGKILL)

    with locked(path, NEVER, on_wait):
        assert waits == [True] and is_locked(path)
    assert not is_locked(path)
    holder.wait()


def test_waiting_is_given_up_at_once(tmp_path: Path) -> None:
    path = tmp_path / "plan.lock"
    cancelled = threading.Event()
    with locked(path, NEVER, lambda: None):
        threading.Timer(0.2, cancelled.set).start()
        start_s = time.monotonic()
        with pytest.raises(BuildCancelled), locked(path, cancelled, lambda: None):
            pass
        assert time.monotonic() - start_s < 5.0


def test_a_lock_of_a_removed_file_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "plan.lock"
    with locked(path, NEVER, lambda: None):
        path.unlink()
        with locked(path, NEVER, lambda: None):
            assert is_locked(path)


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot make"), locked(tmp_path / "no" / "x.lock", NEVER, lambda: None):
        pass
