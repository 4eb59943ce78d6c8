"""Which files a recording is made of: absent, empty, foreign, split, compressed, and with wrong or no metadata.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_anything_ros.bag.reader import BagReader
from depth_anything_ros.errors import SourceError
from tests.sample_bags import camera_recording, cut, large_recording, read_back, storage_file, write_bag


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.mcap does not exist"):
        BagReader(tmp_path / "none.mcap")


@pytest.mark.parametrize("name", ["a.mcap", "a.db3", "a.bag"])
def test_a_file_of_zero_bytes(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match=r"holds nothing to read: a\.\w+ is empty \(0 bytes\)"):
        BagReader(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mcap", "a.db3", "a.bag"])
def test_a_file_of_nonsense(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(range(256)) * 20)
    with pytest.raises(SourceError) as caught:
        BagReader(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bag_without_messages(tmp_path: Path, storage: str) -> None:
    with pytest.raises(SourceError, match="holds no messages"):
        BagReader(write_bag(tmp_path / "bag", [], storage))


def test_a_folder_without_bag_files(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {relative_file_paths: [a.mcap]}")
    with pytest.raises(SourceError, match=r"holds nothing to read: metadata\.yaml names a\.mcap, which is not there"):
        BagReader(tmp_path)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bare_storage_file_is_a_bag(tmp_path: Path, storage: str) -> None:
    file = storage_file(write_bag(tmp_path / "bag", camera_recording(3), storage))
    assert read_back(file) == ([0, 1, 2], [])
    renamed = file.rename(tmp_path / "recording")
    assert read_back(renamed) == ([0, 1, 2], [])


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize(
    "text", [None, "", "rosbag2_bagfile_information: [", "other: 1", "rosbag2_bagfile_information: 5"]
)
def test_metadata_missing_or_broken(tmp_path: Path, storage: str, text: str | None) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(3), storage)
    (bag / "metadata.yaml").unlink()
    if text is not None:
        (bag / "metadata.yaml").write_text(text)
    indices, notes = read_back(bag)
    assert indices == [0, 1, 2]
    assert ("is missing" if text is None else "cannot be used") in notes[0]


def test_metadata_that_names_a_missing_file(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(3))
    metadata = (bag / "metadata.yaml").read_text()
    (bag / "metadata.yaml").write_text(metadata.replace("- bag.mcap", "- bag.mcap\n  - bag_1.mcap"))
    indices, notes = read_back(bag)
    assert indices == [0, 1, 2]
    assert notes == ["metadata.yaml names bag_1.mcap, which is not there; read: bag.mcap"]


def test_metadata_that_promises_more_than_there_is(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(3))
    metadata = (bag / "metadata.yaml").read_text()
    (bag / "metadata.yaml").write_text(metadata.replace("message_count: 3", "message_count: 30"))
    indices, notes = read_back(bag)
    assert indices == [0, 1, 2]
    assert "metadata.yaml promises 30 messages on /camera/image_raw, the files hold 3" in notes


def test_a_recording_split_over_files_is_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    recorded = camera_recording(6, depth=False)
    for part, name in ((0, "part_9.mcap"), (1, "part_10.mcap")):
        bag = write_bag(tmp_path / f"half{part}", recorded[part * 6 : part * 6 + 6])
        storage_file(bag).rename(tmp_path / "bag" / name)
    indices, notes = read_back(tmp_path / "bag")
    assert indices == [0, 1, 2, 3, 4, 5]
    assert len(notes) == 1
    cut(tmp_path / "bag" / "part_10.mcap", 0)
    indices, notes = read_back(tmp_path / "bag")
    assert indices == [0, 1, 2]
    assert "part_10.mcap is empty (0 bytes)" in notes


@pytest.mark.parametrize("compression", ["file", "message", "storage"])
def test_compressed_recordings(tmp_path: Path, compression: str) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(4), "mcap", compression=compression)
    assert read_back(bag) == ([0, 1, 2, 3], [])
    if compression != "message":  # which only metadata.yaml tells
        assert read_back(storage_file(bag)) == ([0, 1, 2, 3], [])


@pytest.mark.parametrize("compression", ["file", "message"])
def test_compressed_sqlite_recordings(tmp_path: Path, compression: str) -> None:
    assert read_back(write_bag(tmp_path / "bag", camera_recording(4), "sqlite3", compression=compression)) == (
        [0, 1, 2, 3],
        [],
    )


def test_a_compressed_file_that_is_cut_off(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", large_recording(), compression="file")
    file = storage_file(bag)
    assert file.name.endswith(".zstd")
    cut(file, file.stat().st_size // 2)
    indices, notes = read_back(bag)
    assert 1 <= len(indices) < 12 and indices == list(range(len(indices)))
    assert any("was unpacked in part" in note for note in notes)


def test_a_version_9_recording(tmp_path: Path) -> None:
    assert read_back(write_bag(tmp_path / "bag", camera_recording(3), version=9)) == ([0, 1, 2], [])
