"""What was seen already, by content."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest

from depth_anything_ros.errors import OutputError
from training.unlabelled import ContentHashes


def contents(*names: str) -> list[bytes]:
    return [hashlib.sha256(name.encode()).digest() for name in names]


def test_the_first_of_a_content_wins_and_keeps_it(tmp_path: Path) -> None:
    with contextlib.closing(ContentHashes(tmp_path / "c")) as hashes:
        assert hashes.claim(contents("a", "b", "a"), [0, 1, 2]) == [True, True, False]
        assert hashes.claim(contents("b", "c"), [9, 10]) == [False, True]
        # The shard is done again: it gets what it had.
        assert hashes.claim(contents("a", "b", "a"), [0, 1, 2]) == [True, True, False]
    with contextlib.closing(ContentHashes(tmp_path / "c")) as hashes:
        assert hashes.claim(contents("a", "c", "d"), [7, 10, 11]) == [False, True, True]


def test_a_full_disk_is_said_and_nothing_is_half_claimed(tmp_path: Path) -> None:
    with contextlib.closing(ContentHashes(tmp_path / "c")) as hashes:
        assert hashes.claim(contents("first"), [0]) == [True]
        # SQLite's own limit gives the very error of a full disk.
        hashes._database.execute("PRAGMA max_page_count = 3")
        many = contents(*map(str, range(1000)))
        with pytest.raises(OutputError, match=r"cannot write .*c: database or disk is full"):
            hashes.claim(many, range(1, 1001))
        hashes._database.execute("PRAGMA max_page_count = 100000")
        assert all(hashes.claim(many, range(5000, 6000)))


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"not a database, but long enough to be looked at" * 99)
    with pytest.raises(OutputError, match=r"cannot write .*c: file is not a database"):
        ContentHashes(tmp_path / "c")
