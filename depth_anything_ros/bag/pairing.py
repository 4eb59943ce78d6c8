"""What belongs to an image by time: the camera in force at its stamp, and the depth image of the same moment."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any

from ..camera import CameraModel
from ..errors import CameraError

# Half a period of a 25 Hz camera: a depth image further away in time belongs to another picture.
PAIRING_WINDOW_NS = 20_000_000
_MAX_KEPT = 64


class CameraTrack:
    """The cameras of a recording over time; only changes are kept.

    Parameters
    ----------
    first: the camera of images that are older than any CameraInfo.
    rectified: whether the images are, so that P counts.
    report: told of a CameraInfo that cannot be used; the camera before it stays in force.
    """

    def __init__(self, first: CameraModel, *, rectified: bool, report: Callable[[str], None]) -> None:
        self._changes = [(-1, first)]
        self._rectified, self._report = rectified, report
        self.newest_ns = -1

    def add(self, info: Any, stamp_ns: int) -> None:
        """Take in a CameraInfo message that holds from `stamp_ns` on."""
        self.newest_ns = max(self.newest_ns, stamp_ns)
        try:
            camera = CameraModel.from_camera_info(info, rectified=self._rectified)
        except CameraError as error:
            self._report(f"a CameraInfo was ignored: {error}")
            return
        if camera != self._changes[-1][1]:
            self._changes.append((stamp_ns, camera))
            del self._changes[:-_MAX_KEPT]

    def at(self, stamp_ns: int, width: int, height: int) -> CameraModel:
        """Return the camera of an image of width x height [px] taken at `stamp_ns`. Raises CameraError.

        It is the last one at or before the stamp, or, where that has another size, one of the image's size nearby.
        """
        current = next((camera for start, camera in reversed(self._changes) if start <= stamp_ns), self._changes[0][1])
        nearby = [camera for start, camera in self._changes if abs(start - stamp_ns) <= PAIRING_WINDOW_NS]
        for camera in (current, *nearby):
            if (camera.width, camera.height) == (width, height):
                return camera
        current.check_image(width, height)
        return current


class StampBuffer:
    """Messages waiting to be asked for by time, a bounded number of them; the oldest go first."""

    def __init__(self, max_bytes: int) -> None:
        self._items: list[tuple[int, int, Any, int]] = []  # stamp, order of arrival, message, bytes
        self._max_bytes, self._num_bytes, self._num_added = max_bytes, 0, 0
        self.newest_ns = -1

    def add(self, message: Any, stamp_ns: int, num_bytes: int) -> None:
        """Keep a message of `num_bytes` bytes."""
        self.newest_ns = max(self.newest_ns, stamp_ns)
        self._num_added += 1
        self._num_bytes += num_bytes
        insort(self._items, (stamp_ns, self._num_added, message, num_bytes), key=lambda item: item[:2])
        while len(self._items) > _MAX_KEPT or (self._num_bytes > self._max_bytes and len(self._items) > 1):
            self._num_bytes -= self._items.pop(0)[3]

    def is_settled(self, stamp_ns: int) -> bool:
        """Whether a later message can no longer be a better match for `stamp_ns`."""
        return self.newest_ns >= stamp_ns + PAIRING_WINDOW_NS or self._offset(stamp_ns) == 0

    def nearest(self, stamp_ns: int) -> Any:
        """Return the message of that very stamp, else the nearest within the pairing window, else None."""
        offset = self._offset(stamp_ns)
        if offset is None or abs(offset) > PAIRING_WINDOW_NS:
            return None
        return next(item[2] for item in self._items if item[0] == stamp_ns + offset)

    def forget_before(self, stamp_ns: int) -> None:
        """Drop what is too old for any image from `stamp_ns` on."""
        while self._items and self._items[0][0] < stamp_ns - PAIRING_WINDOW_NS:
            self._num_bytes -= self._items.pop(0)[3]

    def _offset(self, stamp_ns: int) -> int | None:
        """Return how far after `stamp_ns` the nearest message is [ns]; None without messages."""
        place = bisect_left(self._items, stamp_ns, key=lambda item: item[0])
        offsets = [item[0] - stamp_ns for item in self._items[max(place - 1, 0) : place + 1]]
        return min(offsets, key=abs, default=None)
