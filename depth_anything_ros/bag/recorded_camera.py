"""RecordedCamera: a camera's messages out of a recording, byte for byte, each image with the CameraInfo of its moment.

Where BagSource gives decoded pictures and pinhole models, this gives what the driver sent: encoding, K, D, R, P,
binning and region of interest as recorded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cdr_header import read_header
from ..errors import ImageError, SourceError
from ..source_frame import UNDECODABLE_MESSAGE, DroppedFrame
from .messages import DISTRIBUTION
from .reader import BagReader, message_types, stamp_ns
from .records import RawMessage
from .streams import COMPRESSED, image_streams
from .topics import choose_camera_info, choose_image

# An image waits for the CameraInfo of its stamp: this long in recording time, this many at once.
_MAX_WAIT_NS = 200_000_000
_MAX_WAITING = 8
_MAX_INFOS = 64


@dataclass(frozen=True, eq=False)
class RecordedImage:
    """An image as it was recorded.

    Parameters
    ----------
    index: position among all images of the recording, from 0.
    stamp_ns: time of acquisition, of recording where the header has none [ns].
    message: sensor_msgs Image or CompressedImage, decoded; its bytes are read-only views.
    cdr: the same, serialised.
    camera_info_cdr: the serialised CameraInfo of that moment; None if the recording has none.
    """

    index: int
    stamp_ns: int
    message: Any
    cdr: bytes | memoryview
    camera_info_cdr: bytes | memoryview | None


class RecordedCamera:
    """The images of one camera of a recording, by recording time; can be iterated over more than once.

    Parameters
    ----------
    path: a ROS 2 bag (folder or file) or a ROS 1 bag.
    image_topic, camera_info_topic: names where types alone do not decide.

    ``is_compressed`` says whether the images are CompressedImages. Raises SourceError.
    """

    def __init__(
        self, path: str | Path, *, image_topic: str | None = None, camera_info_topic: str | None = None
    ) -> None:
        self._reader = BagReader(path)
        self.notes = self._reader.notes
        try:
            stream = choose_image(self._reader, image_streams(self._reader), image_topic)
            choice = choose_camera_info(self._reader, stream, camera_info_topic)
        except BaseException:
            self._reader.close()
            raise
        self._image, self._info = stream.topic, choice.topic
        self.width, self.height = stream.width, stream.height
        self.is_compressed = stream.topic.type == COMPRESSED
        self.camera_note = f"none: {choice.note}" if choice.topic is None else f"{choice.topic.name}, {choice.note}"
        self.description = f"bag {self._reader.path}, {stream.count} images on {stream.topic.name}, {stream.size}"

    def close(self) -> None:
        """Close the recording."""
        self._reader.close()

    def __iter__(self) -> Iterator[RecordedImage | DroppedFrame]:
        infos: deque[tuple[int, bytes | memoryview]] = deque(self._first_info(), _MAX_INFOS)
        waiting: deque[tuple[int, int, RawMessage, Any]] = deque()
        index = 0
        for raw in self._reader.messages([topic for topic in (self._image, self._info) if topic is not None]):
            try:
                message = self._reader.decode(raw)
            except SourceError as error:
                if raw.topic == self._image:
                    yield DroppedFrame(index, raw.log_ns, UNDECODABLE_MESSAGE, str(error))
                    index += 1
                else:
                    self._reader.report(str(error))
                continue
            stamp = stamp_ns(message) or raw.log_ns
            if raw.topic == self._image:
                waiting.append((index, stamp, raw, message))
                index += 1
            else:
                infos.append((stamp, self._cdr(raw)))
            while waiting and (self._is_settled(waiting[0][1], infos) or _is_overdue(waiting, raw.log_ns)):
                yield self._paired(*waiting.popleft(), infos)
        while waiting:
            yield self._paired(*waiting.popleft(), infos)

    def _first_info(self) -> list[tuple[int, bytes | memoryview]]:
        """The first CameraInfo, which stands in for images that are older than any."""
        first = None if self._info is None else next(iter(self._reader.messages([self._info])), None)
        if first is None:
            return []
        cdr = self._cdr(first)
        try:
            return [(read_header(cdr)[0] or first.log_ns, cdr)]
        except ImageError as error:
            self._reader.report(f"the first CameraInfo cannot be used: {error}")
            return []

    def _is_settled(self, stamp: int, infos: deque[tuple[int, bytes | memoryview]]) -> bool:
        # A CameraInfo that is sent once, not with every image, is not waited for.
        is_sent_along = self._info is not None and self._reader.counts[self._info] > 1
        return not is_sent_along or (len(infos) > 0 and infos[-1][0] >= stamp)

    def _paired(
        self, index: int, stamp: int, raw: RawMessage, message: Any, infos: deque[tuple[int, bytes | memoryview]]
    ) -> RecordedImage:
        older = [cdr for info_stamp, cdr in infos if info_stamp <= stamp]
        info = older[-1] if older else infos[0][1] if infos else None
        return RecordedImage(index, stamp, message, self._cdr(raw), info)

    def _cdr(self, raw: RawMessage) -> bytes | memoryview:
        if self._reader.kind == "ros1":
            return memoryview(message_types(DISTRIBUTION).ros1_to_cdr(raw.data, raw.topic.type))
        return raw.data


def _is_overdue(waiting: deque[tuple[int, int, RawMessage, Any]], now_ns: int) -> bool:
    return len(waiting) > _MAX_WAITING or now_ns - waiting[0][2].log_ns > _MAX_WAIT_NS
