"""Damaged, truncated and unfinished ROS 1 bags: what is whole is read, what is not is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sample_bags import cut, read_back, ros1_recording, write_ros1_bag


@pytest.mark.parametrize("compression", ["", "bz2", "lz4"])
def test_a_ros1_bag_that_was_cut_off_gives_what_is_whole(tmp_path: Path, compression: str) -> None:
    path = write_ros1_bag(tmp_path / "a.bag", ros1_recording(200), compression)
    assert read_back(path) == (list(range(200)), [])
    cut(path, path.stat().st_size * 7 // 10)
    indices, notes = read_back(path)
    assert 50 < len(indices) < 200 and indices == list(range(len(indices)))
    assert any("no usable index" in note for note in notes)
    assert any("cut off" in note or "are lost" in note for note in notes)


def test_a_ros1_bag_that_was_never_closed(tmp_path: Path) -> None:
    path = write_ros1_bag(tmp_path / "a.bag", ros1_recording(20))
    data = bytearray(path.read_bytes())
    at = data.index(b"index_pos=") + len(b"index_pos=")
    data[at : at + 8] = bytes(8)
    path.write_bytes(data)
    indices, notes = read_back(path)
    assert indices == list(range(20))
    assert "not indexed" in notes[0]
