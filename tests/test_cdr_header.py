"""The header of a serialised message: read and replaced without touching what follows, in either byte order."""

from __future__ import annotations

import pytest

from depth_anything_ros.cdr_header import read_header, restamped
from depth_anything_ros.errors import ImageError
from tests.sample_bags import IMAGE, START_NS, STORE, image_message, picture


@pytest.mark.parametrize("little_endian", [True, False])
def test_a_restamped_message_differs_in_its_stamp_alone(little_endian: bool) -> None:
    message = image_message(picture(1), "rgb8", START_NS, "some_frame")
    cdr = STORE.serialize_cdr(message, IMAGE, little_endian=little_endian)
    assert read_header(cdr) == (START_NS, "some_frame")
    stamp_ns = 1_234_567_890_000_000_001
    again = restamped(cdr, stamp_ns)
    assert read_header(again) == (stamp_ns, "some_frame")
    assert again[12:] == bytes(cdr[12:]) and again[:4] == bytes(cdr[:4])
    decoded = STORE.deserialize_cdr(again, IMAGE)
    assert (decoded.header.stamp.sec, decoded.header.stamp.nanosec) == divmod(stamp_ns, 1_000_000_000)


def test_what_has_no_header_is_refused() -> None:
    for read in (read_header, lambda cdr: restamped(cdr, 1)):
        with pytest.raises(ImageError, match="8 bytes has no header"):
            read(b"\x00\x01\x00\x00abcd")
