"""The folder of plans: what is kept, what is found again, and what is refused."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.engines.plan_cache import PlanCache, PlanRecord
from depth_anything_ros.engines.plan_lock import locked
from depth_anything_ros.errors import EngineError
from depth_anything_ros.golden import GoldenError
from tests.plan_samples import make_key, mode_of, store_plan


def make_cache(tmp_path: Path) -> PlanCache:
    cache = PlanCache(tmp_path / "plans")
    cache.open()
    return cache


def test_the_default_is_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert PlanCache().folder == tmp_path / "depth_anything_ros" / "plans"


def test_folder_and_files_are_the_users_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        cache = make_cache(tmp_path)
        record = store_plan(cache, make_key())
    finally:
        os.umask(previous)
    assert mode_of(cache.folder) == 0o700
    assert mode_of(cache.plan_path(record.key)) == 0o600
    assert mode_of(cache.plan_path(record.key).with_suffix(".json")) == 0o600


def test_a_folder_that_others_may_write_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir(mode=0o777)
    (tmp_path / "plans").chmod(0o777)
    assert mode_of(make_cache(tmp_path).folder) == 0o700


def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_cache(tmp_path).folder
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(EngineError, match="belongs to user"):
        PlanCache(folder).open()


def test_what_is_stored_is_found_under_its_key_alone(tmp_path: Path) -> None:
    cache = make_cache(tmp_path)
    golden = GoldenError(1e-3, 2e-3, 0.0, 0.9999)
    record = cache.store(store_plan(cache, make_key(), b"abc").with_verdict("accepted", golden=golden))
    assert cache.find(make_key()) == record and record.golden == golden
    assert cache.read_plan(record) == b"abc"
    assert cache.find(make_key(tensorrt="10.16.1")) is None


@pytest.mark.parametrize("change", ["truncate", "flip", "swap", "remove", "link"])
def test_a_plan_that_is_not_the_stored_one_is_not_read(tmp_path: Path, change: str) -> None:
    cache = make_cache(tmp_path)
    record = store_plan(cache, make_key(), b"0123456789")
    path = cache.plan_path(record.key)
    if change == "truncate":
        path.write_bytes(b"01234")
    elif change == "flip":
        path.write_bytes(b"0123456788")
    elif change == "swap":
        path.write_bytes(cache.plan_path(store_plan(cache, make_key(rung="fp32"), b"other").key).read_bytes())
    else:
        path.unlink()
    if change == "link":
        (tmp_path / "same").write_bytes(b"0123456789")
        path.symlink_to(tmp_path / "same")
    with pytest.raises(EngineError, match=path.name):
        cache.read_plan(record)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "null"])
def test_a_damaged_record_is_no_record(tmp_path: Path, damage: str) -> None:
    cache = make_cache(tmp_path)
    record = store_plan(cache, make_key())
    cache.plan_path(record.key).with_suffix(".json").write_text(damage)
    assert cache.find(record.key) is None
    assert cache.records() == []


def test_a_record_of_an_unknown_verdict_or_field_is_no_record(tmp_path: Path) -> None:
    cache = make_cache(tmp_path)
    path = cache.plan_path(store_plan(cache, make_key()).key).with_suffix(".json")
    data: dict[str, Any] = json.loads(path.read_text())
    for changed in ({**data, "verdict": "perhaps"}, {**data, "more": 1}, {**data, "key": {**data["key"], "gpu": 1}}):
        path.write_text(json.dumps(changed))
        assert cache.find(make_key()) is None


def test_set_aside_keeps_the_file_under_a_name_that_nothing_loads(tmp_path: Path) -> None:
    cache = make_cache(tmp_path)
    record = store_plan(cache, make_key(), b"wrong")
    cache.set_aside(record)
    path = cache.plan_path(record.key)
    assert not path.exists() and path.with_name(f"{path.name}.rejected").read_bytes() == b"wrong"
    cache.set_aside(record)  # gone already: nothing to do
    cache.forget(record.key)
    assert list(cache.folder.iterdir()) == [] and cache.find(record.key) is None


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = make_cache(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineError, match="No space left on device"):
        cache.store(PlanRecord(key=make_key(), verdict="rejected", reason="it is wrong"))
    assert list(cache.folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot make"):
        PlanCache(tmp_path / "file" / "plans").open()


def test_clear_takes_everything_but_what_is_being_built(tmp_path: Path) -> None:
    cache = make_cache(tmp_path)
    store_plan(cache, make_key(rung="fp32"), b"12345")
    cache.plan_path(make_key(rung="fp32")).with_suffix(".json").write_text("damaged")
    (cache.folder / "old-version.plan.rejected").write_bytes(b"67890")
    busy = make_key()
    with locked(cache.lock_path(busy), threading.Event(), lambda: None):
        cache.new_plan_path(busy).write_bytes(b"half")
        assert cache.clear() == len(b"12345damaged67890")
        assert {path.name for path in cache.folder.iterdir()} == {f"{busy.stem}.lock", f".{busy.stem}.tmp"}
    cache.clear()
    assert list(cache.folder.iterdir()) == []


def test_what_differs_in_the_nearest_plan_is_told(tmp_path: Path) -> None:
    cache = make_cache(tmp_path)
    assert cache.why_absent(make_key()) == ""
    store_plan(cache, make_key(tensorrt="10.16.1", gpu="NVIDIA Thor"))
    store_plan(cache, make_key(tensorrt="10.3.1"))
    store_plan(cache, make_key(rung="fp32", tensorrt="9"))
    assert cache.why_absent(make_key()) == "tensorrt 10.3.1, here 10.3.0"


def test_the_usual_duration_is_that_of_this_network_on_this_machine(tmp_path: Path) -> None:
    cache = make_cache(tmp_path)
    assert cache.usual_build_s(make_key()) is None
    store_plan(cache, make_key(gpu="NVIDIA Thor"))
    store_plan(cache, make_key(artifact_sha256="b" * 64))
    assert cache.usual_build_s(make_key()) is None
    store_plan(cache, make_key(height=56))
    assert cache.usual_build_s(make_key()) == 100.0
