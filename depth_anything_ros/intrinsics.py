"""The intrinsics of a live camera: which hold for an image, and whether to wait for those of its own moment.

Cameras publish an image and, right behind it, the camera_info of the same stamp. Intrinsics that change (zoom, another
video mode) are announced only then, when the image may be in work already.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from .camera import CameraModel
from .encodings import check_size
from .errors import DepthAnythingError
from .messages import NS_PER_S, stamp_ns_of

NO_CAMERA_INFO = "no camera_info yet"
# A stamp further ahead than this is of another run of the stream: a recording that began again.
_SAME_STREAM_NS = NS_PER_S
# Longest time for which an image waits for the camera_info of its own stamp: where the camera sends both together, and
# where camera_info was not listened to for a while, so that what is known may be old.
_PAIR_S = 0.02
_RESUME_S = 0.25


class Intrinsics:
    """What the camera_info of one camera says. Thread-safe.

    ``camera`` is the newest usable one; ``problem`` says why there is none, empty if there is.
    """

    def __init__(self) -> None:
        self.camera: CameraModel | None = None
        self.problem = NO_CAMERA_INFO
        self.info: Any = None
        self._previous: CameraModel | None = None
        self._since_ns = 0
        self._info_stamp_ns = self._image_stamp_ns = -1
        self._patience_s = 0.0
        self._lock = threading.Lock()

    def take(self, info: Any, *, rectified: bool) -> tuple[bool, bool]:
        """Take a camera_info in; returns whether it brings another camera, and whether it brings another problem."""
        camera, problem = None, ""
        try:
            camera = CameraModel.from_camera_info(info, rectified=rectified)
            check_size(camera.width, camera.height, "camera_info")
        except DepthAnythingError as error:
            camera, problem = None, str(error)
        stamp_ns = stamp_ns_of(info.header)
        with self._lock:
            is_new, is_new_problem = camera != self.camera, problem != self.problem
            if is_new:
                self._previous, self.camera, self._since_ns = self.camera, camera, stamp_ns
            self.info, self.problem, self._info_stamp_ns = info, problem, stamp_ns
            if stamp_ns == self._image_stamp_ns:
                self._patience_s = _PAIR_S
            elif self._patience_s == _RESUME_S:
                self._patience_s = 0.0
        return is_new, is_new_problem

    def note_image(self, stamp_ns: int) -> None:
        """An image of this stamp has come; its camera_info may follow."""
        with self._lock:
            self._image_stamp_ns = stamp_ns

    def resume(self) -> None:
        """camera_info is listened to again after a pause."""
        with self._lock:
            self._patience_s = _RESUME_S if self.info is not None else 0.0

    def at(self, stamp_ns: int) -> CameraModel | None:
        """The camera in force when an image of this stamp was taken; None while nothing usable is known."""
        with self._lock:
            ahead_ns = self._since_ns - stamp_ns
            if self._previous is not None and 0 < ahead_ns < _SAME_STREAM_NS:
                return self._previous
            return self.camera

    @property
    def is_awaited(self) -> bool:
        """Whether images wait for the next camera_info."""
        return self._patience_s > 0.0

    def wait_s(self, stamp_ns: int, arrived_s: float) -> float:
        """How much longer [s] to wait for the camera_info of an image that arrived then (monotonic clock [s])."""
        with self._lock:
            if not self._patience_s or self._info_stamp_ns >= stamp_ns:
                return 0.0
            wait_s = arrived_s + self._patience_s - time.monotonic()
            if wait_s <= 0.0:
                self._patience_s = 0.0  # this camera does not send both: no other image waits
            return max(0.0, wait_s)
