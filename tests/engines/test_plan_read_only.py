"""A cache that cannot be written to: what was built before runs all the same, and the rest is one line."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.engines.plan_cache import PlanCache
from depth_anything_ros.errors import EngineError
from tests.plan_machine import IMAGE, Machine, faulty
from tests.plan_samples import make_key, store_plan
from tests.tensorrt_double.settings import Settings

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def make_read_only(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have the system refuse whatever changes the folder, as for a disk that is mounted read-only (also to root)."""

    def is_inside(path: Any) -> bool:
        return isinstance(path, (str, os.PathLike)) and Path(path).is_relative_to(folder)

    def guarded(function: Any, changes: Any) -> Any:
        def call(path: Any, *arguments: Any, **keywords: Any) -> Any:
            if is_inside(path) and changes(*arguments):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return function(path, *arguments, **keywords)

        return call

    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
    monkeypatch.setattr(os, "open", guarded(os.open, lambda flags=0, *rest: flags & writing))
    for name in ("chmod", "replace", "unlink", "rename"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), lambda *arguments: True))
        if hasattr(Path, name):
            monkeypatch.setattr(Path, name, guarded(getattr(Path, name), lambda *arguments: True))


@pytest.mark.parametrize("settings", [Settings(), faulty("nan", "fp16")])
def test_what_was_built_and_judged_before_runs(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    before = machine.run(settings)
    make_read_only(monkeypatch, machine.plans)
    run = machine.run(settings)
    assert run.is_right() and not run.built and run.rung == before.rung


def test_what_was_not_is_one_line(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.run()
    make_read_only(monkeypatch, machine.plans)
    with machine.on(Settings()), machine.load() as engine, pytest.raises(EngineError, match="Read-only file system"):
        engine.infer(IMAGE[:, :14])
    with pytest.raises(EngineError, match="Read-only file system"):
        machine.run(faulty("nan", "*"), precision="fp32")


def test_a_plan_that_is_given_needs_no_cache(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.run()
    given = machine.folder / "given.plan"
    shutil.copy(machine.files("*.plan")[0], given)
    shutil.rmtree(machine.plans)
    machine.plans.parent.rmdir()
    machine.plans.parent.touch()  # no folder can be made there
    assert machine.run(plan=given).is_right()


def test_removing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = PlanCache(tmp_path / "plans")
    key = make_key()
    record = store_plan(cache, key)
    cache.new_plan_path(key).touch()
    make_read_only(monkeypatch, cache.folder)
    for change in (
        cache.clear,
        lambda: cache.forget(key),
        lambda: cache.forget_verdict(key),
        lambda: cache.remove_unfinished(key),
        lambda: cache.set_aside(record),
        lambda: cache.store(record),
    ):
        with pytest.raises(EngineError, match="Read-only file system"):
            change()
