"""One camera of the node: its topics, its newest image and the intrinsics that belong to it.

Callbacks run in the thread that spins and only keep what came; decoding is the worker's. The image is subscribed to
only while somebody listens to an output, so that an idle node costs nothing.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import qos
from .camera import CameraModel
from .channel_stats import SUPERSEDED, ChannelStats
from .compressed_codec import decode_compressed
from .depth_frame import CameraFrame
from .diagnostics import CameraFacts
from .errors import CameraError
from .image_codec import to_rgb
from .intrinsics import NO_CAMERA_INFO, Intrinsics
from .messages import stamp_ns_of
from .params import ON_REQUEST
from .ros import Node, message

OUTPUT_TOPICS: Mapping[str, tuple[str, str]] = {
    "depth_image": ("depth/image", "sensor_msgs/msg/Image"),
    "depth_camera_info": ("depth/camera_info", "sensor_msgs/msg/CameraInfo"),
    "points": ("points", "sensor_msgs/msg/PointCloud2"),
    "image_rect": ("image_rect", "sensor_msgs/msg/Image"),
    "depth_colored": ("depth/colored", "sensor_msgs/msg/Image"),
    "points_clearing": ("points_clearing", "sensor_msgs/msg/PointCloud2"),
}
_GRAPH_PERIOD_S = 1.0


@dataclass(frozen=True)
class Arrival:
    """An image message, when it came (monotonic clock [s]) and its stamp [ns]."""

    message: Any
    arrived_s: float
    stamp_ns: int


class CameraChannel:
    """Topics and newest frame of one camera. ``open``, ``update`` and ``close`` belong to the thread that spins.

    Parameters
    ----------
    node: creates the topics.
    name: of the camera, before its topics; empty for a single camera.
    values: the node's parameters; replaced as a whole when they change.
    wake: called when an image has come.
    """

    def __init__(self, node: Node, name: str, values: Mapping[str, Any], wake: Callable[[], None]) -> None:
        self.name, self.values = name, values
        self.stats = ChannelStats()
        self.frame_id = ""
        self.intrinsics = Intrinsics()
        self._node, self._wake = node, wake
        self._prefix = f"{name}/" if name else ""
        self._publishers: dict[str, Any] = {}
        self._image_subscription: Any = None
        self._info_subscription: Any = None
        self._graph_checked_s = -math.inf
        self._lock = threading.Lock()
        self._newest: Arrival | None = None
        self._taken_s = -math.inf

    @property
    def image_topic(self) -> str:
        """Full name of the topic that the images come from."""
        topic = self._node.resolve_topic_name(f"{self._prefix}image")
        return f"{topic}/compressed" if self.values["image_transport"] == "compressed" else topic

    @property
    def camera_info_topic(self) -> str:
        """Full name of the topic that the intrinsics come from."""
        return self._node.resolve_topic_name(f"{self._prefix}camera_info")

    @property
    def camera(self) -> CameraModel | None:
        """The newest usable intrinsics; None while there are none."""
        return self.intrinsics.camera

    @property
    def camera_problem(self) -> str:
        """Why there are no usable intrinsics; empty if there are."""
        problem = self.intrinsics.problem
        return (
            f"camera_info on {self.camera_info_topic}: {problem}"
            if self.intrinsics.info is not None and problem
            else problem
        )

    @property
    def is_subscribed(self) -> bool:
        """Whether images are asked for now."""
        return self._image_subscription is not None

    @property
    def publishers(self) -> Mapping[str, Any]:
        """The open outputs by their names in ``OUTPUT_TOPICS``."""
        return self._publishers

    def wanted(self) -> list[str]:
        """Names of the outputs that somebody subscribes to."""
        return [name for name, publisher in self._publishers.items() if publisher.get_subscription_count() > 0]

    def open(self) -> None:
        """Offer the outputs and listen to camera_info."""
        for name, (topic, kind) in OUTPUT_TOPICS.items():
            if name in ON_REQUEST and not self.values[f"publish.{name}"]:
                continue
            self._publishers[name] = self._node.create_publisher(
                message(kind), f"{self._prefix}{topic}", self._profile(name)
            )
        self.update()

    def close(self) -> None:
        """Give all topics back and forget the newest image and the intrinsics."""
        for subscription in (self._image_subscription, self._info_subscription):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._image_subscription = self._info_subscription = None
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        self.intrinsics = Intrinsics()
        with self._lock:
            self._newest = None

    def update(self) -> None:
        """Subscribe to what is needed now, with the QoS that its publishers offer; to be called often."""
        is_wanted = bool(self.wanted())
        if not is_wanted:
            self._stop_listening()
        due = time.monotonic() - self._graph_checked_s >= _GRAPH_PERIOD_S
        if not due and (self.is_subscribed or not is_wanted):
            return
        self._graph_checked_s = time.monotonic()
        if is_wanted or self.intrinsics.info is None:  # the first camera_info is of use before anybody listens
            self._listen_to_camera_info()
        if is_wanted:
            kind = "Image" if self.values["image_transport"] == "raw" else "CompressedImage"
            self._image_subscription = self._subscribed(
                self._image_subscription, "image", f"sensor_msgs/msg/{kind}", self.image_topic, self._on_image
            )

    def publisher_infos(self, topic: str) -> list[Any]:
        """Who publishes on a topic, as rclpy's TopicEndpointInfo."""
        return list(self._node.get_publishers_info_by_topic(topic))

    def facts(self) -> CameraFacts:
        """What is known of the camera now, for /diagnostics."""
        image_topic, info_topic = self.image_topic, self.camera_info_topic
        return CameraFacts(
            name=self.name,
            image_topic=image_topic,
            camera_info_topic=info_topic,
            wanted=tuple(self.wanted()),
            image_publishers=tuple(qos.node_name_of(info) for info in self.publisher_infos(image_topic)),
            camera_info_publishers=tuple(qos.node_name_of(info) for info in self.publisher_infos(info_topic)),
            camera_problem=self.camera_problem,
            frame_id=self.frame_id,
            unreached=tuple(self.unreached()),
            stats=self.stats.report(time.monotonic()),
        )

    def unreached(self) -> list[str]:
        """Whom differing QoS keeps away, with topic and reason; one text each."""
        found = []
        for subscription in (self._image_subscription, self._info_subscription):
            if subscription is not None:
                topic = subscription.topic_name
                infos = self.publisher_infos(topic)
                found += [f"{topic}: {text}" for text in qos.unreached_publishers(subscription.qos_profile, infos)]
        for publisher in self._publishers.values():
            topic = publisher.topic_name
            infos = self._node.get_subscriptions_info_by_topic(topic)
            found += [f"{topic}: {text}" for text in qos.unreached_subscribers(publisher.qos_profile, infos)]
        return found

    def ready_in(self, now_s: float) -> float | None:
        """Seconds until an image can be taken; None while there is none, or no intrinsics to go with it."""
        if self._newest is None or self.intrinsics.info is None:
            return None
        max_rate = self.values["max_rate"]
        return max(0.0, self._taken_s + 1.0 / max_rate - now_s) if max_rate else 0.0

    def take(self, now_s: float) -> Arrival | None:
        """Return the newest image, once; None if it is not due."""
        if self.ready_in(now_s) != 0.0:
            return None
        with self._lock:
            arrival, self._newest = self._newest, None
        self._taken_s = now_s
        return arrival

    def decode(self, arrival: Arrival) -> CameraFrame:
        """Return the image with its intrinsics, as far as they are known. Raises ImageError or CameraError."""
        camera = self.intrinsics.at(arrival.stamp_ns)
        if camera is None:
            raise CameraError(self.camera_problem)
        image = arrival.message
        is_raw = self.values["image_transport"] == "raw"
        image_HW3 = to_rgb(image) if is_raw else decode_compressed(image)
        return CameraFrame(image_HW3, camera, arrival.stamp_ns, image.header.frame_id)

    def reread_camera_info(self) -> None:
        """Read the last camera_info again, after ``values`` changed what it means."""
        if self.intrinsics.info is not None:
            self._take_info(self.intrinsics.info)

    def drop(self, cause: str, detail: str) -> None:
        """Count a frame that gives no depth, and say the first of each cause."""
        if self.stats.count_drop(cause, detail):
            self._node.get_logger().warning(f"{self.image_topic}: a frame was dropped: {cause}: {detail}")

    def _on_image(self, image: Any) -> None:
        arrival = Arrival(image, time.monotonic(), stamp_ns_of(image.header))
        self.frame_id = image.header.frame_id
        self.stats.count_received(arrival.stamp_ns)
        self.intrinsics.note_image(arrival.stamp_ns)
        with self._lock:
            replaced, self._newest = self._newest, arrival
        if replaced is not None:
            self.stats.count_drop(SUPERSEDED if self.intrinsics.info is not None else NO_CAMERA_INFO)
        self._wake()

    def _on_info(self, info: Any) -> None:
        is_awaited = self.intrinsics.is_awaited or self._newest is not None
        if self._take_info(info) or is_awaited:
            self._wake()

    def _take_info(self, info: Any) -> bool:
        """Take intrinsics in and say what is new about them; True if they are others than before."""
        before = self.camera
        is_new, is_new_problem = self.intrinsics.take(info, rectified=self.values["rectified"])
        if self.camera is None and is_new_problem:
            self._node.get_logger().error(f"{self.camera_problem}; no depth until a usable one comes")
        elif is_new and before is not None:
            self._node.get_logger().info(f"new intrinsics from {self.camera_info_topic}: {self.camera}")
        return is_new

    def _subscribed(self, current: Any, name: str, kind: str, topic: str, callback: Callable[[Any], None]) -> Any:
        """The subscription to a topic, made again where its publishers now need another QoS."""
        wanted = self._profile(name, self.publisher_infos(topic))
        if current is not None:
            if qos.is_same(current.qos_profile, wanted):
                return current
            self._node.destroy_subscription(current)
        return self._node.create_subscription(message(kind), topic, callback, wanted)

    def _listen_to_camera_info(self) -> None:
        if self._info_subscription is None:
            self.intrinsics.resume()
        self._info_subscription = self._subscribed(
            self._info_subscription, "camera_info", "sensor_msgs/msg/CameraInfo", self.camera_info_topic, self._on_info
        )

    def _stop_listening(self) -> None:
        if self._image_subscription is not None:
            self._node.destroy_subscription(self._image_subscription)
            self._image_subscription = None
        if self._info_subscription is not None and self.intrinsics.info is not None:
            self._node.destroy_subscription(self._info_subscription)
            self._info_subscription = None
        with self._lock:
            self._newest = None

    def _profile(self, name: str, publishers: list[Any] | None = None) -> Any:
        values = self.values
        return qos.profile(values[f"qos.{name}.profile"], values[f"qos.{name}.depth"], publishers=publishers or [])
