"""The intrinsics of a live camera: which hold for an image, and whether to wait for those of its own moment."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.intrinsics import NO_CAMERA_INFO, Intrinsics

S = 1_000_000_000


def info(stamp_ns: int, fx: float = 10.0) -> Any:
    fields = CameraModel(8, 6, fx or 1.0, 10.0, 3.5, 2.5).to_info_fields()
    if fx == 0.0:
        fields["k"] = [0.0] * 9
    stamp = SimpleNamespace(sec=stamp_ns // S, nanosec=stamp_ns % S)
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    header = SimpleNamespace(stamp=stamp, frame_id="c")
    return SimpleNamespace(header=header, **fields, binning_x=0, binning_y=0, roi=roi)


def take(intrinsics: Intrinsics, *args: Any) -> tuple[bool, bool]:
    return intrinsics.take(info(*args), rectified=False)


def test_nothing_is_known_at_first() -> None:
    intrinsics = Intrinsics()
    assert (intrinsics.at(1), intrinsics.problem, intrinsics.wait_s(1, time.monotonic())) == (None, NO_CAMERA_INFO, 0.0)


def test_what_is_new_is_told() -> None:
    intrinsics = Intrinsics()
    assert take(intrinsics, 1) == (True, True)
    assert take(intrinsics, 2) == (False, False)
    assert take(intrinsics, 3, 20.0) == (True, False)
    assert take(intrinsics, 4, 0.0) == (True, True)
    assert "uncalibrated" in intrinsics.problem
    assert take(intrinsics, 5, 0.0) == (False, False)


@pytest.mark.parametrize(("stamp_ns", "fx"), [(2 * S - 1, 10.0), (2 * S, 20.0), (3 * S, 20.0), (1, 20.0)])
def test_new_intrinsics_hold_from_their_stamp_on(stamp_ns: int, fx: float) -> None:
    """The last one is of a recording that began again: the newest intrinsics hold."""
    intrinsics = Intrinsics()
    take(intrinsics, 1 * S, 10.0)
    take(intrinsics, 2 * S, 20.0)
    camera = intrinsics.at(stamp_ns)
    assert camera is not None and camera.fx == fx


def test_a_camera_of_an_absurd_size_is_no_camera() -> None:
    intrinsics = Intrinsics()
    message = info(1)
    message.width = message.height = 60_000
    intrinsics.take(message, rectified=False)
    assert intrinsics.camera is None
    assert "60000" in intrinsics.problem


def paired() -> Intrinsics:
    """Of a camera that sends an image and then its camera_info."""
    intrinsics = Intrinsics()
    intrinsics.note_image(1 * S)
    take(intrinsics, 1 * S)
    return intrinsics


def test_an_image_waits_for_the_camera_info_of_its_own_stamp() -> None:
    intrinsics = paired()
    assert intrinsics.is_awaited
    intrinsics.note_image(2 * S)
    assert 0.0 < intrinsics.wait_s(2 * S, time.monotonic()) <= 0.02
    take(intrinsics, 2 * S)
    assert intrinsics.wait_s(2 * S, time.monotonic()) == 0.0


def test_one_that_does_not_come_is_waited_for_once() -> None:
    intrinsics = paired()
    intrinsics.note_image(2 * S)
    assert intrinsics.wait_s(2 * S, time.monotonic() - 0.02) == 0.0
    intrinsics.note_image(3 * S)
    assert intrinsics.wait_s(3 * S, time.monotonic()) == 0.0
    assert not intrinsics.is_awaited


def test_a_camera_whose_stamps_differ_is_not_waited_for() -> None:
    intrinsics = Intrinsics()
    intrinsics.note_image(1 * S)
    take(intrinsics, 1 * S + 7)
    assert intrinsics.wait_s(2 * S, time.monotonic()) == 0.0


def test_after_a_pause_what_is_known_may_be_old() -> None:
    intrinsics = Intrinsics()
    intrinsics.resume()
    assert not intrinsics.is_awaited  # nothing is known: images wait for the first one anyhow
    take(intrinsics, 1 * S)
    intrinsics.resume()
    assert 0.2 < intrinsics.wait_s(9 * S, time.monotonic()) <= 0.25
    take(intrinsics, 9 * S - 3)
    assert intrinsics.wait_s(9 * S, time.monotonic()) == 0.0
