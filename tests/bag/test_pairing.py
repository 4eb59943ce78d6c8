"""Cameras in force at a time, and the nearest message in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros.bag.pairing import PAIRING_WINDOW_NS, CameraTrack, StampBuffer
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError
from tests.sample_bags import camera_info_message

MS = 1_000_000


def track(*infos: tuple[int, float, int]) -> tuple[CameraTrack, list[str]]:
    """A track whose first camera has fx 50 and width 64, then (stamp, fx, width) as messages."""
    notes: list[str] = []
    first = CameraModel.from_camera_info(camera_info_message(0))
    cameras = CameraTrack(first, rectified=False, report=notes.append)
    for stamp_ns, fx, width in infos:
        cameras.add(camera_info_message(stamp_ns, width, 48, fx=fx), stamp_ns)
    return cameras, notes


def test_the_camera_is_the_last_one_before_the_image() -> None:
    cameras, notes = track((100 * MS, 50.0, 64), (200 * MS, 60.0, 64), (300 * MS, 70.0, 64))
    stamps = (0, 199 * MS, 200 * MS, 299 * MS, 10_000 * MS)
    assert [cameras.at(stamp, 64, 48).fx for stamp in stamps] == [50, 50, 60, 60, 70]
    assert notes == [] and cameras.newest_ns == 300 * MS


def test_a_camera_that_came_a_moment_late_is_taken_if_only_it_fits() -> None:
    cameras, _ = track((200 * MS, 60.0, 32))
    assert cameras.at(199 * MS, 64, 48).fx == 50
    assert cameras.at(180 * MS, 32, 48).fx == 60
    with pytest.raises(CameraError, match="the image is 32x48 but its camera is 64x48"):
        cameras.at(179 * MS, 32, 48)


def test_an_unusable_camera_info_leaves_the_camera_before_it() -> None:
    cameras, notes = track((100 * MS, float("nan"), 64), (200 * MS, 0.0, 64))
    assert cameras.at(300 * MS, 64, 48).fx == 50
    assert len(notes) == 2 and all(note.startswith("a CameraInfo was ignored: ") for note in notes)


def test_changes_of_the_camera_are_kept_in_bounds() -> None:
    cameras, _ = track(*((stamp * MS, 50.0 + stamp, 64) for stamp in range(1, 500)))
    assert cameras.at(499 * MS, 64, 48).fx == 549
    assert len(cameras._changes) == 64


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.integers(1, 500))
def test_the_nearest_message_within_the_window_is_found(stamps_ms: list[int], wanted_ms: int) -> None:
    buffer = StampBuffer(max_bytes=1 << 20)
    for stamp in stamps_ms:
        buffer.add(stamp, stamp * MS, 1)
    best = min(abs(stamp - wanted_ms) for stamp in stamps_ms)
    found = buffer.nearest(wanted_ms * MS)
    if best * MS > PAIRING_WINDOW_NS:
        assert found is None
    else:
        assert abs(found - wanted_ms) == best
    assert buffer.is_settled(wanted_ms * MS) == (best == 0 or max(stamps_ms) >= wanted_ms + 20)


def test_messages_that_are_too_old_are_forgotten() -> None:
    buffer = StampBuffer(max_bytes=1 << 20)
    for stamp in (0, 50 * MS, 100 * MS):
        buffer.add(stamp, stamp, 1)
    buffer.forget_before(100 * MS)
    assert [buffer.nearest(stamp) for stamp in (0, 50 * MS, 100 * MS)] == [None, None, 100 * MS]


def test_the_buffer_is_bounded_in_bytes_and_in_number() -> None:
    buffer = StampBuffer(max_bytes=100)
    for stamp in range(10):
        buffer.add(stamp, stamp * 100 * MS, 30)
    assert [stamp for stamp in range(10) if buffer.nearest(stamp * 100 * MS) is not None] == [7, 8, 9]
    buffer.add("huge", 10_000 * MS, 1_000)
    assert buffer.nearest(10_000 * MS) == "huge"
    many = StampBuffer(max_bytes=1 << 20)
    for stamp in range(1000):
        many.add(stamp, stamp * 100 * MS, 1)
    assert sum(many.nearest(stamp * 100 * MS) is not None for stamp in range(1000)) == 64
