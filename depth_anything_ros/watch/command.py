"""``depth_anything_ros watch``: rates, ages and a live picture of a camera, its depth and its cloud."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MissingDependency, SourceError
from ..live_node import live_node
from .feeds import Feeds
from .save import save_watch
from .terminal import LiveScale, Screen, can_show_pictures, side_by_side_blocks
from .text import diagnostics_lines, level_of, status_line, table
from .topics import CAMERA_INFO, ROLES, TRANSFORMS

_NODE_NAME = "depth_anything_watch"
_LOOK_PERIOD_S = 0.5
_PICTURE_PERIOD_S = 0.2
_LINE_PERIOD_S = 1.0


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """Everything ``watch`` can be told; the fields are named as the command's options. ``picture`` False: text only."""

    image: str | None = None
    depth: str | None = None
    points: str | None = None
    seconds: float | None = None
    frames: int | None = None
    timeout: float = 60.0
    save: Path | None = None
    picture: bool = True
    foxglove: bool = False
    host: str = "127.0.0.1"
    port: int = 8765
    ros_arguments: tuple[str, ...] = ()


def watch(options: WatchOptions) -> int:
    """Watch until Ctrl-C, SIGTERM, or what ``seconds`` and ``frames`` say; print the summary and save what was asked.

    Returns 0. Raises SourceError with the reason if fewer than ``frames`` depth images came within ``timeout`` [s], and
    a DepthAnythingError for what keeps it from starting.
    """
    server: Any = None
    with ExitStack() as stack:
        if options.foxglove:
            server = _foxglove().FoxgloveServer(options.host, options.port)
            stack.callback(server.close)
            print(f"open {server.url} in Foxglove (Open connection, Foxglove WebSocket)", flush=True)
        watcher = Watcher(options, server)
        with live_node(_NODE_NAME, options.ros_arguments) as node:
            watcher.run(node)
    print("\n".join(watcher.summary_lines()), flush=True)
    if options.save is not None:
        print(f"saved in {options.save}: {', '.join(watcher.save(options.save))}", flush=True)
    if watcher.shortfall:
        raise SourceError(watcher.shortfall)
    return 0


class Watcher:
    """One watch: spins the node in the calling thread and draws in another; ``shortfall`` says which frames lacked."""

    def __init__(self, options: WatchOptions, server: Any = None) -> None:
        self.shortfall = ""
        self._options, self._server = options, server
        self._feeds: Feeds | None = None
        self._started_s = time.monotonic()
        self._stopping = threading.Event()
        self._reasons: list[str] = []
        self._error: Exception | None = None

    def run(self, node: Any) -> None:
        """Watch until it is time to end. Raises ConfigError for a named topic that is of another type."""
        from .. import ros

        options, server = self._options, self._server
        self._started_s = time.monotonic()
        wanted = {role: getattr(options, role) for role in ROLES}
        viewer = {} if server is None else {"forward": server.forward, "decode": server.decode}
        feeds = self._feeds = Feeds(node, wanted, also=(CAMERA_INFO, TRANSFORMS), **viewer)
        node.create_timer(_LOOK_PERIOD_S, self._look)
        with_picture = options.picture and server is None and can_show_pictures(sys.stdout)
        drawing = threading.Thread(target=self._draw if with_picture else self._tell, name="display", daemon=True)
        drawing.start()
        try:
            feeds.look()
            while ros.ok() and not self._is_over():
                ros.spin_once(node, timeout_sec=0.1)
        finally:
            self._stopping.set()
            drawing.join(timeout=5.0)
        if self._error is not None:
            raise self._error

    def summary(self) -> dict[str, Any]:
        """Everything that was counted, as plain values."""
        from .. import ros

        feeds = self._feeds
        by_role = {} if feeds is None else feeds.by_role
        statuses = [] if feeds is None else feeds.diagnostics.values()
        return {
            "world": ros.WORLD,
            "seconds": round(time.monotonic() - self._started_s, 3),
            "topics": {role: {"topic": feed.topic, **feed.statistics.as_dict()} for role, feed in by_role.items()},
            "waiting_for": self._reasons,
            "diagnostics": [{"name": s.name, "level": level_of(s), "message": s.message} for s in statuses],
        }

    def summary_lines(self) -> list[str]:
        """The same for people."""
        lines = []
        for role, topic in self.summary()["topics"].items():
            age = topic["age_ms"]
            rate = "" if topic["rate_hz"] is None else f", {topic['rate_hz']:.2f} /s"
            ages = "" if age is None else f", age p50 {age['p50']:.1f} p99 {age['p99']:.1f} ms"
            if topic["stamps_are_of_this_clock"] is False:
                ages = ", stamps are not of this clock"
            lines.append(f"{role}: {topic['topic']}: {topic['count']} messages{rate}{ages}")
        return [*lines, *(f"waiting: {reason}" for reason in self._reasons)]

    def save(self, folder: Path) -> list[str]:
        """Write the last pictures and the summary into `folder`; return the names. Raises OutputError."""
        feeds, title = self._feeds, "the last frame that was watched"
        image_HW3 = None if feeds is None else feeds.newest_image()
        depth_HW = None if feeds is None else feeds.newest_depth()
        cloud = None if feeds is None else feeds.cloud
        return save_watch(folder, self.summary(), image_HW3=image_HW3, depth_HW=depth_HW, cloud=cloud, title=title)

    def _look(self) -> None:
        if self._feeds is not None:
            self._feeds.look()
            self._reasons = self._feeds.reasons(time.monotonic())

    def _is_over(self) -> bool:
        options, elapsed_s = self._options, time.monotonic() - self._started_s
        depth = None if self._feeds is None else self._feeds.by_role.get("depth")
        count = 0 if depth is None else depth.statistics.count
        if options.frames is not None:
            if count >= options.frames:
                return True
            limit_s = min(options.timeout, options.seconds or options.timeout)
            if elapsed_s > limit_s:
                self._look()
                why = "".join(f"; {reason}" for reason in self._reasons)
                self.shortfall = f"{count} of {options.frames} depth frames came within {limit_s:g} s{why}"
                return True
        return self._error is not None or (options.seconds is not None and elapsed_s > options.seconds)

    def _draw(self) -> None:
        """The terminal's picture, several times a second."""
        scale = LiveScale()
        try:
            with Screen(sys.stdout) as screen:
                while not self._stopping.wait(_PICTURE_PERIOD_S):
                    columns, rows = screen.size
                    text, depth_HW = self._text(), None
                    feeds = self._feeds
                    image_HW3 = None if feeds is None else feeds.newest_image()
                    if feeds is not None and (depth_HW := feeds.newest_depth()) is not None:
                        scale.fit(depth_HW)
                    room = rows - len(text)
                    screen.draw(text, side_by_side_blocks(image_HW3, depth_HW, scale.scale, columns, room))
        except Exception as error:
            self._error = error

    def _text(self) -> list[str]:
        now_s, feeds = time.monotonic(), self._feeds
        lines = [f"depth_anything_ros watch, {now_s - self._started_s:.0f} s (Ctrl-C ends)"]
        if feeds is not None:
            lines += table(dict(feeds.by_role), now_s)
            lines += [f"waiting: {reason}" for reason in self._reasons]
            lines += diagnostics_lines(list(feeds.diagnostics.values()))
        return lines

    def _tell(self) -> None:
        """Plain lines, for what is no terminal: rates and ages, and what is waited for whenever that changes."""
        told: list[str] = []
        try:
            while not self._stopping.wait(_LINE_PERIOD_S):
                feeds = self._feeds
                if feeds is None:
                    continue
                if line := status_line(dict(feeds.by_role), time.monotonic()):
                    print(line, flush=True)
                statuses = [line for line in diagnostics_lines(list(feeds.diagnostics.values())) if line[:3] != "ok:"]
                lines = [*(f"waiting: {reason}" for reason in self._reasons), *statuses]
                for line in lines:
                    if line not in told:
                        print(line, flush=True)
                told = lines
        except Exception as error:
            self._error = error


def _foxglove() -> Any:
    try:
        return importlib.import_module(".foxglove", __package__)
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "foxglove", "view") from error
