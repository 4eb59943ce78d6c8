"""BagReader: the topics of a recording, its messages by recording time, and a decoder for the few types needed here.

Message types come from those that ``rosbags`` ships, never from definitions inside the recording: a recording is not
trusted, and its definitions would be turned into code. A type that is not shipped is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_typestore

from ..errors import SourceError
from .files import BagFiles, find_bag_files
from .records import RawMessage, Topic
from .storage import StorageFile

_MAX_NOTES = 40


class BagReader:
    """An opened recording, of one file or several. A context manager.

    ``kind`` is mcap, sqlite3 or ros1; ``counts`` the number of messages by topic; ``start_ns`` and ``end_ns`` the
    recording times of the first and the last message (None without messages); ``notes`` what could not be read, and
    grows while messages are read. Raises SourceError if nothing can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.notes: list[str] = []
        self.counts: Counter[Topic] = Counter()
        self._num_untold = 0
        self._is_closed = False
        self._storages: list[StorageFile] = []
        if not self.path.exists():
            raise SourceError(f"{self.path} does not exist")
        self._files: BagFiles = find_bag_files(self.path)
        self.kind = self._files.kind
        for note in self._files.notes:
            self.report(note)
        try:
            self._open_files()
        except BaseException:
            self.close()
            raise
        starts = [storage.start_ns for storage in self._storages if storage.start_ns is not None]
        ends = [storage.end_ns for storage in self._storages if storage.end_ns is not None]
        self.start_ns, self.end_ns = min(starts, default=None), max(ends, default=None)
        self._typestore = message_types("ros1_noetic" if self.kind == "ros1" else "ros2_humble")

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all files and remove what was unpacked."""
        self._is_closed = True
        for storage in self._storages:
            storage.close()
        self._files.close()

    def report(self, note: str) -> None:
        """Add to the notes, once, and not without end."""
        if note in self.notes:
            return
        if len(self.notes) < _MAX_NOTES:
            self.notes.append(note)
            return
        self._num_untold += 1
        self.notes[_MAX_NOTES:] = [f"and {self._num_untold} more of this kind"]

    def can_decode(self, topic: Topic) -> bool:
        """Whether messages of `topic` can be decoded: a known type in the encoding of its kind of recording."""
        return topic.encoding == ("ros1" if self.kind == "ros1" else "cdr") and topic.type in self._typestore.fielddefs

    def messages(self, topics: Collection[Topic]) -> Iterator[RawMessage]:
        """Yield the messages of `topics` by recording time. Raises SourceError once closed."""
        if self._is_closed:
            raise SourceError(f"{self.path} was closed")
        for storage in self._storages:
            yield from storage.messages(topics)

    def first(self, topic: Topic) -> Any:
        """Return the first message of `topic` that can be decoded, None if there is none among the first few."""
        stream = self.messages([topic])
        for _, message in zip(range(8), stream, strict=False):
            try:
                return self.decode(message)
            except SourceError:
                continue
        return None

    def decode(self, message: RawMessage) -> Any:
        """Return the decoded message; its bytes are read-only views. Raises SourceError if it is damaged."""
        data, kind = memoryview(message.data), message.topic.type
        try:
            if self.kind == "ros1":
                return self._typestore.deserialize_ros1(data, kind)
            return self._typestore.deserialize_cdr(data, kind)
        except Exception as error:  # damaged bytes meet generated code: any kind of exception can come out
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SourceError(f"a message on {message.topic.name} cannot be decoded: {reason[:160]}") from error

    def _open_files(self) -> None:
        reasons = []
        for part in self._files.paths:
            try:
                storage = StorageFile(part, self.kind, self.report, per_message_zstd=self._files.per_message_zstd)
            except SourceError as error:
                reasons.append(str(error))
                self.report(str(error))
                continue
            self._storages.append(storage)
            self.counts.update(storage.counts)
        if not self._storages:
            raise SourceError("; ".join(reasons))
        if not self.counts.total():
            raise SourceError(f"{self.path} holds no messages{': ' + '; '.join(self.notes) if self.notes else ''}")
        read: Counter[str] = Counter()
        for topic, count in self.counts.items():
            read[topic.name] += count
        for name, promised in self._files.counts.items():
            if read[name] < promised:
                self.report(f"metadata.yaml promises {promised} messages on {name}, the files hold {read[name]}")


@cache
def message_types(distribution: str) -> Any:
    """Return rosbags' typestore of a distribution; it writes its decoders as it goes, so there is one of each."""
    return get_typestore(Stores(distribution))


def stamp_ns(message: Any) -> int:
    """Return the time in a message's header [ns]; 0 if it was never set."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
