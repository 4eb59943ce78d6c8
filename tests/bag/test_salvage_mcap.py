"""Damaged and truncated MCAP files: what is whole is read, what is not is said."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from depth_anything_ros.bag.reader import BagReader
from depth_anything_ros.errors import SourceError
from tests.sample_bags import camera_recording, cut, large_recording, read_back, storage_file, write_bag

COUNT = 12


def first_chunks(file: Path) -> list[tuple[int, int]]:
    """Offset and length of every chunk record of an MCAP."""
    data = file.read_bytes()
    found, position = [], 8
    while position < len(data) - 8:
        opcode, length = struct.unpack_from("<BQ", data, position)
        if opcode == 0x06:
            found.append((position, length + 9))
        position += 9 + length
    return found


@pytest.mark.parametrize("compression", ["", "storage"])
def test_a_truncated_mcap_gives_what_is_whole(tmp_path: Path, compression: str) -> None:
    bag = write_bag(tmp_path / "bag", large_recording(), compression=compression)
    file = storage_file(bag)
    whole = file.read_bytes()
    for share in (0.3, 0.6, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        indices, notes = read_back(bag)
        assert indices == list(range(len(indices)))
        assert share * COUNT - 2.5 < len(indices) <= share * COUNT + 0.5
        assert any("has no usable index" in note for note in notes)
        assert any("is cut off in the chunk at byte" in note for note in notes)


def test_an_mcap_without_its_summary_loses_nothing(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", large_recording())
    file = storage_file(bag)
    cut(file, file.stat().st_size - 50)
    indices, notes = read_back(bag)
    assert indices == list(range(COUNT))
    assert len(notes) == 1 and "has no usable index" in notes[0]


@pytest.mark.parametrize("compression", ["", "storage"])
def test_a_chunk_damaged_in_the_middle_costs_that_chunk(tmp_path: Path, compression: str) -> None:
    bag = write_bag(tmp_path / "bag", large_recording(), compression=compression)
    file = storage_file(bag)
    offset, length = first_chunks(file)[2]
    data = bytearray(file.read_bytes())
    data[offset + 60 : offset + length] = b"\xff" * (length - 60)
    file.write_bytes(data)
    indices, notes = read_back(bag)
    assert len(indices) >= COUNT - 4 and indices[0] == 0 and indices[-1] == COUNT - 1
    assert any("messages on /camera/image_raw cannot be read" in note for note in notes)


def test_a_chunk_whose_length_is_damaged_is_stepped_over_by_the_index(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", large_recording())
    file = storage_file(bag)
    offset, _ = first_chunks(file)[2]
    data = bytearray(file.read_bytes())
    data[offset : offset + 100] = b"\xff" * 100
    file.write_bytes(data)
    indices, notes = read_back(bag)
    assert len(indices) >= COUNT - 4 and indices[-1] == COUNT - 1
    assert any("no valid record" in note for note in notes)


def test_an_unindexed_mcap_out_of_order_loses_nothing(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [*camera_recording(3)[::-1], *camera_recording(6)[9:]])
    file = storage_file(bag)
    cut(file, file.stat().st_size - 60)
    with BagReader(file) as reader:
        assert sum(1 for _ in reader.messages(reader.counts)) == 18


def test_a_chunk_that_claims_too_much_memory_is_not_unpacked(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(3), compression="storage")
    file = storage_file(bag)
    offset, _ = first_chunks(file)[0]
    data = bytearray(file.read_bytes())
    struct.pack_into("<Q", data, offset + 9 + 16, 1 << 40)
    at = data.rindex(struct.pack("<Q", offset))  # the chunk's entry in the summary: its uncompressed size comes last
    end = data.index(b"zstd", at) + 4 + 8
    struct.pack_into("<Q", data, end, 1 << 40)
    file.write_bytes(data)
    with pytest.raises(SourceError, match="holds no messages"):
        read_back(bag)
