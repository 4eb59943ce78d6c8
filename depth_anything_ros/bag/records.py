"""What a recording is made of, whatever file it is in: topics and undecoded messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# Told, in one sentence each, what could not be read.
Report = Callable[[str], None]


class Topic(NamedTuple):
    """A topic of a recording: name, type as in sensor_msgs/msg/Image, and how messages are encoded (cdr, ros1)."""

    name: str
    type: str
    encoding: str


class RawMessage(NamedTuple):
    """One recorded message: its topic, the time it was recorded [ns] and its bytes."""

    topic: Topic
    log_ns: int
    data: bytes | memoryview
