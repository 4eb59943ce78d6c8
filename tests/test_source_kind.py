"""What a path is, by content first and by name second."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_anything_ros.source_kind import image_files, source_kind, storage_files, storage_kind


@pytest.mark.parametrize(
    ("name", "data", "kind", "storage"),
    [
        ("a.mcap", b"\x89MCAP0\r\n", "bag", "mcap"),
        ("a", b"\x89MCAP0\r\n", "bag", "mcap"),
        ("a.png", b"SQLite format 3\0", "bag", "sqlite3"),
        ("a.bag", b"#ROSBAG V2.0\n", "bag", "ros1"),
        ("a.db3.zstd", b"\x28\xb5\x2f\xfd", "bag", "zstd"),
        ("a.DB3", b"", "bag", "sqlite3"),
        ("a.mcap", b"beheaded", "bag", "mcap"),
        ("a.JPG", b"\xff\xd8\xff", "image", ""),
        ("a.MP4", b"", "video", ""),
        ("a.txt", b"text", "", ""),
        ("a", b"", "", ""),
    ],
)
def test_files(tmp_path: Path, name: str, data: bytes, kind: str, storage: str) -> None:
    (tmp_path / name).write_bytes(data)
    assert source_kind(tmp_path / name) == kind
    assert storage_kind(tmp_path / name) == storage


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["metadata.yaml"], "bag"),
        (["a.mcap"], "bag"),
        (["a.db3", "photo.jpg"], "bag"),
        (["a.jpg", "b.png"], "folder"),
        ([], "folder"),
    ],
)
def test_folders(tmp_path: Path, names: list[str], kind: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert source_kind(tmp_path) == kind


def test_files_come_in_natural_order(tmp_path: Path) -> None:
    names = ["f10.png", "f9.png", "F1.png", "a.png", "1.png", "01.png", "f9.mcap", "f10.mcap", ".h.png", "x.txt"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in image_files(tmp_path)] == ["01.png", "1.png", "a.png", "F1.png", "f9.png", "f10.png"]
    assert [path.name for path in storage_files(tmp_path)] == ["f9.mcap", "f10.mcap"]
