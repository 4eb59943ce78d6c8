"""One file of the hub: checked, resumed where it was cut, taken from what is here, and refused in one line."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from depth_anything_ros.errors import EngineError, EngineNotReady, OutputError
from depth_anything_ros.fetch import store
from depth_anything_ros.fetch.hub import HubFile, download
from tests.fetch.hub_server import COMMIT, Hub

REPO = "someone/depth"
FILE = HubFile(REPO, "weights.pth", 100_000)
DATA = os.urandom(100_000)
DAMAGED = DATA[:-1] + bytes([DATA[-1] ^ 1])
BY_HAND = "without the hub: do it by hand"


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, float | None]] = []

    def __call__(self, what: str, fraction: float | None) -> None:
        self.said.append((what, fraction))

    @property
    def words(self) -> str:
        return "\n".join(what for what, _ in self.said)


def get(folder: Path, file: HubFile = FILE, told: Told | None = None) -> Path:
    return download(file, folder, told or Told(), by_hand=BY_HAND)


@pytest.fixture
def folder(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the library waits a second before it tries again
    hub.files[f"{REPO}/weights.pth"] = DATA
    return tmp_path / "downloads"


def test_a_file_is_downloaded_with_its_progress_told(hub: Hub, folder: Path) -> None:
    told = Told()
    path = get(folder, told=told)
    assert path == folder / "weights.pth" and path.read_bytes() == DATA
    fractions = [fraction for what, fraction in told.said if what.startswith("downloading")]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and len(fractions) > 3  # type: ignore[type-var]
    assert not list(folder.glob("*.part"))


def test_a_connection_that_breaks_is_resumed_where_it_broke(hub: Hub, folder: Path) -> None:
    hub.cut_after = [40_000, 30_000]
    assert get(folder).read_bytes() == DATA
    assert hub.transfers() == ["", "bytes=40000-", "bytes=70000-"]


def test_a_download_that_was_given_up_goes_on_in_the_next_call(hub: Hub, folder: Path) -> None:
    hub.cut_after = [40_000] + [0] * 6
    with pytest.raises(EngineError, match="was cut") as caught:
        get(folder)
    assert "are kept, and the same command goes on from there" in str(caught.value) and BY_HAND in str(caught.value)
    hub.requests.clear()
    hub.cut_after.clear()
    told = Told()
    assert get(folder, told=told).read_bytes() == DATA
    assert hub.transfers() == ["bytes=40000-"]
    assert "resuming weights.pth" in told.words


def test_a_caller_that_gives_up_keeps_what_has_come(hub: Hub, folder: Path) -> None:
    def until_half(what: str, fraction: float | None) -> None:
        if fraction is not None and fraction >= 0.5:
            raise EngineNotReady("given up")

    with pytest.raises(EngineNotReady):
        download(FILE, folder, until_half, by_hand=BY_HAND)
    hub.requests.clear()
    assert get(folder).read_bytes() == DATA
    assert hub.transfers() == ["bytes=50000-"]


def test_bytes_of_another_version_are_not_resumed(hub: Hub, folder: Path) -> None:
    hub.cut_after = [40_000] + [0] * 6
    with pytest.raises(EngineError):
        get(folder)
    hub.cut_after.clear()
    hub.files[f"{REPO}/weights.pth"] = other = os.urandom(90_000)
    hub.requests.clear()
    assert get(folder).read_bytes() == other
    assert hub.transfers() == [""]
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == ["weights.pth"]


def test_a_file_of_another_hash_is_deleted_and_refused(hub: Hub, folder: Path) -> None:
    hub.wrong_hash = True
    with pytest.raises(EngineError, match=r"arrived damaged: its hash is .*, the hub says abababababab"):
        get(folder)
    assert not [path for path in folder.iterdir() if not path.name.startswith(".")]


def test_a_file_without_a_hash_is_refused_before_it_is_downloaded(hub: Hub, folder: Path) -> None:
    hub.without_hash = True
    with pytest.raises(EngineError, match="cannot be checked"):
        get(folder)
    assert hub.transfers() == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, r"the hub has no weights.pth in someone/depth \(404\)"),
        (401, r"without an account that may read it \(401\): accept its terms on its page"),
        (403, r"without an account that may read it \(403\)"),
        (503, r"cannot reach the hub for someone/depth \(HfHubHTTPError"),
    ],
)
def test_a_hub_that_refuses_is_one_line(hub: Hub, folder: Path, status: int, words: str) -> None:
    hub.status = status
    with pytest.raises(EngineError, match=words) as caught:
        get(folder)
    assert BY_HAND in str(caught.value) and "\n" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_one_line(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    nowhere = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", nowhere)
    with pytest.raises(EngineError, match="cannot reach the hub for someone/depth") as caught:
        get(folder)
    assert BY_HAND in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_here_is_not_downloaded_again_but_checked(hub: Hub, folder: Path) -> None:
    get(folder)
    hub.requests.clear()
    assert get(folder).read_bytes() == DATA
    assert hub.transfers() == []
    (folder / "weights.pth").write_bytes(DAMAGED)
    assert get(folder).read_bytes() == DATA
    assert hub.transfers() == [""]


def test_what_is_here_serves_without_the_hub(hub: Hub, folder: Path) -> None:
    get(folder)
    hub.status = 503
    told = Told()
    assert get(folder, told=told).read_bytes() == DATA
    assert "taking what was downloaded earlier" in told.words


def in_the_cache(tmp_path: Path, data: bytes, digest: str) -> Path:
    """Put a file into the hub's cache, as the library lays it out."""
    repository = tmp_path / "hub-cache" / "models--someone--depth"
    blob = repository / "blobs" / digest
    pointer = repository / "snapshots" / COMMIT / "weights.pth"
    for path in (blob, pointer, repository / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    pointer.symlink_to(blob)
    (repository / "refs" / "main").write_text(COMMIT)
    return blob


def test_a_file_in_the_hubs_cache_is_taken_from_there(hub: Hub, folder: Path, tmp_path: Path) -> None:
    blob = in_the_cache(tmp_path, DATA, hashlib.sha256(DATA).hexdigest())
    assert get(folder) == blob
    hub.status = 503
    assert get(folder) == blob
    assert hub.transfers() == []


def test_a_damaged_file_in_the_hubs_cache_is_not_taken(hub: Hub, folder: Path, tmp_path: Path) -> None:
    in_the_cache(tmp_path, DAMAGED, hashlib.sha256(DATA).hexdigest())
    assert get(folder) == folder / "weights.pth"
    assert hub.transfers() == [""]


def test_a_small_file_is_checked_by_the_hash_of_git(hub: Hub, folder: Path) -> None:
    hub.files[f"{REPO}/config.json"] = b'{"model_type": "depth_anything"}'
    assert get(folder, HubFile(REPO, "config.json", 0)).read_bytes() == hub.files[f"{REPO}/config.json"]


def test_a_disk_without_room_is_told_before_the_download(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 99_999})())
    with pytest.raises(OutputError, match="has 0 MB free, 0 MB are needed"):
        get(folder)
    assert hub.transfers() == []


def test_a_disk_that_fills_up_is_no_fault_of_the_network(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource
    import signal

    previous, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, previous[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*part: the file grew beyond the allowed size"):
            get(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, previous)
        signal.signal(signal.SIGXFSZ, handler)


def test_an_absent_library_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'depth_anything_ros\[fetch\]'"):
        get(tmp_path)


def test_the_address_follows_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert FILE.url == "https://huggingface.co/someone/depth/resolve/main/weights.pth"
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert FILE.url == "https://mirror.example/someone/depth/resolve/main/weights.pth"
