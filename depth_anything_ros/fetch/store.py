"""Folders of fetched networks: complete under their name or not there at all, made by one process at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..engine import DONE
from ..engine_options import Report
from ..errors import OutputError
from ..folders import models_folder
from ..models import find_model
from ..outputs import os_errors

_POLL_S = 0.2


def needs_fetch(model: str) -> bool:
    """Whether ``model`` is the name or hub id of a known checkpoint that was not fetched yet."""
    known = find_model(model)
    return known is not None and not is_complete(models_folder() / known.name)


def is_complete(folder: Path) -> bool:
    """Whether a folder is that of a fetched network, whole."""
    return (folder / DONE).is_file()


def downloads_folder() -> Path:
    """Folder of what was downloaded and not converted yet; an interrupted download goes on there."""
    return models_folder() / ".downloads"


def check_target(folder: Path, *, force: bool) -> None:
    """Raise OutputError for a folder that ``staging`` would not fill; ``force`` replaces a fetched network only."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"cannot write to {folder}: it is a file, not a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not is_complete(folder):
        raise OutputError(f"{folder} holds files but no {DONE}, so it is no fetched network; give another folder")
    if not force:
        raise OutputError(f"{folder} holds a fetched network already; --force replaces it")


def check_space(needs: Sequence[tuple[Path, int, str]]) -> None:
    """Raise OutputError where a disk has too little room for (folder, bytes, what for), those of one disk together."""
    by_disk: dict[int, list[tuple[Path, int, str]]] = {}
    for folder, num_bytes, what in needs:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        by_disk.setdefault(existing.stat().st_dev, []).append((existing, num_bytes, what))
    for on_disk in by_disk.values():
        needed = sum(num_bytes for _, num_bytes, _ in on_disk)
        free = shutil.disk_usage(on_disk[0][0]).free
        if free < needed:
            parts = " and ".join(f"{megabytes(num_bytes)} for {what}" for _, num_bytes, what in on_disk)
            raise OutputError(
                f"the disk of {on_disk[0][0]} has {megabytes(free)} free, {megabytes(needed)} are needed ({parts})"
            )


@contextlib.contextmanager
def exclusive(path: Path, tell: Report) -> Iterator[None]:
    """Hold the lock of ``path`` among processes, which its holder's end gives back; waits, saying so, for another's.

    ``tell`` is called while waiting; what it raises ends the wait. The file of the lock is removed at the end.
    """
    import fcntl  # not on Windows

    file = path.with_name(f".{path.name}.lock")
    while True:
        with os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = open(file, "wb")  # noqa: SIM115
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                is_held = True
            except BlockingIOError:
                is_held = False
            if is_held and _is_at(file, lock.fileno()):
                try:
                    yield
                finally:
                    # While it is held: who opened it meanwhile sees that it is no longer there, and opens a new one.
                    file.unlink(missing_ok=True)
                return
        if not is_held:
            tell(f"waiting for another process that makes {path}", None)
            time.sleep(_POLL_S)


def _is_at(file: Path, descriptor: int) -> bool:
    """Whether an open file is the one of that name still."""
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """An empty folder to be filled, which becomes ``folder``, with a file DONE, at the end of the context.

    It lies beside ``folder``, and is removed where the context fails. What an earlier run left is removed first; call
    it under ``exclusive(folder)``. A network that is already at ``folder`` stays until the new one is whole.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    old = folder.with_name(f".{folder.name}.old")
    try:
        with os_errors(folder):
            for leftover in (partial, old):
                shutil.rmtree(leftover, ignore_errors=True)
            partial.mkdir(parents=True)
        yield partial
        with os_errors(folder):
            _make_durable(partial)
            if folder.exists():
                os.replace(folder, old)
            os.replace(partial, folder)
    finally:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)


def megabytes(num_bytes: float) -> str:
    """A size as people say it."""
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def _make_durable(folder: Path) -> None:
    """Write DONE after all else is on the disk: a power cut leaves no DONE beside half a network."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
    with open(folder / DONE, "wb") as file:
        os.fsync(file.fileno())
