"""BagSource: a camera's frames out of a recording, each with its camera and, if there is any, its registered depth."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..camera import CameraModel
from ..depth_frame import CameraFrame
from ..encodings import parse_encoding
from ..errors import CameraError, ImageError, SourceError
from ..source_frame import (
    CORRUPT_IMAGE,
    OTHER_SIZE,
    UNDECODABLE_MESSAGE,
    UNSUPPORTED_ENCODING,
    DroppedFrame,
    SourceFrame,
    check_calibration,
)
from .pairing import CameraTrack, StampBuffer
from .reader import BagReader, stamp_ns
from .records import RawMessage, Topic
from .streams import IMAGE, decode_picture, decode_range_image, image_streams
from .topics import choose_camera_info, choose_depth, choose_image

# An image waits for what belongs to it: this long in recording time, this many at once, this many bytes.
_MAX_WAIT_NS = 1_000_000_000
_MAX_WAITING = 16
_MAX_WAITING_BYTES = 256 << 20
# A camera may send its first CameraInfo messages before it is configured.
_NUM_INFOS_TRIED = 8


@dataclass
class _Waiting:
    """An image that was read and not yet delivered; without a message if that was damaged."""

    index: int
    stamp_ns: int
    log_ns: int
    num_bytes: int
    message: Any
    problem: str = ""


class BagSource:
    """A recording as a :class:`~depth_anything_ros.source_frame.Source`, read as a stream: memory stays flat.

    Parameters
    ----------
    path: a ROS 2 bag (folder or file) or a ROS 1 bag.
    image_topic, camera_info_topic, depth_topic: names where types alone do not decide.
    camera, camera_name: the camera to use instead of the recording's, and what file it came from.
    rectified: the images are rectified, so P counts. Topics named image_rect... are taken as such.

    ``image_topic`` is the name of the images' topic, ``reference_topic`` the topic of registered depth, or None.
    Raises SourceError, CameraError.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        image_topic: str | None = None,
        camera_info_topic: str | None = None,
        depth_topic: str | None = None,
        camera: CameraModel | None = None,
        camera_name: str = "",
        rectified: bool = False,
    ) -> None:
        self._reader = BagReader(path)
        self.notes = self._reader.notes
        try:
            streams = image_streams(self._reader)
            image = choose_image(self._reader, streams, image_topic)
            self._image = image.topic
            self._rectified = rectified or image.topic.name.rpartition("/")[2].startswith("image_rect")
            self._info: Topic | None = None
            self._camera, self.camera_note = camera, f"calibration file {camera_name}"
            if camera is None:
                choice = choose_camera_info(self._reader, image, camera_info_topic)
                self._camera, self.camera_note = self._first_camera(choice.topic, choice.note)
                self._info = choice.topic if self._camera is not None else None
            elif image.width:
                check_calibration(camera, camera_name, image.width, image.height)
            depth = choose_depth(self._reader, streams, image, self._camera, depth_topic)
        except BaseException:
            self._reader.close()
            raise
        self.image_topic = self._image.name
        self.reference_topic = depth.topic
        if depth.topic is None and depth.note:
            self._reader.report(depth.note)
        self.num_frames: int | None = self._reader.counts[self._image]
        self.description = f"{_KINDS[self._reader.kind]} {self._reader.path}, images on {self._image.name}"
        if depth.topic is not None:
            self.description += f", registered depth on {depth.topic.name}"

    def __enter__(self) -> BagSource:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the recording."""
        self._reader.close()

    def __iter__(self) -> Iterator[SourceFrame | DroppedFrame]:
        """Yield every image by recording time, or why it was dropped."""
        cameras = None
        if self._camera is not None:
            cameras = CameraTrack(self._camera, rectified=self._rectified, report=self._reader.report)
        depths = StampBuffer(_MAX_WAITING_BYTES)
        waiting: deque[_Waiting] = deque()
        index = 0
        topics = [topic for topic in (self._image, self._info, self.reference_topic) if topic is not None]
        for raw in self._reader.messages(topics):
            if raw.topic == self._image:
                waiting.append(self._receive(raw, index))
                index += 1
            else:
                self._receive_companion(raw, cameras, depths)
            while waiting and (self._is_complete(waiting[0], cameras, depths) or _is_overdue(waiting, raw.log_ns)):
                yield self._deliver(waiting.popleft(), cameras, depths)
        while waiting:
            yield self._deliver(waiting.popleft(), cameras, depths)

    def _first_camera(self, topic: Topic | None, note: str) -> tuple[CameraModel | None, str]:
        """Return the first camera that the recording knows, and where it comes from or why there is none."""
        if topic is None:
            return None, f"none: {note}"
        matrix = "P, as the images are rectified," if self._rectified else "K and D"
        problem = "it has no readable message"
        for raw in islice(self._reader.messages([topic]), _NUM_INFOS_TRIED):
            try:
                camera = CameraModel.from_camera_info(self._reader.decode(raw), rectified=self._rectified)
            except (CameraError, SourceError) as error:
                problem = str(error)
                continue
            return camera, f"{matrix} of {topic.name}, {note}"
        return None, f"none: {topic.name} cannot be used: {problem}"

    def _receive(self, raw: RawMessage, index: int) -> _Waiting:
        try:
            message = self._reader.decode(raw)
        except SourceError as error:
            return _Waiting(index, raw.log_ns, raw.log_ns, 0, None, str(error))
        return _Waiting(index, self._stamp(message, raw), raw.log_ns, len(raw.data), message)

    def _receive_companion(self, raw: RawMessage, cameras: CameraTrack | None, depths: StampBuffer) -> None:
        try:
            message = self._reader.decode(raw)
        except SourceError as error:
            self._reader.report(str(error))
            return
        stamp = self._stamp(message, raw)
        if raw.topic == self.reference_topic:
            depths.add(message, stamp, len(raw.data))
        elif cameras is not None:
            cameras.add(message, stamp)

    def _stamp(self, message: Any, raw: RawMessage) -> int:
        stamp = stamp_ns(message)
        if stamp > 0:
            return stamp
        if raw.topic == self._image:
            self._reader.report(f"headers on {raw.topic.name} have no stamp; the time of recording is used")
        return raw.log_ns

    def _is_complete(self, image: _Waiting, cameras: CameraTrack | None, depths: StampBuffer) -> bool:
        """Whether nothing that is still to come can belong to the image."""
        if image.message is None:
            return True
        if self.reference_topic is not None and not depths.is_settled(image.stamp_ns):
            return False
        # A CameraInfo that is sent once, not with every image, is not waited for.
        is_sent_along = self._info is not None and self._reader.counts[self._info] > 1
        return cameras is None or not is_sent_along or cameras.newest_ns >= image.stamp_ns

    def _deliver(self, image: _Waiting, cameras: CameraTrack | None, depths: StampBuffer) -> SourceFrame | DroppedFrame:
        depths.forget_before(image.stamp_ns)
        if image.message is None:
            return DroppedFrame(image.index, image.stamp_ns, UNDECODABLE_MESSAGE, image.problem)
        try:
            image_HW3 = decode_picture(self._image, image.message)
        except ImageError as error:
            return DroppedFrame(image.index, image.stamp_ns, self._cause(image.message), str(error))
        height, width = image_HW3.shape[:2]
        try:
            camera = None if cameras is None else cameras.at(image.stamp_ns, width, height)
        except CameraError as error:
            return DroppedFrame(image.index, image.stamp_ns, OTHER_SIZE, str(error))
        frame = CameraFrame(image_HW3, camera, image.stamp_ns, str(image.message.header.frame_id))
        reference_HW = self._reference(depths.nearest(image.stamp_ns), height, width)
        return SourceFrame(frame, image.index, f"{image.index:06d}", reference_HW)

    def _cause(self, message: Any) -> str:
        if self._image.type == IMAGE:
            try:
                if not parse_encoding(message.encoding).is_colour:
                    return UNSUPPORTED_ENCODING
            except ImageError:
                return UNSUPPORTED_ENCODING
        return CORRUPT_IMAGE

    def _reference(self, message: Any, height: int, width: int) -> npt.NDArray[np.float32] | None:
        if message is None or self.reference_topic is None:
            return None
        try:
            depth_HW = decode_range_image(self.reference_topic, message)
            if depth_HW.shape != (height, width):
                raise ImageError(f"it is {depth_HW.shape[1]}x{depth_HW.shape[0]}, the image {width}x{height}")
        except ImageError as error:
            self._reader.report(f"a depth image on {self.reference_topic.name} was not used: {error}")
            return None
        return depth_HW


_KINDS = {"mcap": "ROS 2 bag (mcap)", "sqlite3": "ROS 2 bag (sqlite3)", "ros1": "ROS 1 bag"}


def _is_overdue(waiting: deque[_Waiting], now_ns: int) -> bool:
    """Whether the first image has waited long enough, or too much waits behind it."""
    if len(waiting) > _MAX_WAITING or now_ns - waiting[0].log_ns > _MAX_WAIT_NS:
        return True
    return sum(image.num_bytes for image in waiting) > _MAX_WAITING_BYTES
