"""The subscriptions of ``watch``: found in the graph, made again when publishers change, counted; the newest kept."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..compressed_codec import decode_compressed
from ..depth_codec import DEPTH_ENCODINGS, decode_depth
from ..errors import ImageError
from ..image_codec import to_rgb
from ..messages import stamp_ns_of
from ..render import DepthImage, RGBImage
from .statistics import TopicStatistics
from .topics import (
    COMPRESSED,
    DIAGNOSTICS,
    IMAGE,
    POINTS,
    ROLES,
    choose_topics,
    explain_absence,
    explain_silence,
    published_topics,
)

# A picture is shown with the depth of its stamp; an engine may be this many pictures behind.
_NUM_IMAGES = 24
_DEPTH_OF_QUEUE = 10
_SILENT_S = 2.0

# Called with topic, type and the serialised message.
Forward = Callable[[str, str, bytes], None]


@dataclass
class Feed:
    """One topic that is watched. ``problem`` says why its messages cannot be used, '' if they can."""

    topic: str
    kind: str
    profile: Any
    subscription: Any = None
    statistics: TopicStatistics = field(default_factory=TopicStatistics)
    problem: str = ""


class Feeds:
    """Everything that is watched.

    Parameters
    ----------
    node: subscriptions are made on it, in the thread that spins it.
    wanted: role -> topic that the user named, None to find one by its type.
    forward: where every serialised message goes as well (a viewer), with the types ``also`` besides; None for nowhere.
    decode: makes a message of (serialised bytes, type); needed with `forward` only.

    ``by_role`` are the feeds there are; ``diagnostics`` the newest status by name.
    """

    def __init__(
        self,
        node: Any,
        wanted: Mapping[str, str | None],
        *,
        forward: Forward | None = None,
        also: tuple[str, ...] = (),
        decode: Callable[[bytes, str], Any] | None = None,
    ) -> None:
        resolve = node.resolve_topic_name
        self.wanted = {role: None if topic is None else resolve(topic) for role, topic in wanted.items()}
        self.by_role: dict[str, Feed] = {}
        self.diagnostics: dict[str, Any] = {}
        self.images: deque[Any] = deque(maxlen=_NUM_IMAGES)
        self.depth: Any = None
        self.cloud: Any = None
        self._others: dict[str, Feed] = {}
        self._published: dict[str, tuple[str, list[Any]]] = {}
        self._is_depth: dict[str, bool] = {}
        self._node, self._forward, self._decode = node, forward, decode
        self._other_types = (DIAGNOSTICS, *(also if forward is not None else ()))

    def look(self) -> None:
        """Look at the graph, subscribe to what is new or changed. Raises ConfigError for a topic of another type."""
        types = [kind for kinds in ROLES.values() for kind in kinds]
        self._published = published_topics(self._node, [*types, *self._other_types])
        kinds = {topic: kind for topic, (kind, _) in self._published.items()}
        chosen = choose_topics(kinds, self.wanted, self._is_depth)
        for role in ROLES:
            # A topic whose publisher has gone stays: it may come back, and its figures are still of interest.
            if (topic := chosen.get(role)) is not None:
                self.by_role[role] = self._follow(self.by_role.get(role), topic, role)
        for topic, kind in kinds.items():
            if kind in self._other_types:
                self._others[topic] = self._follow(self._others.get(topic), topic, "")

    def reasons(self, now_s: float) -> list[str]:
        """Say, for every role without recent messages, what is waited for."""
        from .. import qos

        kinds = {topic: kind for topic, (kind, _) in self._published.items()}
        found = []
        for role in ROLES:
            feed = self.by_role.get(role)
            if feed is None:
                found.append(explain_absence(role, self.wanted.get(role), kinds))
            elif feed.topic not in self._published:
                found.append(f"nobody publishes {feed.topic} any more")
            elif feed.problem:
                found.append(feed.problem)
            elif not feed.statistics.count:
                publishers = self._published[feed.topic][1]
                unreached = qos.unreached_publishers(feed.profile, publishers)
                found.append(explain_silence(feed.topic, publishers, unreached))
            elif (silent_s := feed.statistics.silent_s(now_s)) > _SILENT_S:
                found.append(f"nothing on {feed.topic} for {silent_s:.0f} s")
        return found

    def newest_image(self) -> RGBImage | None:
        """The picture that belongs to the newest depth, else the newest one, as (H, W, 3) RGB; None without any."""
        images = list(self.images)
        if not images:
            return None
        message = images[-1]
        if self.depth is not None:
            stamp_ns = stamp_ns_of(self.depth.header)
            message = next((image for image in images if stamp_ns_of(image.header) == stamp_ns), message)
        try:
            return np.asarray(to_rgb(message) if hasattr(message, "encoding") else decode_compressed(message))
        except ImageError as error:
            self.by_role["image"].problem = f"a picture on {self.by_role['image'].topic} is unusable: {error}"
            return None

    def newest_depth(self) -> DepthImage | None:
        """The newest depth image (H, W) float32 [m]; None without any."""
        if self.depth is None:
            return None
        try:
            return np.asarray(decode_depth(self.depth), np.float32)
        except ImageError as error:
            self.by_role["depth"].problem = f"a depth image on {self.by_role['depth'].topic} is unusable: {error}"
            return None

    def _follow(self, feed: Feed | None, topic: str, role: str) -> Feed:
        """The feed of a topic with the QoS that its publishers offer; the one given if it still fits."""
        from .. import qos, ros

        kind, publishers = self._published[topic]
        profile = qos.profile("auto", _DEPTH_OF_QUEUE, publishers=publishers)
        is_same_topic = feed is not None and (feed.topic, feed.kind) == (topic, kind)
        if feed is not None and is_same_topic and qos.is_same(feed.profile, profile):
            return feed
        new = Feed(topic, kind, profile)
        if feed is not None:
            self._node.destroy_subscription(feed.subscription)
            if is_same_topic:
                new.statistics = feed.statistics
        new.subscription = self._node.create_subscription(
            ros.message(kind),
            topic,
            lambda received: self._receive(new, role, received),
            profile,
            # What does not match is said in reasons(); rclpy's own warning would be written across the picture.
            event_callbacks=ros.SubscriptionEventCallbacks(incompatible_qos=lambda event: None),
            raw=self._forward is not None,
        )
        return new

    def _receive(self, feed: Feed, role: str, received: Any) -> None:
        arrival_s, now_ns = time.monotonic(), time.time_ns()
        message = received
        if self._forward is not None and self._decode is not None:
            self._forward(feed.topic, feed.kind, received)
            message = self._decode(received, feed.kind) if role or feed.kind == DIAGNOSTICS else None
        if feed.kind == DIAGNOSTICS:
            self.diagnostics.update({str(status.name): status for status in message.status})
        if not role or self._is_of_other_kind(feed, role, message):
            return
        if role == "image":
            self.images.append(message)
        elif role == "depth":
            self.depth = message
        else:
            self.cloud = message
        age_ms = (now_ns - stamp_ns_of(message.header)) / 1e6
        feed.statistics.add(arrival_s, age_ms, str(message.header.frame_id), shape_of(message, feed.kind))

    def _is_of_other_kind(self, feed: Feed, role: str, message: Any) -> bool:
        """Whether an image is a depth image where a picture is wanted, or the other way round; then it is said."""
        if feed.kind != IMAGE:
            return False
        encoding = str(message.encoding)
        is_depth = encoding in DEPTH_ENCODINGS and (encoding != "mono16" or role == "depth")
        self._is_depth[feed.topic] = is_depth
        if is_depth == (role == "depth"):
            feed.problem = ""
            return False
        what = "a depth image" if role == "depth" else "a picture"
        feed.problem = f"{feed.topic} holds {encoding} images; {what} is wanted: name one with --{role}"
        return True


def shape_of(message: Any, kind: str) -> str:
    """Size and encoding of an image or cloud, for people."""
    if kind == POINTS:
        return f"{message.width}x{message.height} points"
    if kind == COMPRESSED:
        return f"{str(message.format)[:24] or 'compressed'} {len(message.data) // 1000} kB"
    return f"{message.encoding} {message.width}x{message.height}"
