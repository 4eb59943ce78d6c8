"""rosbags' MCAP storage made safe against a full disk: frames are written whole, or taken back and forgotten.

It reaches into rosbags' ``McapWriter`` (``close_chunk``, ``chunk``, ``chunks``, ``channel_stats``); the tests of the
full disk fail if another version of rosbags moves these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any, cast

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter, PendingChunk

_NEVER_NS = 2**63 - 1
_CHUNK_BYTES = 1 << 20


class SafeMcapWriter(McapWriter):
    """An MCAP file that can always be finished: what it holds up to the last whole chunk stays valid.

    While ``is_held``, a chunk grows beyond its usual size instead of ending between messages that belong together.
    """

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        super().__init__(path, compression)
        self._file = _WholeFile(cast(FileIO, self.bio.detach()))
        self.bio = cast(Any, self._file)
        self.is_held = False
        self._span_ns = (self.message_start_time, self.message_end_time)

    def close_chunk(self) -> None:
        """Write the pending chunk. On any failure the file and the counts are as if it had never been."""
        if self.is_held:
            return
        begin, num_chunks = self._file.tell(), len(self.chunks)
        try:
            super().close_chunk()
        except BaseException:
            self._file.cut(begin)
            del self.chunks[num_chunks:]
            self._forget_pending()
            raise
        self._span_ns = (self.message_start_time, self.message_end_time)

    def _forget_pending(self) -> None:
        for channel, messages in self.chunk.msgs.items():
            self.channel_stats[channel] -= len(messages)
        self.message_start_time, self.message_end_time = self._span_ns
        self.chunk = PendingChunk(_NEVER_NS, 0, BytesIO(), defaultdict(list))


class SafeWriter(Writer):
    """rosbags' rosbag2 writer over :class:`SafeMcapWriter`."""

    STORAGE_PLUGINS = {StoragePlugin.MCAP: SafeMcapWriter}  # noqa: RUF012  (overrides rosbags' own table)

    def write_together(self, messages: Iterable[tuple[Connection, int, memoryview]]) -> bool:
        """Write messages (connection, stamp [ns], bytes) into one chunk; return whether nothing is pending now.

        Raises OSError; what was pending, these messages included, is gone then.
        """
        storage = self._safe_storage()
        storage.is_held = True
        try:
            for message in messages:
                self.write(*message)
        finally:
            storage.is_held = False
        if storage.chunk.bio.tell() > _CHUNK_BYTES:
            self.settle()
            return True
        return False

    def settle(self) -> None:
        """Write what is pending, and take over the counts of what really is in the file. Raises OSError."""
        storage = self._safe_storage()
        try:
            if storage.chunk.bio.tell():
                storage.close_chunk()
        finally:
            self.counts.update(storage.channel_stats)
            self.min_timestamp, self.max_timestamp = storage.message_start_time, storage.message_end_time

    def _safe_storage(self) -> SafeMcapWriter:
        assert isinstance(self.storage, SafeMcapWriter)
        return self.storage


class _WholeFile:
    """A file without a buffer, so that what a full disk refused does not linger and fail again at every later call."""

    def __init__(self, raw: FileIO) -> None:
        self._raw = raw

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`. Raises OSError."""
        view = memoryview(data).cast("B")
        num_written = 0
        while num_written < len(view):
            num_written += self._raw.write(view[num_written:])
        return num_written

    def tell(self) -> int:
        """Position in the file."""
        return self._raw.tell()

    def cut(self, position: int) -> None:
        """Take back everything from `position` on."""
        self._raw.seek(position)
        self._raw.truncate()

    def close(self) -> None:
        """Close the file."""
        self._raw.close()
