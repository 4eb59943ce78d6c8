"""BagClouds: the clouds of a LiDAR in a recording by time, and the frames that are fixed to each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cloud_codec import cloud_points
from ..errors import ConfigError, SourceError
from ..rigid_transform import FrameTree, RigidTransform
from .reader import BagReader, stamp_ns

POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
TRANSFORMS = "tf2_msgs/msg/TFMessage"
# Half a period of a LiDAR of 10 Hz.
PAIRING_WINDOW_NS = 50_000_000


class BagClouds:
    """The clouds of one topic, to be asked for by time, forwards. A context manager.

    ``frames`` are those of the recording's /tf_static. Raises SourceError where the topic is not there.
    """

    def __init__(self, path: str | Path, topic: str) -> None:
        self._reader = BagReader(path)
        self.notes = self._reader.notes
        try:
            clouds = {found.name: found for found in self._reader.counts if found.type == POINT_CLOUD}
            known = ", ".join(sorted(clouds)) or "none"
            wanted = next((found for name, found in clouds.items() if name.strip("/") == topic.strip("/")), None)
            if wanted is None or not self._reader.can_decode(wanted):
                raise SourceError(f"{path} has no clouds on {topic}; {POINT_CLOUD} topics: {known}")
            self.topic = wanted.name
            self.frames = self._read_frames()
        except BaseException:
            self.close()
            raise
        self._stream = self._decoded(wanted)
        self._before: tuple[int, Any] | None = None
        self._after = next(self._stream, None)
        self.gap_ns: int | None = None
        """Between the time last asked for and its nearest cloud; None without clouds."""

    def __enter__(self) -> BagClouds:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the recording."""
        self._reader.close()

    def nearest(self, time_ns: int) -> Any:
        """Return the cloud nearest to a time no earlier than the one before, None where none is within 50 ms."""
        while self._after is not None and self._after[0] <= time_ns:
            self._before, self._after = self._after, next(self._stream, None)
        near = [item for item in (self._before, self._after) if item is not None]
        if not near:
            return None
        stamp, message = min(near, key=lambda item: abs(item[0] - time_ns))
        self.gap_ns = abs(stamp - time_ns)
        return message if self.gap_ns <= PAIRING_WINDOW_NS else None

    def points_at(self, time_ns: int, frame_id: str, pose: RigidTransform | None = None) -> NDArray[np.float64] | str:
        """Return the points (N, 3) [m] of the cloud nearest to a time in ``frame_id``, or why there are none.

        ``pose`` takes points of the cloud's frame to ``frame_id``; without it tf_static says. Times are asked for as in
        ``nearest``. Raises ConfigError where tf_static does not connect the two frames, ImageError for a cloud that
        cannot be read.
        """
        message = self.nearest(time_ns)
        if message is None:
            return (
                "there are no clouds" if self.gap_ns is None else f"the nearest cloud is {self.gap_ns / 1e9:.2f} s away"
            )
        place = pose or self.frames.between(frame_id, str(message.header.frame_id))
        return place(cloud_points(message)[0])

    def _decoded(self, topic: Any) -> Iterator[tuple[int, Any]]:
        for raw in self._reader.messages([topic]):
            try:
                message = self._reader.decode(raw)
            except SourceError as error:
                self._reader.report(str(error))
                continue
            yield stamp_ns(message) or raw.log_ns, message

    def _read_frames(self) -> FrameTree:
        frames = FrameTree()
        topics = [
            topic
            for topic in self._reader.counts
            if topic.type == TRANSFORMS and topic.name.endswith("/tf_static") and self._reader.can_decode(topic)
        ]
        for raw in self._reader.messages(topics) if topics else ():
            try:
                transforms = self._reader.decode(raw).transforms
            except SourceError as error:
                self._reader.report(str(error))
                continue
            for item in transforms:
                xyz, turn = item.transform.translation, item.transform.rotation
                try:
                    pose = RigidTransform.from_pose((xyz.x, xyz.y, xyz.z), (turn.x, turn.y, turn.z, turn.w))
                except ConfigError as error:
                    self._reader.report(f"{item.child_frame_id} on {raw.topic.name} was ignored: {error}")
                    continue
                frames.add(str(item.header.frame_id), str(item.child_frame_id), pose)
        return frames
