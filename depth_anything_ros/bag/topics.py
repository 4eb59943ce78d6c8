"""Which topics of a recording are the camera's: its images, its CameraInfo, and depth that lies on its pixels.

What is unambiguous is found by type, name, frame and size; what is not is refused with the names to choose from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..camera import CameraModel
from ..errors import CameraError, SourceError
from .reader import BagReader
from .records import Topic
from .streams import CAMERA_INFO, COMPRESSED, IMAGE, ImageStream, base_name, camera_name

# Names of pictures made from other pictures; they are taken only if there is nothing else.
_DERIVED = ("depth", "disparity", "confidence", "mask", "label", "segment")
_REGISTERED = ("aligned", "registered")


class Choice(NamedTuple):
    """A topic, or None, and in one sentence why."""

    topic: Topic | None
    note: str


def choose_image(reader: BagReader, streams: Sequence[ImageStream], wanted: str | None) -> ImageStream:
    """Return the stream of the camera's images. Raises SourceError with the possible names if that is not clear."""
    if wanted is not None:
        stream = _named(streams, wanted)
        if stream is None:
            known = _listed(stream for stream in streams if not stream.is_depth)
            raise SourceError(f"{reader.path} has no images on {wanted}; image topics: {known}")
        if stream.is_depth:
            raise SourceError(f"{stream.topic.name} holds depth ({stream.encoding}), not pictures")
        return stream
    pictures = [stream for stream in streams if not stream.is_depth]
    primary = [stream for stream in pictures if not any(word in stream.topic.name.lower() for word in _DERIVED)]
    by_base: dict[str, ImageStream] = {}
    for stream in primary or pictures:
        other = by_base.setdefault(base_name(stream.topic.name), stream)
        if (stream.count, stream.topic.type == IMAGE) > (other.count, other.topic.type == IMAGE):
            by_base[base_name(stream.topic.name)] = stream
    if not by_base:
        damage = "".join(f"; {note}" for note in reader.notes)
        raise SourceError(f"{reader.path} has no images: {_without_images(reader, streams)}{damage}")
    if len(by_base) > 1:
        known = _listed(by_base.values())
        raise SourceError(f"{reader.path} has {len(by_base)} image topics: {known}; choose one with --image-topic")
    return next(iter(by_base.values()))


def choose_camera_info(reader: BagReader, image: ImageStream, wanted: str | None) -> Choice:
    """Return the CameraInfo topic of the images. Raises SourceError if one is named that is not there."""
    topics = sorted(topic for topic in reader.counts if topic.type == CAMERA_INFO and reader.can_decode(topic))
    known = ", ".join(topic.name for topic in topics) or "none"
    if wanted is not None:
        match = [topic for topic in topics if _same_name(topic.name, wanted)]
        if not match:
            raise SourceError(f"{reader.path} has no CameraInfo on {wanted}; CameraInfo topics: {known}")
        return Choice(match[0], "chosen by name")
    topics = [topic for topic in topics if reader.counts[topic]]
    if not topics:
        return Choice(None, "the bag has no CameraInfo")
    own = [topic for topic in topics if camera_name(topic.name) == camera_name(image.topic.name)]
    if own:
        return Choice(own[0], "found by its name")
    if image.frame_id:
        frames = {topic: str(info.header.frame_id) for topic in topics if (info := reader.first(topic)) is not None}
        own = [topic for topic, frame_id in frames.items() if frame_id == image.frame_id]
        if len(own) == 1:
            return Choice(own[0], f"found by its frame {image.frame_id}")
    return Choice(None, f"no CameraInfo belongs to {image.topic.name} (there are: {known}); see --camera-info-topic")


def choose_depth(
    reader: BagReader,
    streams: Sequence[ImageStream],
    image: ImageStream,
    camera: CameraModel | None,
    wanted: str | None,
) -> Choice:
    """Return the topic whose depth is registered to the images, or why there is none. Raises SourceError."""
    depths = [stream for stream in streams if stream.is_depth]
    if wanted is not None:
        stream = _named(depths, wanted)
        if stream is None:
            raise SourceError(f"{reader.path} has no depth on {wanted}; depth topics: {_listed(depths) or 'none'}")
        problem = _size_problem(stream, image) or _camera_problem(reader, stream, camera)
        if problem:
            raise SourceError(f"depth on {stream.topic.name} is not registered to {image.topic.name}: {problem}")
        return Choice(stream.topic, "chosen by name")
    problems = {stream: _registration_problem(reader, stream, image, camera) for stream in depths}
    registered = [stream for stream, problem in problems.items() if not problem]
    bases = {base_name(stream.topic.name) for stream in registered}
    if len(bases) > 1:
        return Choice(None, f"{len(bases)} topics hold registered depth: {_listed(registered)}; see --depth-topic")
    if registered:
        best = max(registered, key=lambda stream: (stream.count, stream.topic.type == IMAGE))
        return Choice(best.topic, "registered to the images")
    reasons = [f"{stream.topic.name} is not used: {problem}" for stream, problem in problems.items()]
    return Choice(None, "; ".join(reasons))


def _registration_problem(reader: BagReader, depth: ImageStream, image: ImageStream, camera: CameraModel | None) -> str:
    """Why the depth does not lie on the image's pixels; '' if it does."""
    problem = _size_problem(depth, image) or _camera_problem(reader, depth, camera)
    if problem or any(word in depth.topic.name.lower() for word in _REGISTERED):
        return problem
    if depth.frame_id and depth.frame_id == image.frame_id:
        return ""
    return f"its frame is {depth.frame_id!r}, the images' is {image.frame_id!r}"


def _size_problem(depth: ImageStream, image: ImageStream) -> str:
    if depth.width and image.width and (depth.width, depth.height) != (image.width, image.height):
        return f"it is {depth.size}, the images are {image.size}"
    return ""


def _camera_problem(reader: BagReader, depth: ImageStream, camera: CameraModel | None) -> str:
    """Why a CameraInfo beside the depth shows that it belongs to another camera; '' if nothing shows that."""
    topic = next(
        (
            topic
            for topic in reader.counts
            if topic.type == CAMERA_INFO and camera_name(topic.name) == camera_name(depth.topic.name)
        ),
        None,
    )
    info = reader.first(topic) if topic is not None and camera is not None else None
    if topic is None or camera is None or info is None:
        return ""
    try:
        own = CameraModel.from_camera_info(info)
    except CameraError:
        return ""
    # Registered depth has the picture's K, but for rounding and, on rectified pictures, the step from K to P.
    near = 0.02 * camera.width
    if max(abs(own.fx - camera.fx), abs(own.fy - camera.fy), abs(own.cx - camera.cx), abs(own.cy - camera.cy)) > near:
        return f"{topic.name} has another K (fx {own.fx:.1f}, the images' {camera.fx:.1f}): it is not registered"
    return ""


def _named(streams: Sequence[ImageStream], wanted: str) -> ImageStream | None:
    return next((stream for stream in streams if _same_name(stream.topic.name, wanted)), None)


def _same_name(name: str, wanted: str) -> bool:
    return name.strip("/") == wanted.strip("/")


def _listed(streams: Iterable[ImageStream]) -> str:
    return ", ".join(f"{stream.topic.name} ({stream.count} images, {stream.size})" for stream in streams)


def _without_images(reader: BagReader, streams: Sequence[ImageStream]) -> str:
    if streams:
        return f"only depth, on {_listed(streams)}"
    foreign = sorted({topic.encoding for topic in reader.counts if topic.type in (IMAGE, COMPRESSED)})
    if foreign and not any(reader.can_decode(topic) for topic in reader.counts):
        return f"its messages are encoded as {', '.join(map(repr, foreign))}; accepted: cdr"
    types = sorted({topic.type for topic in reader.counts})
    return f"it holds {', '.join(types[:8])}{' and more' if len(types) > 8 else ''}; accepted: {IMAGE}, {COMPRESSED}"
