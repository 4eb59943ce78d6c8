"""``depth_anything_ros play``: a recording or a camera, published as a camera driver would, at its own rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cdr_header import restamped
from ..errors import ConfigError
from ..live_node import live_node
from ..report import Drops
from ..source_frame import DroppedFrame
from .schedule import LATE_S, Schedule
from .source import PlayFrame, PlaySource, open_play_source

EXIT_NOTHING_PLAYED = 2
_NODE_NAME = "depth_anything_play"
_WAIT_POLL_S = 0.05
# How deep the profiles of ROS keep; a camera's newest image is the one that counts.
_DEPTHS = {"reliable": 1, "sensor_data": 5}
_PROFILES = {"reliable": "default", "sensor_data": "sensor_data"}


@dataclass(frozen=True, kw_only=True)
class PlayOptions:
    """Everything ``play`` can be told; the fields are named as the command's options."""

    source: str
    image_topic: str | None = None
    camera_info_topic: str | None = None
    camera_info: Path | None = None
    rectified: bool = False
    size: tuple[int, int] | None = None
    rate: float = 1.0
    fps: float | None = None
    loop: bool = False
    frames: int | None = None
    wait: int = 0
    keep_stamps: bool = False
    compressed: bool = False
    qos: str = "reliable"
    ros_arguments: tuple[str, ...] = ()


def play(options: PlayOptions) -> int:
    """Publish a recording or a camera until its end, Ctrl-C or SIGTERM; print what is played and the summary.

    Returns the exit code: 0, or 2 if not one frame was published before the end. Raises a DepthAnythingError for what
    keeps it from starting, and SourceError if a camera fails.
    """
    source = open_play_source(
        options.source,
        compressed=options.compressed,
        image_topic=options.image_topic,
        camera_info_topic=options.camera_info_topic,
        camera_info=options.camera_info,
        rectified=options.rectified,
        size=options.size,
        fps=options.fps,
    )
    try:
        if source.is_live and (options.loop or options.rate != 1.0):
            raise ConfigError(f"--loop and --rate are for recordings; {options.source} has its own rate (see --fps)")
        player = Player(source, options)
        with live_node(_NODE_NAME, options.ros_arguments) as node:
            _play_on(node, player)
    finally:
        source.close()
    print(player.summary(), flush=True)
    if player.error is not None:
        raise player.error
    return EXIT_NOTHING_PLAYED if player.is_finished and not player.num_published else 0


def _play_on(node: Any, player: Player) -> None:
    """Play in a thread of its own while this one answers the graph's questions."""
    from .. import ros

    player.start(node)
    try:
        while ros.ok() and not player.is_finished:
            ros.spin_once(node, timeout_sec=0.1)
    finally:
        player.stop()


class Player:
    """Takes frames from a source, waits for the time of each, and publishes it with its CameraInfo.

    ``num_published`` frames went out, ``drops`` were unusable; ``is_finished`` once the source is at its end or failed
    with ``error``, rather than stopped.
    """

    def __init__(self, source: PlaySource, options: PlayOptions) -> None:
        self.num_published = 0
        self.drops = Drops()
        self.error: Exception | None = None
        self.is_finished = False
        self._source, self._options = source, options
        self._schedule = Schedule(rate=options.rate, fps=options.fps)
        self._first_s = self._last_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)
        self._image: Any = None
        self._camera_info: Any = None

    def start(self, node: Any) -> None:
        """Create the publishers, say what is played, and begin."""
        from .. import qos, ros

        profile = qos.profile(_PROFILES[self._options.qos], _DEPTHS[self._options.qos])
        # As image_transport does: the base topic is remapped, the transport's name is appended to the result.
        image, kind = node.resolve_topic_name("image"), "sensor_msgs/msg/Image"
        if self._options.compressed:
            image, kind = f"{image}/compressed", "sensor_msgs/msg/CompressedImage"
        self._image = node.create_publisher(ros.message(kind), image, profile)
        self._camera_info = node.create_publisher(ros.message("sensor_msgs/msg/CameraInfo"), "camera_info", profile)
        print(f"source:  {self._source.description}\ncamera:  {self._source.camera_note}")
        print(f"topics:  {image} ({kind}), {self._camera_info.topic_name}; {self._options.qos}", flush=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the frame at hand."""
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def summary(self) -> str:
        """What was played, at what rate, what came late and what was dropped; a line each."""
        options, elapsed = self._options, self._last_s - self._first_s
        rate = f", {(self.num_published - 1) / elapsed:.2f} frames/s" if elapsed > 0.0 else ""
        lines = [f"played {self.num_published} frames in {elapsed:.1f} s{rate}"]
        if not self._source.is_live:
            late = self._schedule.num_late
            worst = f", the latest by {1e3 * self._schedule.worst_s:.0f} ms" if late else ""
            lines[0] += f"; {late} came more than {1e3 * LATE_S:.0f} ms late{worst}"
        lines += [f"dropped {count}: {cause} ({self.drops.first[cause]})" for cause, count in self.drops.counts.items()]
        notes = [*self._source.notes, *self._schedule.notes]
        if options.loop and self.num_published:
            notes.append("the recording was played in a loop")
        return "\n".join([*lines, *(f"note: {note}" for note in notes)])

    def _run(self) -> None:
        from .. import ros

        try:
            self._play()
        except Exception as error:
            # Under rclpy Ctrl-C takes the publishers away while one may be at work.
            if ros.ok():
                self.error = error
        finally:
            self.is_finished = not self._stopping.is_set()

    def _play(self) -> None:
        frames = self._frames()
        frame = next(frames, None)
        self._wait_for_subscribers()
        while frame is not None and not self._stopping.is_set():
            self._wait_until_due(frame)
            if self._stopping.is_set():
                return
            self._publish(frame)
            if self.num_published == self._options.frames:
                return
            # The next frame is decoded now, in the time until it is due.
            frame = next(frames, None)

    def _frames(self) -> Iterator[PlayFrame]:
        """The source's usable frames, over and over with --loop."""
        while not self._stopping.is_set():
            had_frame = False
            for item in self._source:
                if isinstance(item, DroppedFrame):
                    self.drops.add(item.cause, item.detail)
                    continue
                had_frame = True
                yield item
            if not self._options.loop or not had_frame:
                return
            self._schedule.begin_again()

    def _wait_for_subscribers(self) -> None:
        wanted = self._options.wait
        if wanted and self._image.get_subscription_count() < wanted:
            print(f"waiting for {wanted} subscriber{'s' if wanted > 1 else ''} on {self._image.topic_name}", flush=True)
        while self._image.get_subscription_count() < wanted and not self._stopping.wait(_WAIT_POLL_S):
            pass

    def _wait_until_due(self, frame: PlayFrame) -> None:
        if self._source.is_live:
            return
        due_s = self._schedule.due_s(frame.stamp_ns, time.monotonic())
        self._stopping.wait(max(0.0, due_s - time.monotonic()))

    def _publish(self, frame: PlayFrame) -> None:
        # A camera's frame has its stamp already; a recording's gets that of the moment at which it stands for a camera.
        keeps = self._options.keep_stamps or self._source.is_live
        stamp_ns = frame.stamp_ns if keeps else time.time_ns()
        self._last_s = time.monotonic()
        self._first_s = self._first_s or self._last_s
        self._schedule.begins(self._last_s)
        if frame.camera_info_cdr is not None:
            self._camera_info.publish(restamped(frame.camera_info_cdr, stamp_ns))
        self._image.publish(restamped(frame.image_cdr, stamp_ns))
        self.num_published += 1
