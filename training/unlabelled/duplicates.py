"""Which images were seen already, by their content, in a file: memory does not grow with their number."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from depth_anything_ros.errors import OutputError

# 128 bits: two different images out of a billion share them with a chance of 1 in 10^21.
_KEPT_BYTES = 16


class ContentHashes:
    """The first claim of a content wins it, and keeps it: the same claim made again is granted again, so that work
    which was cut off is done again with the same result. One process opens the file at a time.

    Raises OutputError where the file is damaged or cannot be written, a full disk among the reasons.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._errors():
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS claims (content BLOB PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID"
            )

    def claim(self, contents: Sequence[bytes], positions: Sequence[int]) -> list[bool]:
        """Whether each image, with the SHA-256 ``contents`` and its position among all images, is the first of its
        content (or was so before); False for a duplicate.
        """
        granted = []
        with self._errors(), self._transaction():
            for content, position in zip(contents, positions, strict=True):
                key = content[:_KEPT_BYTES]
                self._database.execute("INSERT OR IGNORE INTO claims VALUES (?, ?)", (key, position))
                row = self._database.execute("SELECT position FROM claims WHERE content = ?", (key,)).fetchone()
                granted.append(row[0] == position)
        return granted

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(f"cannot write {self._path}: {error}") from None
