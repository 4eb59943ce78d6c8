"""Messages of rosbags' types, as recordings hold them."""

from __future__ import annotations

from typing import Any

from ..messages import MessageFactory
from .reader import message_types

# Of the types written here, every distribution from Humble on has the same definition and hash.
DISTRIBUTION = "ros2_humble"

MESSAGES = MessageFactory(lambda name: message_types(DISTRIBUTION).types[name], as_arrays=True)


def pack(message: Any) -> memoryview:
    """Return a message as the CDR bytes that a recording holds."""
    return memoryview(message_types(DISTRIBUTION).serialize_cdr(message, message.__msgtype__))
