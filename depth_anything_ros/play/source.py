"""What ``play`` publishes, frame by frame and serialised: from a bag as recorded, from everything else as rgb8."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..camera import CameraModel
from ..compressed_codec import decode_compressed
from ..depth_frame import CameraFrame
from ..errors import CameraError, ConfigError, ImageError, SourceError
from ..image_codec import to_rgb
from ..source import Source, open_source
from ..source_frame import CORRUPT_IMAGE, OTHER_SIZE, DroppedFrame, SourceFrame
from ..source_kind import source_kind
from .camera_device import CameraDevice, is_camera_device

if TYPE_CHECKING:
    from ..bag.recorded_camera import RecordedCamera, RecordedImage


@dataclass(frozen=True, eq=False)
class PlayFrame:
    """One frame to publish: its stamp [ns], the serialised image and the serialised CameraInfo, None if unknown."""

    stamp_ns: int
    image_cdr: bytes | memoryview
    camera_info_cdr: bytes | memoryview | None


class PlaySource(Protocol):
    """A camera to play; ``is_live`` if it is a real one, which has a rate of its own."""

    description: str
    camera_note: str
    notes: list[str]
    is_live: bool

    def __iter__(self) -> Iterator[PlayFrame | DroppedFrame]: ...

    def close(self) -> None:
        """Release files and devices."""


def open_play_source(
    path: str,
    *,
    compressed: bool = False,
    image_topic: str | None = None,
    camera_info_topic: str | None = None,
    camera_info: Path | None = None,
    rectified: bool = False,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> PlaySource:
    """Return a recording or a camera, opened.

    `compressed` asks for CompressedImage instead of Image; `camera_info` is a calibration YAML, which goes before what
    a bag says; `size` (width, height) [px] and `fps` are asked of a camera. Raises SourceError, CameraError, and
    ConfigError for options that do not fit the source.
    """
    is_device = is_camera_device(path)
    if size is not None and not is_device:
        raise ConfigError(f"--size is for cameras; {path} is a recording, which has its own size")
    if not is_device and Path(path).exists() and source_kind(Path(path)) == "bag":
        if camera_info is not None and camera_info_topic is not None:
            raise SourceError(f"both a CameraInfo topic ({camera_info_topic}) and a file ({camera_info}) are given")
        if rectified and camera_info is None:
            raise ConfigError(f"--rectified says how --camera-info is read; {path} has a CameraInfo of its own")
        camera = None if camera_info is None else CameraModel.from_yaml(camera_info, rectified=rectified)
        recorded = _bag_module("recorded_camera").RecordedCamera(
            path, image_topic=image_topic, camera_info_topic=camera_info_topic
        )
        return _BagPlaySource(recorded, camera, str(camera_info or ""), compressed=compressed)
    if not is_device:
        topics = {"image_topic": image_topic, "camera_info_topic": camera_info_topic}
        opened: Source = open_source(path, **topics, camera_info=camera_info, rectified=rectified)
    else:
        if image_topic is not None or camera_info_topic is not None:
            raise SourceError(f"{path} is a camera and has no topics to choose from")
        camera = None if camera_info is None else CameraModel.from_yaml(camera_info, rectified=rectified)
        opened = CameraDevice(path, camera, str(camera_info or ""), size=size, fps=fps)
    return _PicturePlaySource(opened, is_live=is_device, compressed=compressed)


class _PicturePlaySource:
    """Decoded pictures and pinhole models, as messages."""

    def __init__(self, source: Source, *, is_live: bool, compressed: bool) -> None:
        self._source = source
        self._messages = _bag_module("camera_messages")
        self._encode = self._messages.jpeg_cdr if compressed else self._messages.image_cdr
        self.description, self.camera_note, self.notes = source.description, source.camera_note, source.notes
        self.is_live = is_live

    def __iter__(self) -> Iterator[PlayFrame | DroppedFrame]:
        for item in self._source:
            yield self._frame(item.frame) if isinstance(item, SourceFrame) else item

    def close(self) -> None:
        self._source.close()

    def _frame(self, frame: CameraFrame) -> PlayFrame:
        info = None
        if frame.camera is not None:
            info = self._messages.camera_info_cdr(frame.camera, frame.stamp_ns, frame.frame_id)
        return PlayFrame(frame.stamp_ns, self._encode(frame), info)


class _BagPlaySource:
    """A bag's messages as recorded; only images of the other kind, raw or compressed, are made anew."""

    is_live = False

    def __init__(
        self, recorded: RecordedCamera, camera: CameraModel | None, camera_name: str, *, compressed: bool
    ) -> None:
        self._recorded, self._camera, self._compressed = recorded, camera, compressed
        self._messages = _bag_module("camera_messages")
        self.description, self.notes = recorded.description, recorded.notes
        self.camera_note = recorded.camera_note if camera is None else f"calibration file {camera_name}"
        if camera is not None and recorded.width:
            try:
                camera.check_image(recorded.width, recorded.height)
            except CameraError as error:
                recorded.close()
                raise CameraError(f"calibration file {camera_name}: {error}") from error

    def __iter__(self) -> Iterator[PlayFrame | DroppedFrame]:
        for item in self._recorded:
            yield item if isinstance(item, DroppedFrame) else self._frame(item)

    def close(self) -> None:
        self._recorded.close()

    def _frame(self, item: RecordedImage) -> PlayFrame | DroppedFrame:
        image, frame_id = item.cdr, str(item.message.header.frame_id)
        if self._recorded.is_compressed != self._compressed:
            try:
                decode = decode_compressed if self._recorded.is_compressed else to_rgb
                frame = CameraFrame(decode(item.message), self._camera, item.stamp_ns, frame_id)
                image = (self._messages.jpeg_cdr if self._compressed else self._messages.image_cdr)(frame)
            except ImageError as error:
                return DroppedFrame(item.index, item.stamp_ns, CORRUPT_IMAGE, str(error))
            except CameraError as error:
                return DroppedFrame(item.index, item.stamp_ns, OTHER_SIZE, str(error))
        info = item.camera_info_cdr
        if self._camera is not None:
            info = self._messages.camera_info_cdr(self._camera, item.stamp_ns, frame_id)
        return PlayFrame(item.stamp_ns, image, info)


def _bag_module(name: str) -> Any:
    try:
        return importlib.import_module(f"..bag.{name}", __package__)
    except ModuleNotFoundError as error:
        reason = f"messages are made by rosbags, and {error.name} is missing: pip install rosbags"
        raise SourceError(reason) from error
