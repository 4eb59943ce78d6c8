"""One storage file of a recording: ``rosbags`` reads it; where that refuses or stops half-way, the scanners go on.

The recording is not trusted. ``rosbags`` meets damaged bytes with many kinds of exceptions (struct.error, KeyError,
AssertionError, apsw's and zstd's own), so all of them are taken as "damaged", told in a note, and nothing is lost that
can be read without the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

from .inflate import MAX_CHUNK_BYTES, inflate
from .records import RawMessage, Report, Topic
from .salvage_mcap import scan_mcap
from .salvage_ros1 import scan_ros1
from .salvage_sqlite import scan_sqlite

_READERS: dict[str, Any] = {"mcap": McapReader, "sqlite3": Sqlite3Reader, "ros1": Ros1Reader}


class StorageFile:
    """One opened file.

    Parameters
    ----------
    path, kind: the file and what it is (mcap, sqlite3, ros1).
    per_message_zstd: whether every message is compressed on its own.
    report: told, in a sentence each, what could not be read.

    ``counts`` has the number of messages by topic, ``start_ns`` and ``end_ns`` the recording times of the first and the
    last one (None without messages). Raises SourceError if nothing can be read.
    """

    def __init__(self, path: Path, kind: str, report: Report, *, per_message_zstd: bool = False) -> None:
        self._path, self._kind, self._report, self._packed = path, kind, report, per_message_zstd
        self.counts: Counter[Topic] = Counter()
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self._chunk_offsets: list[int] = []
        self._reader: Any = None
        reader = _READERS[kind](path)
        try:
            reader.open()
            self._take_index(reader)
        except Exception as error:  # see the module's docstring
            self.counts.clear()
            with suppress(Exception):
                reader.close()
            report(f"{path.name} has no usable index ({_reason(error)}); it is read from front to back")
            self._scan_all()
        else:
            if kind == "mcap" and not self._chunk_offsets:
                # rosbags gives up on unindexed messages that are not in the order of time.
                reader.close()
                self.counts.clear()
                self._scan_all()
            else:
                self._reader = reader
        if kind == "sqlite3" and _size(path.with_name(f"{path.name}-wal")):
            report(f"{path.name}-wal is there: messages that were not yet moved from it into {path.name} are not read")

    def messages(self, topics: Collection[Topic]) -> Iterator[RawMessage]:
        """Yield the messages of `topics` by recording time, each unpacked; one that cannot be is reported and left out.

        A damaged file yields them in file order.
        """
        for message in self._stored_messages(set(topics)):
            if not self._packed:
                yield message
                continue
            try:
                yield message._replace(data=inflate(message.data, "zstd"))
            except ValueError as error:
                self._report(f"{self._path.name}: a message on {message.topic.name} cannot be unpacked: {error}")

    def close(self) -> None:
        """Close the file."""
        reader, self._reader = self._reader, None
        if reader is not None:
            with suppress(Exception):
                reader.close()

    def _take_index(self, reader: Any) -> None:
        if self._kind == "mcap":
            self._chunk_offsets = sorted(chunk.chunk_start_offset for chunk in reader.chunks)
            largest = max((chunk.uncompressed_size for chunk in reader.chunks), default=0)
            if largest > MAX_CHUNK_BYTES:
                raise ValueError(f"a chunk claims {largest} bytes")
        for connection in reader.connections:
            self.counts[self._topic(connection)] += int(connection.msgcount)
        span = reader if self._kind == "ros1" else reader.metadata
        if self.counts.total() > 0:
            self.start_ns, self.end_ns = int(span.start_time), int(span.end_time) - 1

    def _topic(self, connection: Any) -> Topic:
        encoding = "ros1" if self._kind == "ros1" else str(connection.ext.serialization_format)
        return Topic(str(connection.topic), str(connection.msgtype), encoding)

    def _scan_all(self) -> None:
        """Learn topics, counts and times by one walk through the file."""
        for message in self._scan():
            self.counts[message.topic] += 1
            self.start_ns = message.log_ns if self.start_ns is None else min(self.start_ns, message.log_ns)
            self.end_ns = message.log_ns if self.end_ns is None else max(self.end_ns, message.log_ns)

    def _scan(self) -> Iterator[RawMessage]:
        try:
            if self._kind == "mcap":
                yield from scan_mcap(self._path, self._report, self._chunk_offsets)
            elif self._kind == "sqlite3":
                yield from scan_sqlite(self._path, self._report)
            else:
                yield from scan_ros1(self._path, self._report)
        except OSError as error:
            self._report(f"{self._path.name} cannot be read further: {error.strerror or error}")

    def _stored_messages(self, topics: set[Topic]) -> Iterator[RawMessage]:
        if self._reader is None:
            yield from (message for message in self._scan() if message.topic in topics)
            return
        num_read: Counter[Topic] = Counter()
        last_ns, read_at_last = -1, Counter[Topic]()
        try:
            for message in self._indexed_messages(topics):
                if message.log_ns != last_ns:
                    last_ns, read_at_last = message.log_ns, Counter()
                read_at_last[message.topic] += 1
                num_read[message.topic] += 1
                yield message
        except Exception as error:  # see the module's docstring
            self._report(f"{self._path.name} is damaged ({_reason(error)}); what can be read past that is used")
            for message in self._scan_past(topics, last_ns, read_at_last):
                num_read[message.topic] += 1
                yield message
        for topic in topics:
            if num_read[topic] < self.counts[topic]:
                num_lost = self.counts[topic] - num_read[topic]
                self._report(
                    f"{self._path.name}: {num_lost} of {self.counts[topic]} messages on {topic.name} cannot be read"
                )

    def _indexed_messages(self, topics: set[Topic]) -> Iterator[RawMessage]:
        wanted = [connection for connection in self._reader.connections if self._topic(connection) in topics]
        if wanted:  # rosbags takes an empty list for "all"
            for connection, log_ns, data in self._reader.messages(wanted):
                yield RawMessage(self._topic(connection), int(log_ns), data)

    def _scan_past(self, topics: set[Topic], last_ns: int, read_at_last: Counter[Topic]) -> Iterator[RawMessage]:
        """Yield what the index had not yet given; it gives by time, so all that is later, and what is as late."""
        given = Counter(read_at_last)
        for message in self._scan():
            if message.topic not in topics or message.log_ns < last_ns:
                continue
            if message.log_ns == last_ns and given[message.topic] > 0:
                given[message.topic] -= 1
                continue
            yield message


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {text[:160]}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
