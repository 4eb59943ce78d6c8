"""Folders of fetched networks: whole or not there, never another's files, one process at a time."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from depth_anything_ros.errors import EngineNotReady, OutputError
from depth_anything_ros.fetch import store
from depth_anything_ros.fetch.store import check_space, check_target, exclusive, is_complete, needs_fetch, staging


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def quiet(what: str, fraction: float | None) -> None:
    """Nothing."""


def test_a_known_name_needs_a_fetch_until_its_folder_is_whole(own_folders: Path) -> None:
    assert needs_fetch("v2-small") and needs_fetch("depth-anything/Depth-Anything-V2-Small-hf")
    assert not needs_fetch("starter") and not needs_fetch("plane:") and not needs_fetch("/some/where.onnx")
    (own_folders / "v2-small").mkdir(parents=True)
    assert needs_fetch("v2-small")
    (own_folders / "v2-small" / "DONE").touch()
    assert not needs_fetch("V2-Small")


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with staging(tmp_path / "net") as partial:
        (partial / "a").write_text("a")
        assert not (tmp_path / "net").exists()
    assert names(tmp_path) == {"net"} and names(tmp_path / "net") == {"a", "DONE"}


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    with staging(tmp_path / "net") as partial:
        (partial / "a").write_text("old")

    def interrupted() -> None:
        with staging(tmp_path / "net") as partial:
            (partial / "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == {"net"} and (tmp_path / "net" / "a").read_text() == "old"


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".net.partial").mkdir()
    (tmp_path / ".net.partial" / "half").touch()
    with staging(tmp_path / "net") as partial:
        assert names(partial) == set()
    assert names(tmp_path) == {"net"} and is_complete(tmp_path / "net")


def test_a_whole_network_is_replaced_by_force_only(tmp_path: Path) -> None:
    with staging(tmp_path / "net") as partial:
        (partial / "old").touch()
    with pytest.raises(OutputError, match="--force replaces it"):
        check_target(tmp_path / "net", force=False)
    check_target(tmp_path / "net", force=True)
    with staging(tmp_path / "net") as partial:
        (partial / "new").touch()
    assert names(tmp_path) == {"net"} and names(tmp_path / "net") == {"new", "DONE"}


@pytest.mark.parametrize("force", [False, True])
def test_other_files_are_never_replaced(tmp_path: Path, force: bool) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(OutputError, match="so it is no fetched network"):
        check_target(tmp_path, force=force)
    with pytest.raises(OutputError, match="a file, not a folder"):
        check_target(tmp_path / "thesis.txt", force=force)
    check_target(tmp_path / "new", force=force)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of the path is a file"), staging(tmp_path / "file" / "net"):
        pass


def test_the_needs_on_one_disk_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3_000_000_000})())
    check_space([(tmp_path / "a" / "b", 2_000_000_000, "the network"), (tmp_path, 1_000_000_000, "the download")])
    with pytest.raises(OutputError) as caught:
        check_space([(tmp_path / "a", 2_000_000_001, "the network"), (tmp_path, 1_000_000_000, "the download")])
    assert str(caught.value) == (
        f"the disk of {tmp_path} has 3.00 GB free, 3.00 GB are needed (2.00 GB for the network and 1.00 GB for the"
        " download)"
    )


def _hold(path: Path, seconds: float, held: multiprocessing.synchronize.Event) -> None:
    with exclusive(path, quiet):
        held.set()
        time.sleep(seconds)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "net", 60.0, held))
    other.start()
    try:
        assert held.wait(60)
        told: list[str] = []

        def give_up(what: str, fraction: float | None) -> None:
            told.append(what)
            if len(told) == 3:
                raise EngineNotReady("given up")

        with pytest.raises(EngineNotReady), exclusive(tmp_path / "net", give_up):
            pass
        assert told[0] == f"waiting for another process that makes {tmp_path / 'net'}"
        other.kill()
        other.join()
        with exclusive(tmp_path / "net", quiet):  # what a killed process held is free
            pass
        assert list(tmp_path.iterdir()) == []  # and no lock is left in the user's folder
    finally:
        other.kill()
        other.join()


def _count(path: Path, turns: int) -> None:
    for _ in range(turns):
        with exclusive(path, quiet):
            value = int(path.read_text())
            time.sleep(0.001)
            path.write_text(str(value + 1))


def test_removing_the_lock_lets_nobody_in_beside_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_POLL_S", 0.0005)
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=_count, args=(counter, 60)) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert counter.read_text() == "240"
