"""What can still be read from a damaged or truncated SQLite recording.

SQLite finds rows through a tree whose upper pages lie late in the file: cut off the end, and SQL finds nothing. The
rows themselves lie in leaf pages in the order of recording, each with the chain of pages that its bytes go on in, so
the leaf pages are looked for one by one and read by the file format (sqlite.org/fileformat2.html).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from ..errors import SourceError
from .inflate import MAX_CHUNK_BYTES
from .records import RawMessage, Report, Topic

_TABLE_LEAF = 0x0D
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}  # by serial type; 8 and 9 are the numbers 0 and 1
_Row = tuple[int, int, int, bytes]


def scan_sqlite(path: Path, report: Report) -> Iterator[RawMessage]:
    """Yield the messages of a SQLite recording in the order of recording, as far as they are whole.

    What is skipped is told to `report`. Raises SourceError if not even the table of topics can be read.
    """
    topics = _read_topics(path)
    with path.open("rb") as file:
        try:
            pages = _Pages(file)
        except ValueError as error:
            raise SourceError(f"{path} is not readable as a SQLite file: {error}") from error
        if pages.num_missing > 0:
            report(f"{path.name} is cut off: {pages.num_missing} of {pages.num_stated} pages are missing at its end")
        seen: set[int] = set()
        num_damaged = 0
        for number in range(2, pages.count + 1):
            page = pages.read(number)
            if page[0] != _TABLE_LEAF:
                continue
            for offset in _cell_offsets(page):
                try:
                    row = _read_row(pages, page, offset)
                except ValueError:
                    num_damaged += 1
                    continue
                if row is None or row[0] in seen:
                    continue
                seen.add(row[0])
                if row[1] in topics:
                    yield RawMessage(topics[row[1]], row[2], row[3])
    num_lost = max(max(seen, default=0) - len(seen), num_damaged)
    if num_lost:
        report(f"{path.name}: {num_lost} messages or more in damaged parts are lost")


class _Pages:
    """The pages of a SQLite file, numbered from 1. Raises ValueError where the header is not valid."""

    def __init__(self, file: BinaryIO) -> None:
        header = file.read(100)
        if len(header) < 100:
            raise ValueError("its header is cut off")
        size = int.from_bytes(header[16:18], "big")
        self.size = 65536 if size == 1 else size
        if self.size < 512 or self.size & (self.size - 1):
            raise ValueError(f"its page size is {self.size}")
        self.usable = self.size - header[20]
        self.count = os.fstat(file.fileno()).st_size // self.size
        self.num_stated = int.from_bytes(header[28:32], "big")
        self.num_missing = self.num_stated - self.count
        self._file = file

    def read(self, number: int) -> bytes:
        """Return a page. Raises ValueError if it is not in the file."""
        if not 1 <= number <= self.count:
            raise ValueError(f"there is no page {number}")
        self._file.seek((number - 1) * self.size)
        return self._file.read(self.size)


def _read_topics(path: Path) -> dict[int, Topic]:
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    try:
        # SQLite refuses a file that is shorter than it says, unless its schema may be tampered with.
        connection.execute("PRAGMA writable_schema = ON")
        rows = connection.execute("SELECT id, name, type, serialization_format FROM topics").fetchall()
    except sqlite3.Error as error:
        raise SourceError(f"{path} has no readable table of topics: {error}") from error
    finally:
        connection.close()
    return {key: Topic(str(name), str(kind), str(encoding)) for key, name, kind, encoding in rows}


def _cell_offsets(page: bytes) -> list[int]:
    num_cells = min(int.from_bytes(page[3:5], "big"), (len(page) - 8) // 2)
    return [int.from_bytes(page[8 + 2 * cell : 10 + 2 * cell], "big") for cell in range(num_cells)]


def _read_row(pages: _Pages, page: bytes, offset: int) -> _Row | None:
    """Return (row, topic, time [ns], bytes) of the cell at `offset`; None if it is not a row of messages.

    Raises ValueError if it is one and a part of it is missing.
    """
    try:
        payload_bytes, position = _varint(page, offset)
        row, position = _varint(page, position)
        header_bytes, at = _varint(page, position)
        types = []
        while at < position + header_bytes:
            serial, at = _varint(page, at)
            types.append(serial)
    except IndexError:
        return None
    # id (kept in the row number), topic_id, timestamp, data: no other table of a recording looks like that
    is_message = len(types) == 4 and types[0] == 0 and types[1] in _INTEGER_BYTES and types[2] in _INTEGER_BYTES
    if not is_message or types[3] < 12 or types[3] % 2 or payload_bytes > MAX_CHUNK_BYTES:
        return None
    payload = _read_payload(pages, page, position, payload_bytes)
    topic, at = _integer(payload, header_bytes, types[1])
    log_ns, at = _integer(payload, at, types[2])
    data = payload[at : at + (types[3] - 12) // 2]
    if len(data) != (types[3] - 12) // 2:
        raise ValueError("a message is longer than its row")
    return row, topic, log_ns, data


def _read_payload(pages: _Pages, page: bytes, position: int, size: int) -> bytes:
    """Return the bytes of a row: what lies in its leaf page and what lies in the chain of pages behind it."""
    local = _local_bytes(size, pages.usable)
    parts = [page[position : position + local]]
    following = int.from_bytes(page[position + local : position + local + 4], "big")
    missing = size - len(parts[0])
    while missing > 0:
        page = pages.read(following)
        parts.append(page[4 : min(4 + missing, pages.usable)])
        following = int.from_bytes(page[:4], "big")
        missing -= len(parts[-1])
    return b"".join(parts)


def _local_bytes(size: int, usable: int) -> int:
    """How much of a row of `size` bytes the format keeps in the leaf page."""
    if size <= usable - 35:
        return size
    least = (usable - 12) * 32 // 255 - 23
    fitting = least + (size - least) % (usable - 4)
    return fitting if fitting <= usable - 35 else least


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at `position` and the position after it. Raises IndexError."""
    value = 0
    for index in range(9):
        byte = data[position + index]
        if index == 8:
            return value << 8 | byte, position + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + index + 1
    raise AssertionError("unreachable")


def _integer(payload: bytes, position: int, serial: int) -> tuple[int, int]:
    if serial in (8, 9):
        return serial - 8, position
    end = position + _INTEGER_BYTES[serial]
    return int.from_bytes(payload[position:end], "big", signed=True), end
