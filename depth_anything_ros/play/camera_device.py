"""CameraDevice: a camera of this machine (/dev/videoN) as a source of frames, through OpenCV."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..camera import CameraModel
from ..depth_frame import CameraFrame
from ..errors import CameraError, SourceError
from ..media import FRAME_ID
from ..source_frame import OTHER_SIZE, DroppedFrame, SourceFrame, check_calibration

# A USB camera may miss a few frames while it sets its exposure; one that is unplugged misses all.
_MAX_MISSES = 30


def is_camera_device(path: str | Path) -> bool:
    """Whether `path` names a device, or has a camera device's name, rather than a recording."""
    path = Path(path)
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except OSError:
        return path.parent == Path("/dev") and path.name.startswith("video")


class CameraDevice:
    """A camera, opened; each iteration gives frames as the camera makes them, without end. A context manager.

    Parameters
    ----------
    path: the device, such as /dev/video0.
    camera, camera_name: its intrinsics and the calibration file they came from; None if unknown.
    size: width and height to ask the camera for [px]; it may give another size, which ``description`` tells.
    fps: rate to ask the camera for [frames/s].

    Stamps are the time at which a frame was taken from the driver. Raises SourceError for a device that is absent, not
    allowed, busy or no camera, CameraError for a calibration of another size.
    """

    def __init__(
        self,
        path: str | Path,
        camera: CameraModel | None = None,
        camera_name: str = "",
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
    ) -> None:
        self._path = Path(path)
        self._camera = camera
        _check_device(self._path)
        self._capture = self._open()
        if size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if fps is not None:
            self._capture.set(cv2.CAP_PROP_FPS, fps)
        readable, first = self._capture.read()
        if not readable:
            self.close()
            raise SourceError(f"{path} gives no images: it is used by another program, or is no camera")
        height, width = first.shape[:2]
        try:
            if camera is not None:
                check_calibration(camera, camera_name, width, height)
        except CameraError:
            self.close()
            raise
        self.num_frames: int | None = None
        self.notes: list[str] = []
        if size is not None and size != (width, height):
            self.notes.append(f"{path} was asked for {size[0]}x{size[1]} and gives {width}x{height}")
        self.camera_note = "none: give a calibration with --camera-info FILE"
        if camera is not None:
            self.camera_note = f"calibration file {camera_name}"
        self.description = f"camera {path}, {width}x{height}, {self._capture.get(cv2.CAP_PROP_FPS):g} frames/s"

    def __enter__(self) -> CameraDevice:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the device."""
        self._capture.release()

    def __iter__(self) -> Iterator[SourceFrame | DroppedFrame]:
        """Yield frames until the device is closed. Raises SourceError once the camera gives no more."""
        index = misses = 0
        while self._capture.isOpened():
            if not self._capture.grab():
                misses += 1
                if misses >= _MAX_MISSES:
                    raise SourceError(f"{self._path} gives no more images; was it unplugged?")
                time.sleep(0.01)
                continue
            stamp_ns = time.time_ns()
            readable, picture = self._capture.retrieve()
            if readable:
                misses = 0
                yield self._frame(picture, index, stamp_ns)
                index += 1

    def _open(self) -> cv2.VideoCapture:
        # By number: some builds of OpenCV cannot open a device by its name. Names under /dev/v4l are links.
        number = re.fullmatch(r"video(\d+)", self._path.resolve().name)
        if number is None:
            raise SourceError(f"{self._path} is no camera; accepted: /dev/videoN, or a link to one")
        capture = cv2.VideoCapture(int(number[1]), cv2.CAP_V4L2)
        if not capture.isOpened():
            raise SourceError(f"{self._path} cannot be opened: it is used by another program, or is no camera")
        return capture

    def _frame(self, bgr_HW3: np.ndarray, index: int, stamp_ns: int) -> SourceFrame | DroppedFrame:
        rgb_HW3 = np.asarray(cv2.cvtColor(bgr_HW3, cv2.COLOR_BGR2RGB), np.uint8)
        try:
            return SourceFrame(CameraFrame(rgb_HW3, self._camera, stamp_ns, FRAME_ID), index, f"{index:06d}")
        except CameraError as error:
            return DroppedFrame(index, stamp_ns, OTHER_SIZE, str(error))


def _check_device(path: Path) -> None:
    """Raise SourceError, with the cameras there are, unless the device is there and may be opened."""
    if not path.exists():
        found = ", ".join(sorted(str(device) for device in path.parent.glob("video*"))) or "none"
        raise SourceError(f"{path} does not exist; cameras of this machine: {found}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path} may not be opened by this user; on most systems: sudo usermod -aG video $USER")
