"""A robot's own recording (ROS 2 or ROS 1 bag): its images with registered depth images, or with a LiDAR's points.

Frames are paired by time stamp and rectified; a LiDAR's points are projected by tf_static. Blurred frames and those
that are nearly the same as the one before are left out, and counted. Sky is not known: a sensor that returns nothing
does not say why.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.fingerprint import MAX_HAMMING_BITS
from depth_anything_ros.source_kind import source_kind

from ..samples import DepthSample
from .bag_frames import BagOptions, unpack
from .frame_selection import reasons
from .frames import FrameEntry

MIN_SHARPNESS = 0.5
NO_DEPTH = "without depth of their time"


@dataclass(frozen=True)
class BagFrames:
    """The frames of a recording by time, and what of it is not among them."""

    bag: Path
    entries: tuple[FrameEntry, ...]
    left_out: dict[str, int]
    """Numbers of frames by cause."""
    image_topic: str
    camera_note: str
    truth: str
    """Where depth comes from; "" where there is none in the recording."""
    notes: tuple[str, ...]

    def describe(self) -> str:
        """One line: how many frames, with what truth, and how many were left out why."""
        gone = ", ".join(f"{number} {cause}" for cause, number in self.left_out.items())
        return f"{self.bag.name}: {len(self.entries)} frames, {self.truth or 'no depth'}; left out: {gone or 'none'}"

    def labelled(self, index: Path) -> BagFrames:
        """With the depth that the labels' ``index`` holds in the place of the recording's own. Raises SourceError."""
        try:
            tree = json.loads(index.read_text(encoding="utf-8"))
            labels, truth = tree["labels"], str(tree["description"])
            fields_of = {entry.name: {"depth": None, **labels.get(entry.name, {})} for entry in self.entries}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise SourceError(f"{index}: not an index of labels, as finetune-from-bag writes it") from None
        entries = tuple(FrameEntry(entry.root, {**entry.fields, **fields_of[entry.name]}) for entry in self.entries)
        return dataclasses.replace(self, entries=entries, truth=truth)

    def chosen(self, *, min_sharpness: float, max_same_bits: int, need_depth: bool) -> BagFrames:
        """Those that are sharp, new and, where needed, have depth."""
        entries, left_out = self.entries, Counter(self.left_out)
        if need_depth:
            entries = tuple(entry for entry in entries if entry.fields["depth"])
            left_out[NO_DEPTH] += len(self.entries) - len(entries)
        whys = reasons(
            [entry.fields["sharpness"] for entry in entries], [entry.fields["dhash"] for entry in entries],
            min_sharpness=min_sharpness, max_same_bits=max_same_bits,
        )  # fmt: skip
        left_out.update(why for why in whys if why)
        kept = tuple(entry for entry, why in zip(entries, whys, strict=True) if not why)
        gone = {cause: number for cause, number in left_out.items() if number}
        return dataclasses.replace(self, entries=kept, left_out=gone)


def open_frames(path: Path, options: BagOptions, cache: Path | None = None) -> BagFrames:
    """All frames of the bag ``path``, with depth or without, unpacked where they were not yet. Raises as ``unpack``."""
    if not path.exists() or source_kind(path) != "bag":
        raise SourceError(f"{path}: no bag; a ROS 2 bag (folder, .mcap, .db3) or a ROS 1 .bag is accepted")
    index = unpack(path, options, cache)
    tree = json.loads(index.read_text(encoding="utf-8"))
    entries = tuple(FrameEntry(index.parent, fields) for fields in tree["frames"])
    return BagFrames(
        path, entries, tree["left_out"], tree["image_topic"], tree["camera"], tree["truth"], tuple(tree["notes"])
    )  # fmt: skip


class BagSamples:
    """Frames with depth by time, each read anew when it is asked for."""

    def __init__(self, frames: BagFrames) -> None:
        self.frames = frames

    def __len__(self) -> int:
        return len(self.frames.entries)

    def __getitem__(self, index: int) -> DepthSample:
        return self.frames.entries[index].sample()


def open_samples(
    path: Path,
    *,
    image_topic: str = "",
    camera_info_topic: str = "",
    depth_topic: str = "",
    cloud_topic: str = "",
    cloud_pose: Sequence[float] = (),
    camera_info: str = "",
    rectified: bool = False,
    hfov_deg: float = 0.0,
    every: int = 1,
    min_sharpness: float = MIN_SHARPNESS,
    max_same_bits: int = MAX_HAMMING_BITS,
    labels: str = "",
    cache: str = "",
) -> BagSamples:
    """The frames with depth of the bag ``path``, by time.

    The first options are those of ``BagOptions``. ``min_sharpness``: a frame whose Laplacian varies less than this
    share of its neighbours' median is blurred (0 keeps all); ``max_same_bits``: one whose difference hash is within so
    many bits of the last frame's is its duplicate (-1 keeps all). ``labels`` is an index of depth that stands in for
    the recording's, as ``finetune-from-bag`` makes it. ``cache`` is where the frames are unpacked to, once; empty: the
    user's cache folder. Raises SourceError for a bag without depth; else as ``unpack``.
    """
    if not 0 <= min_sharpness < 1:
        raise ConfigError(f"min_sharpness {min_sharpness}: a number from 0 to below 1 is accepted")
    options = BagOptions(
        image_topic=image_topic, camera_info_topic=camera_info_topic, depth_topic=depth_topic, cloud_topic=cloud_topic,
        cloud_pose=tuple(float(value) for value in cloud_pose), camera_info=camera_info, rectified=rectified,
        hfov_deg=hfov_deg, every=every,
    )  # fmt: skip
    frames = open_frames(path, options, Path(cache) if cache else None)
    if labels:
        frames = frames.labelled(Path(labels))
    chosen = frames.chosen(min_sharpness=min_sharpness, max_same_bits=max_same_bits, need_depth=True)
    if not chosen.entries:
        raise SourceError(f"{path}: no frame with depth: {_why_none(frames)}")
    return BagSamples(chosen)


def _why_none(frames: BagFrames) -> str:
    if frames.truth:
        return f"{frames.truth}: none is of an image's time, or it lies outside the image"
    found: Any = "; ".join(frames.notes) or "it has no depth images and no clouds"
    return f"{found}; a topic of registered depth (depth_topic) or of clouds (cloud_topic) is accepted"
