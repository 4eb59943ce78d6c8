"""The std_msgs/Header at the beginning of a serialised message, read and restamped without decoding the rest."""

from __future__ import annotations

import struct

from .errors import ImageError

# Encapsulation, and then what the header begins with: int32 sec, uint32 nanosec, uint32 length of frame_id.
_ENCAPSULATION = 4
_STAMP_END = 12
_TEXT_START = 16
_SECOND_NS = 1_000_000_000


def read_header(cdr: bytes | memoryview) -> tuple[int, str]:
    """Return the stamp [ns] and frame_id of a message whose first field is a std_msgs/Header.

    `cdr` is plain CDR with its 4 bytes of encapsulation, of either byte order. Raises ImageError if it is too short.
    """
    order = _byte_order(cdr)
    seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", cdr, _ENCAPSULATION)
    text = bytes(cdr[_TEXT_START : _TEXT_START + max(length - 1, 0)])
    return seconds * _SECOND_NS + nanoseconds, text.decode("utf-8", "replace")


def restamped(cdr: bytes | memoryview, stamp_ns: int) -> bytes:
    """Return a copy of the message with another stamp [ns] and nothing else changed. Raises ImageError as above."""
    stamp = struct.pack(f"{_byte_order(cdr)}iI", *divmod(stamp_ns, _SECOND_NS))
    return b"".join((cdr[:_ENCAPSULATION], stamp, cdr[_STAMP_END:]))


def _byte_order(cdr: bytes | memoryview) -> str:
    if len(cdr) < _TEXT_START:
        raise ImageError(f"a serialised message of {len(cdr)} bytes has no header; {_TEXT_START} or more are needed")
    return "<" if cdr[1] & 1 else ">"
