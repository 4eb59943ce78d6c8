"""One process at a time for one plan: a lock that the operating system gives back when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import EngineError

_POLL_S = 0.1


class BuildCancelled(EngineError):
    """Preparing a plan was given up because it is no longer wanted."""


@contextlib.contextmanager
def locked(path: Path, cancelled: threading.Event, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of the file ``path``; ``on_wait`` is called once if another process has it.

    Raises BuildCancelled as soon as ``cancelled`` is set, EngineError where the file cannot be made.
    """
    descriptor = _try_lock(path)
    if descriptor is None:
        on_wait()
    while descriptor is None:
        if cancelled.wait(_POLL_S):
            raise BuildCancelled("waiting for another process was given up")
        descriptor = _try_lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of that file."""
    descriptor = _try_lock(path)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock, or None if another one does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineError(f"cannot make {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The file may have been removed between opening and locking it; then the lock is of no file.
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        raise EngineError(f"cannot lock {path}: {error.strerror}") from error
    os.close(descriptor)
    return None
