"""Damaged and truncated SQLite files: what is whole is read, what is not is said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from depth_anything_ros.bag.reader import BagReader
from depth_anything_ros.bag.salvage_sqlite import scan_sqlite
from depth_anything_ros.errors import SourceError
from tests.sample_bags import camera_recording, cut, large_recording, read_back, storage_file, write_bag

COUNT = 12


def test_a_truncated_sqlite_file_gives_what_is_whole(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(80, depth=False, width=160, height=120), "sqlite3")
    file = storage_file(bag)
    whole = file.read_bytes()
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        indices, notes = read_back(bag)
        assert indices == list(range(len(indices)))
        # A page with the beginnings of several messages follows them in the file, so the last few go with it.
        assert share * 80 - 10 < len(indices) <= share * 80 + 0.5
        assert any("is cut off" in note for note in notes)
    cut(file, 3000)
    with pytest.raises(SourceError, match="no readable table of topics"):
        read_back(bag)


def test_a_damaged_row_of_a_sqlite_file_costs_that_row(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", large_recording(), "sqlite3")
    file = storage_file(bag)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4] = b"\xff" * 4  # an overflow page's pointer to the next page
    file.write_bytes(data)
    indices, notes = read_back(bag)
    assert len(indices) >= COUNT - 2 and indices[-1] == COUNT - 1
    assert any("cannot be read" in note or "are lost" in note for note in notes)


def test_messages_left_in_a_write_ahead_log_are_mentioned(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(2), "sqlite3")
    (bag / "bag.db3-wal").write_bytes(b"x" * 100)
    indices, notes = read_back(bag)
    assert indices == [0, 1]
    assert "bag.db3-wal is there" in notes[0]


def test_a_sqlite_file_of_something_else(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "addresses.db3")
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(SourceError, match="no readable table of topics"):
        BagReader(tmp_path / "addresses.db3")


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
@pytest.mark.parametrize("num_bytes", [0, 1, 30, 400, 470, 480, 490, 3000, 4050, 4060, 4070, 65490, 65600, 300_000])
def test_rows_of_every_size_are_found_without_the_tree(tmp_path: Path, page_size: int, num_bytes: int) -> None:
    """Around the sizes at which SQLite moves a row's bytes out of its page; SQLite itself is the reference."""
    connection = sqlite3.connect(tmp_path / "a.db3")
    connection.execute(f"PRAGMA page_size = {page_size}")
    connection.execute("CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT, type TEXT, serialization_format TEXT)")
    connection.execute(
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER, data BLOB NOT NULL)"
    )
    connection.execute("INSERT INTO topics VALUES (1, '/a', 'sensor_msgs/msg/Image', 'cdr')")
    rows = [(1, 10**18 + index, bytes([index]) * (num_bytes + index)) for index in range(12)]
    connection.executemany("INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    notes: list[str] = []
    found = list(scan_sqlite(tmp_path / "a.db3", notes.append))
    assert [(1, message.log_ns, message.data) for message in found] == rows
    assert notes == []
