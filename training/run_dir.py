"""``RunDir``: the folder of one stage of one run: one writer at a time, one recipe, and DONE when it is complete."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from depth_anything_ros.errors import ConfigError, OutputError

from .config import Recipe, recipe_from_dict, recipe_to_dict
from .stages import DONE, deciding_values, fingerprint, needs_of, stage_folder

RECIPE = "recipe.json"
LOCK = ".lock"
DISTRIBUTED = ("pretrain", "teacher", "student", "metric")
"""The stages that several processes can share."""
REMADE = ("evaluate", "export")
"""Stages that are made again where the recipe has changed: they cost little, and hold nothing that is not derived."""


class RunDir:
    """``with RunDir(recipe, stage) as folder``: ``folder.path`` is there, locked, and of this very recipe.

    Raises ``ConfigError`` where another process writes into the folder, where it holds the run of another recipe (the
    keys that differ are named; steps, checkpoint_every and compute may), where it holds files that no run made, or
    where several processes enter a stage that is made for one. ``OutputError`` where it cannot be written. Of the
    processes of one training only the first locks and writes.
    """

    def __init__(self, recipe: Recipe, stage: str) -> None:
        self.path = stage_folder(recipe, stage)
        self._recipe, self._stage = recipe, stage
        self._lock: int | None = None

    def __enter__(self) -> RunDir:
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count > 1 and self._stage not in DISTRIBUTED:
            raise ConfigError(
                f"stage {self._stage}: one process is accepted, not {count}; torchrun is for {', '.join(DISTRIBUTED)}"
            )
        if is_main_process():
            with os_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                self._lock = _lock(self.path)
            try:
                self._claim()
            except BaseException:
                self._unlock()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlock()

    def mark_done(self) -> None:
        """Say that the folder is complete."""
        if is_main_process():
            write_json(self.path / DONE, {"fingerprint": fingerprint(self._recipe, self._stage)})

    def _claim(self) -> None:
        path, wanted = self.path / RECIPE, recipe_to_dict(self._recipe)
        if path.is_file():
            try:
                stored = recipe_from_dict(json.loads(path.read_text(encoding="utf-8")), str(path))
                changed = changed_keys(stored, self._recipe, self._stage)
            except (OSError, ValueError) as error:
                raise ConfigError(f"{path}: not a readable recipe ({error}); take another out") from None
            if changed:
                raise ConfigError(
                    f"{self.path} holds a run with other values of {', '.join(changed)}; take another out, restore "
                    "them, or remove the folder"
                )
            self._check_steps(stored)
        else:
            foreign = sorted(item.name for item in self.path.iterdir() if not item.name.startswith("."))
            if foreign:
                raise ConfigError(f"{self.path} holds {foreign[0]} but no {RECIPE}: no run made it; take another out")
        done = self.path / DONE
        with os_errors(done):
            if done.is_file() and fingerprint(self._recipe, self._stage) not in done.read_text(encoding="utf-8"):
                done.unlink()
        write_json(path, wanted)

    def _check_steps(self, stored: Recipe) -> None:
        before, now = (getattr(recipe.section(self._stage), "steps", 0) for recipe in (stored, self._recipe))
        if now < before and (self.path / DONE).is_file():
            raise ConfigError(f"steps {now}: {self.path} is done with {before} already; take another out")

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def changed_keys(stored: Recipe, wanted: Recipe, stage: str) -> list[str]:
    """The keys on which the result of ``stage`` depends and in which the two recipes differ, dotted and sorted."""
    first, second = (_relevant(recipe, stage) for recipe in (stored, wanted))
    return sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))


def is_main_process() -> bool:
    """Whether this is the only or the first of the processes that ``torchrun`` has started."""
    return int(os.environ.get("RANK", "0")) == 0


def say(text: object) -> None:
    """Print once, however many processes run."""
    if is_main_process():
        print(text)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write JSON whole or not at all. Raises ``OutputError``."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A hidden name beside ``path``, on disk and renamed to it on success, removed on failure (``OutputError``)."""
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with os_errors(path):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` raised inside into an ``OutputError`` that names ``path`` and the reason."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def _lock(folder: Path) -> int:
    import fcntl  # not on Windows

    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # A record lock, unlike flock, is not inherited by processes that load data: those outlive a killed run a while.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        raise ConfigError(f"{folder}: another process writes there; wait for it, or take another out") from None
    return descriptor


def _relevant(recipe: Recipe, stage: str) -> dict[str, Any]:
    """All that the result of ``stage`` depends on, flat, by dotted key."""
    if stage in REMADE:
        return {"name": recipe.name}
    values: dict[str, Any] = {}
    waiting = [stage]
    while waiting:
        name = waiting.pop()
        values |= deciding_values(recipe, name)
        waiting += [need for need in needs_of(recipe, name) if need in recipe.stages() and need not in values]
    # More steps go on from what is there; a stage that builds on them has to begin again.
    values[stage].pop("steps", None)
    return _flat(values)


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return flat
