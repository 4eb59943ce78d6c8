"""A camera of this machine, by a double of OpenCV's capture: sizes, loss of the camera, and every reason to refuse."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, SourceError
from depth_anything_ros.play import camera_device
from depth_anything_ros.play.camera_device import CameraDevice, is_camera_device
from depth_anything_ros.source_frame import Source, SourceFrame

WIDTH, HEIGHT = 64, 48


class FakeCapture:
    """cv2.VideoCapture of a camera that gives `num_frames` blue pictures and then nothing."""

    opened: ClassVar[list[tuple[int, int]]] = []

    def __init__(self, index: int, api: int, *, num_frames: int = 10, opens: bool = True) -> None:
        self.opened.append((index, api))
        self.settings: dict[int, float] = {cv2.CAP_PROP_FPS: 30.0}
        self.is_open, self.num_left = opens, num_frames

    def isOpened(self) -> bool:
        return self.is_open

    def set(self, name: int, value: float) -> bool:
        self.settings[name] = value
        return True

    def get(self, name: int) -> float:
        return self.settings[name]

    def grab(self) -> bool:
        self.num_left -= 1
        return self.num_left >= 0

    def retrieve(self) -> tuple[bool, Any]:
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[..., 0] = 255
        return True, picture

    def read(self) -> tuple[bool, Any]:
        return self.retrieve() if self.grab() else (False, None)

    def release(self) -> None:
        self.is_open = False


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path with a camera's name, and OpenCV's capture replaced."""
    path = tmp_path / "video7"
    path.touch()
    FakeCapture.opened.clear()
    monkeypatch.setattr(camera_device.cv2, "VideoCapture", FakeCapture)
    return path


def use(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    monkeypatch.setattr(camera_device.cv2, "VideoCapture", lambda index, api: FakeCapture(index, api, **options))


def test_frames_come_as_rgb_with_the_time_of_capture(device: Path) -> None:
    before_ns = time.time_ns()
    with CameraDevice(device, fps=15.0) as camera:
        assert isinstance(camera, Source)
        assert camera.description == f"camera {device}, {WIDTH}x{HEIGHT}, 15 frames/s"
        assert camera.camera_note == "none: give a calibration with --camera-info FILE"
        frames = [item for item in islice(camera, 3) if isinstance(item, SourceFrame)]
    assert FakeCapture.opened == [(7, cv2.CAP_V4L2)]
    assert [frame.index for frame in frames] == [0, 1, 2]
    for frame in frames:
        assert frame.frame.image_HW3[0, 0].tolist() == [0, 0, 255]
        assert before_ns <= frame.frame.stamp_ns <= time.time_ns()
        assert frame.frame.frame_id == "camera_optical_frame"


def test_a_link_to_a_camera_is_that_camera(device: Path) -> None:
    link = device.with_name("usb-webcam")
    link.symlink_to(device)
    CameraDevice(link).close()
    assert FakeCapture.opened == [(7, cv2.CAP_V4L2)]


def test_another_size_than_asked_for_is_told(device: Path) -> None:
    with CameraDevice(device, size=(1280, 720)) as camera:
        assert camera.notes == [f"{device} was asked for 1280x720 and gives {WIDTH}x{HEIGHT}"]
    with CameraDevice(device, size=(WIDTH, HEIGHT)) as camera:
        assert camera.notes == []


def test_calibration_is_checked_against_the_cameras_size(device: Path) -> None:
    model = CameraModel(WIDTH, HEIGHT, 50.0, 50.0, 31.5, 23.5)
    with CameraDevice(device, model, "c.yaml") as camera:
        assert camera.camera_note == "calibration file c.yaml"
        item = next(iter(camera))
        assert isinstance(item, SourceFrame) and item.frame.camera == model
    with pytest.raises(CameraError, match=r"c\.yaml: the image is 64x48 but its camera is 32x24"):
        CameraDevice(device, model.scaled_to(width=32, height=24), "c.yaml")


def test_an_unplugged_camera_ends_with_an_error(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, num_frames=3)
    seen = []
    with CameraDevice(device) as camera, pytest.raises(SourceError, match="no more images; was it unplugged"):
        seen.extend(camera)
    assert len(seen) == 2  # the third told the size


@pytest.mark.parametrize("options", [{"opens": False}, {"num_frames": 0}])
def test_a_busy_camera_is_refused(device: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    use(monkeypatch, **options)
    with pytest.raises(SourceError, match="used by another program, or is no camera"):
        CameraDevice(device)


def test_an_absent_camera_is_refused_with_those_there_are(device: Path) -> None:
    with pytest.raises(SourceError, match=rf"video8 does not exist; cameras of this machine: {device}"):
        CameraDevice(device.with_name("video8"))


def test_what_is_no_camera_is_refused() -> None:
    with pytest.raises(SourceError, match=r"/dev/null is no camera; accepted: /dev/videoN"):
        CameraDevice("/dev/null")


def test_devices_are_told_from_recordings(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").touch()
    assert is_camera_device("/dev/null") and is_camera_device("/dev/video97")
    assert not any(map(is_camera_device, (tmp_path, tmp_path / "video.mp4", tmp_path / "absent", "video0")))
