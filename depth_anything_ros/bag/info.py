"""describe_bag: what a recording holds and what a run would take from it, without reading it through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..camera import CameraModel
from ..errors import CameraError, SourceError
from .reader import BagReader
from .source import BagSource
from .streams import CAMERA_INFO, ImageStream, image_streams


@dataclass(frozen=True)
class TopicInfo:
    """A topic: its name, its type as in sensor_msgs/msg/Image, and its number of messages."""

    name: str
    type: str
    count: int


@dataclass(frozen=True)
class CameraInfo:
    """A CameraInfo topic by its first message.

    Parameters
    ----------
    topic, frame_id: its name and its optical frame.
    camera: the intrinsics of the raw images; None if they cannot be used.
    problem: why they cannot; '' if they can.
    """

    topic: str
    frame_id: str
    camera: CameraModel | None
    problem: str


@dataclass(frozen=True)
class BagInfo:
    """A recording.

    Parameters
    ----------
    path: where it is.
    storage: mcap, sqlite3 or ros1.
    start_ns: recording time of the first message [ns], 0 without messages.
    duration_s: from the first message to the last [s].
    num_messages: of all topics.
    topics, images, cameras: by name.
    choice: in one sentence what a run without options would take; '' if it would be refused.
    camera_note: where its intrinsics would come from.
    problem: why it would be refused; '' if not.
    notes: what could not be read, and what is not used.
    """

    path: Path
    storage: str
    start_ns: int
    duration_s: float
    num_messages: int
    topics: tuple[TopicInfo, ...]
    images: tuple[ImageStream, ...]
    cameras: tuple[CameraInfo, ...]
    choice: str
    camera_note: str
    problem: str
    notes: tuple[str, ...]


def describe_bag(path: str | Path) -> BagInfo:
    """Return what the recording at `path` holds. Raises SourceError if nothing of it can be read."""
    with BagReader(path) as reader:
        topics = tuple(TopicInfo(topic.name, topic.type, count) for topic, count in sorted(reader.counts.items()))
        images = tuple(image_streams(reader))
        cameras = tuple(_cameras(reader))
        notes = list(reader.notes)
        start_ns, end_ns = reader.start_ns or 0, reader.end_ns or 0
        storage = reader.kind
    choice = camera_note = problem = ""
    try:
        with BagSource(path) as source:
            choice, camera_note = source.description, source.camera_note
            notes += [note for note in source.notes if note not in notes]
    except (SourceError, CameraError) as error:
        problem = str(error)
    return BagInfo(
        path=Path(path),
        storage=storage,
        start_ns=start_ns,
        duration_s=(end_ns - start_ns) / 1e9,
        num_messages=sum(topic.count for topic in topics),
        topics=topics,
        images=images,
        cameras=cameras,
        choice=choice,
        camera_note=camera_note,
        problem=problem,
        notes=tuple(notes),
    )


def _cameras(reader: BagReader) -> list[CameraInfo]:
    found = []
    for topic in sorted(topic for topic in reader.counts if topic.type == CAMERA_INFO and reader.can_decode(topic)):
        info = reader.first(topic)
        if info is None:
            found.append(CameraInfo(topic.name, "", None, "it has no readable message"))
            continue
        frame_id = str(info.header.frame_id)
        try:
            found.append(CameraInfo(topic.name, frame_id, CameraModel.from_camera_info(info), ""))
        except CameraError as error:
            found.append(CameraInfo(topic.name, frame_id, None, str(error)))
    return found
