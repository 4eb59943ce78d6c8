"""What can still be read from a damaged or truncated MCAP recording, where ``rosbags`` refuses or stops.

The file is walked from front to back without its index and every message that is whole comes out. What is skipped is
told to `report`, in one sentence each, and never raised.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from .inflate import MAX_CHUNK_BYTES, inflate
from .records import RawMessage, Report, Topic

_MCAP_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 0x03, 0x04, 0x05, 0x06, 0x0F
_LAST_OPCODE = 0x0F
_HEADER = struct.Struct("<BQ")
_CHUNK_HEADER = struct.Struct("<QQQI")
_MESSAGE_HEADER = struct.Struct("<HIQQ")


class _Tables:
    """Schemas and channels met so far."""

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.topics: dict[int, Topic] = {}

    def read(self, opcode: int, record: memoryview) -> RawMessage | None:
        """Take in one record; return the message if it is one whose topic is known."""
        if opcode == _SCHEMA:
            self.schemas[struct.unpack_from("<H", record)[0]] = _text(record, 2)[0]
        elif opcode == _CHANNEL:
            channel, schema = struct.unpack_from("<HH", record)
            name, end = _text(record, 4)
            encoding, _ = _text(record, end)
            self.topics[channel] = Topic(name, self.schemas.get(schema, ""), encoding)
        elif opcode == _MESSAGE:
            channel, _, log_ns, _ = _MESSAGE_HEADER.unpack_from(record)
            if channel in self.topics:
                return RawMessage(self.topics[channel], log_ns, record[_MESSAGE_HEADER.size :])
        return None


def scan_mcap(path: Path, report: Report, chunk_offsets: Sequence[int] = ()) -> Iterator[RawMessage]:
    """Yield the messages of an MCAP file in file order, within a chunk by time.

    `chunk_offsets` says where chunks begin, if an index told; there the walk resumes after an unreadable part.
    """
    tables = _Tables()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(_MCAP_MAGIC)) != _MCAP_MAGIC:
            report(f"{path.name} does not begin as an MCAP file")
            return
        position = len(_MCAP_MAGIC)
        while position < size:
            file.seek(position)
            head = file.read(_HEADER.size)
            opcode, length = _HEADER.unpack(head) if len(head) == _HEADER.size else (0, 0)
            end = position + _HEADER.size + length
            if not 1 <= opcode <= _LAST_OPCODE or end > size:
                # Of what is cut off only a chunk's beginning is of use: there are whole messages in it.
                if opcode == _CHUNK:
                    yield from _chunk_messages(file, size - position - _HEADER.size, tables, report, path.name)
                resume = next((offset for offset in chunk_offsets if offset > position), None)
                report(_lost_text(path.name, opcode, position, (size if resume is None else resume) - position))
                if resume is None:
                    return
                position = resume
                continue
            if opcode == _DATA_END:
                return
            if opcode == _CHUNK:
                yield from _chunk_messages(file, length, tables, report, path.name)
            elif opcode in (_SCHEMA, _CHANNEL, _MESSAGE) and length <= MAX_CHUNK_BYTES:
                yield from _records(struct.pack("<BQ", opcode, length) + file.read(length), tables, report, path.name)
            position = end
    report(f"{path.name} has no end record: the recording was interrupted")


def _chunk_messages(file: BinaryIO, available: int, tables: _Tables, report: Report, name: str) -> Iterator[RawMessage]:
    """Yield the messages of the chunk whose body begins at the file's position, `available` bytes of it there."""
    where = f"the chunk at byte {file.tell() - _HEADER.size} of {name}"
    try:
        body = memoryview(file.read(min(available, MAX_CHUNK_BYTES)))
        _, _, unpacked_size, _ = _CHUNK_HEADER.unpack_from(body)
        compression, position = _text(body, _CHUNK_HEADER.size)
        (packed_size,) = struct.unpack_from("<Q", body, position)
        packed = body[position + 8 : position + 8 + packed_size]
        records = inflate(packed, compression, unpacked_size)
    except (struct.error, ValueError) as error:
        report(f"{where} cannot be unpacked and is lost: {error}")
        return
    if len(records) < unpacked_size and len(packed) == packed_size:
        report(f"{where} is shorter than it says")
    yield from sorted(_records(records, tables, report, where), key=lambda message: message.log_ns)


def _records(data: bytes | memoryview, tables: _Tables, report: Report, where: str) -> Iterator[RawMessage]:
    view = memoryview(data)
    position = 0
    while position < len(view):
        try:
            opcode, length = _HEADER.unpack_from(view, position)
            end = position + _HEADER.size + length
            if end > len(view):
                raise ValueError(f"a record ends {end - len(view)} bytes after it")
            message = tables.read(opcode, view[position + _HEADER.size : end])
        except (struct.error, ValueError) as error:
            report(f"{where} is damaged after {position} of {len(view)} bytes: {error}")
            return
        if message is not None:
            yield message
        position = end


def _text(record: memoryview, position: int) -> tuple[str, int]:
    """Return the length-prefixed string at `position` and the position after it. Raises struct.error, ValueError."""
    (length,) = struct.unpack_from("<I", record, position)
    end = position + 4 + length
    if end > len(record):
        raise ValueError("a text is longer than its record")
    return bytes(record[position + 4 : end]).decode("utf-8"), end


def _lost_text(name: str, opcode: int, position: int, num_bytes: int) -> str:
    if opcode == _CHUNK:
        return f"{name} is cut off in the chunk at byte {position}; messages that are whole in it are used"
    what = "a record is cut off" if 1 <= opcode <= _LAST_OPCODE else "there is no valid record"
    return f"{name}: {what} at byte {position}; {num_bytes} bytes are lost"
