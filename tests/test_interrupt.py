"""Ctrl-C: the first is a request, the second stops, and the old handlers come back.

Each case is a process of its own: signals to the test process itself would meet whatever its libraries left behind.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

_FIRST = """
import os, signal
from depth_anything_ros.interrupt import Interruption
before = signal.getsignal({number})
with Interruption() as interruption:
    assert not interruption.is_requested
    os.kill(os.getpid(), {number})
    assert interruption.is_requested
    assert interruption.exit_code == {code}
assert signal.getsignal({number}) is before
print("went on")
"""

_SECOND = """
import os, signal
from depth_anything_ros.interrupt import Interruption
with Interruption():
    os.kill(os.getpid(), signal.SIGINT)
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        print("stopped")
"""

_THREAD = """
import signal, threading
from depth_anything_ros.interrupt import Interruption
before = signal.getsignal(signal.SIGINT)
def enter():
    with Interruption() as interruption:
        assert signal.getsignal(signal.SIGINT) is before and not interruption.is_requested
        print("unchanged")
thread = threading.Thread(target=enter)
thread.start()
thread.join()
"""


def run(script: str, repository: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_a_request(number: int, code: int, repository: Path) -> None:
    result = run(_FIRST.format(number=int(number), code=code), repository)
    assert (result.returncode, result.stdout) == (0, "went on\n"), result.stderr
    assert "finishing what was begun" in result.stderr


def test_the_second_signal_stops(repository: Path) -> None:
    result = run(_SECOND, repository)
    assert (result.returncode, result.stdout) == (0, "stopped\n"), result.stderr


def test_in_another_thread_nothing_is_changed(repository: Path) -> None:
    result = run(_THREAD, repository)
    assert (result.returncode, result.stdout) == (0, "unchanged\n"), result.stderr
