"""Starts and ends the second process of a test."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Reading from a process that says nothing must end too.
_LONGEST_SEC = 30.0


@contextmanager
def peer(role: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of ``tests/embedded/peer.py`` that said it is ready; killed in the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.embedded.peer", role, *arguments], stdout=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(_LONGEST_SEC, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait(10)
        process.stdout.close()
