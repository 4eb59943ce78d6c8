"""What can still be read from a ROS 1 bag that was never closed, was cut off, or has a damaged part."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .inflate import MAX_CHUNK_BYTES, inflate
from .records import RawMessage, Report, Topic

_MAGIC = b"#ROSBAG V2.0\n"
_MESSAGE, _CHUNK, _CONNECTION = 2, 5, 7
_MAX_HEADER_BYTES = 1 << 20
_LENGTH = struct.Struct("<I")
_TIME = struct.Struct("<II")


def ros2_type(name: str) -> str:
    """Return a ROS 1 type name as ROS 2 writes it: sensor_msgs/Image is sensor_msgs/msg/Image."""
    return re.sub(r"^([^/]+)/([^/]+)$", r"\1/msg/\2", name)


def scan_ros1(path: Path, report: Report) -> Iterator[RawMessage]:
    """Yield the messages of a ROS 1 bag in file order, within a chunk by time, without its index.

    What is skipped is told to `report`.
    """
    topics: dict[int, Topic] = {}
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(_MAGIC)) != _MAGIC:
            report(f"{path.name} does not begin as a ROS 1 bag of version 2.0")
            return
        while (position := file.tell()) < size:
            where = f"{path.name} at byte {position}"
            try:
                header, length = _read_header(file)
            except (struct.error, ValueError) as error:
                report(f"{where}: {error}; {size - position} of {size} bytes are lost")
                return
            end = file.tell() + length
            operation = header.get("op", b"")[:1]
            if operation == bytes([_CHUNK]):
                yield from _chunk_messages(file.read(min(length, MAX_CHUNK_BYTES)), header, topics, report, where)
            elif operation in (bytes([_MESSAGE]), bytes([_CONNECTION])) and length <= MAX_CHUNK_BYTES and end <= size:
                try:
                    message = _take(header, memoryview(file.read(length)), topics)
                except (struct.error, ValueError) as error:
                    report(f"{where}: a record is damaged and is lost: {error}")
                    message = None
                if message is not None:
                    yield message
            if end > size:
                report(f"{where}: the file is cut off {end - size} bytes before the end of a record")
                return
            file.seek(end)


def _chunk_messages(
    packed: bytes, header: dict[str, bytes], topics: dict[int, Topic], report: Report, where: str
) -> Iterator[RawMessage]:
    try:
        records = memoryview(inflate(packed, header.get("compression", b"none").decode(), _number(header, "size")))
    except (struct.error, ValueError) as error:
        report(f"{where}: a chunk cannot be unpacked and is lost: {error}")
        return
    messages: list[RawMessage] = []
    position = 0
    while position < len(records):
        try:
            fields, begin = _parse_header(records, position)
            (length,) = _LENGTH.unpack_from(records, begin)
            end = begin + _LENGTH.size + length
            if end > len(records):
                raise ValueError("a record is cut off")
            message = _take(fields, records[begin + _LENGTH.size : end], topics)
        except (struct.error, ValueError) as error:
            report(f"{where}: a chunk is damaged after {position} of {len(records)} bytes: {error}")
            break
        if message is not None:
            messages.append(message)
        position = end
    yield from sorted(messages, key=lambda message: message.log_ns)


def _take(header: dict[str, bytes], data: memoryview, topics: dict[int, Topic]) -> RawMessage | None:
    """Take in a connection or message record. Raises struct.error, ValueError."""
    operation = header.get("op", b"")[:1]
    if operation == bytes([_CONNECTION]):
        fields, _ = _fields(data)
        kind = ros2_type(fields.get("type", b"").decode())
        name = re.sub(r"/+", "/", header.get("topic", b"").decode())
        topics.setdefault(_number(header, "conn"), Topic(name, kind, "ros1"))
    elif operation == bytes([_MESSAGE]):
        topic = topics.get(_number(header, "conn"))
        seconds, nanoseconds = _TIME.unpack(header.get("time", b""))
        if topic is not None:
            return RawMessage(topic, seconds * 1_000_000_000 + nanoseconds, data)
    return None


def _read_header(file: BinaryIO) -> tuple[dict[str, bytes], int]:
    """Read a record's header and the length of its data from the file. Raises struct.error, ValueError."""
    (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    if length > _MAX_HEADER_BYTES:
        raise ValueError(f"a record header of {length} bytes is not valid")
    header, _ = _fields(memoryview(file.read(length)), length)
    return header, _LENGTH.unpack(file.read(_LENGTH.size))[0]


def _parse_header(records: memoryview, position: int) -> tuple[dict[str, bytes], int]:
    (length,) = _LENGTH.unpack_from(records, position)
    begin = position + _LENGTH.size
    header, _ = _fields(records[begin : begin + length], length)
    return header, begin + length


def _fields(data: memoryview, length: int | None = None) -> tuple[dict[str, bytes], int]:
    """Return the name=value fields that fill `data`, of `length` bytes if given. Raises struct.error, ValueError."""
    if length is not None and len(data) != length:
        raise ValueError("a record header is cut off")
    fields: dict[str, bytes] = {}
    position = 0
    while position < len(data):
        (size,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if position + size > len(data):
            raise ValueError("a field is longer than its header")
        name, separator, value = bytes(data[position : position + size]).partition(b"=")
        if not separator:
            raise ValueError("a header field has no value")
        fields[name.decode("utf-8", "replace")] = value
        position += size
    return fields, position


def _number(header: dict[str, bytes], name: str) -> int:
    return int(_LENGTH.unpack(header.get(name, b""))[0])
