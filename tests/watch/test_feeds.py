"""The subscriptions of watch, on a double of a node: chosen, made again, counted, and silence explained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.bag.messages import MESSAGES
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.point_cloud import CloudBuilder
from depth_anything_ros.watch.feeds import Feeds
from depth_anything_ros.watch.topics import COMPRESSED, DIAGNOSTICS, IMAGE, POINTS
from tests.sample_bags import START_NS, STORE, compressed_message, image_message, jpeg, picture
from tests.worlds import FakeNode, endpoint, require_world

require_world()

NONE = {"image": None, "depth": None, "points": None}
CAMERA = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)


class GraphNode(FakeNode):
    """A node in a graph whose topics are set by ``publish``; subscriptions are called by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.types: dict[str, str] = {}

    def publish(self, topic: str, kind: str, *, reliable: bool = True) -> None:
        from depth_anything_ros import qos

        self.types[topic] = kind
        profile = qos.profile("default" if reliable else "sensor_data", 1)
        self.publisher_infos[topic] = [endpoint(profile)]

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        return [(topic, [kind]) for topic, kind in self.types.items()]

    def create_subscription(  # type: ignore[override]
        self, kind: Any, topic: str, callback: Any, qos_profile: Any, *, event_callbacks: Any, raw: bool
    ) -> Any:
        made = super().create_subscription(kind, topic, callback, qos_profile)
        made.raw = raw
        return made

    def send(self, topic: str, message: Any) -> None:
        self.subscriptions[topic].callback(message)


def depth_message(metres: float = 2.0, stamp_ns: int = START_NS) -> Any:
    frame = DepthFrame(np.full((48, 64), metres, np.float32), picture(), CAMERA, stamp_ns, "optical")
    return MESSAGES.depth(MESSAGES.header_of(frame), frame)


def cloud_message() -> Any:
    return MESSAGES.cloud(
        MESSAGES.header(START_NS, "optical"), CloudBuilder(CAMERA).build(np.ones((48, 64), np.float32))
    )


@pytest.fixture
def node() -> GraphNode:
    node = GraphNode()
    node.publish("/image", IMAGE)
    node.publish("/depth/image", IMAGE)
    node.publish("/points", POINTS)
    return node


def test_what_arrives_is_counted_and_kept(node: GraphNode) -> None:
    feeds = Feeds(node, NONE)
    feeds.look()
    node.send("/image", image_message(picture(1), "rgb8", START_NS))
    node.send("/depth/image", depth_message())
    node.send("/points", cloud_message())
    assert {role: feed.topic for role, feed in feeds.by_role.items()} == {
        "image": "/image",
        "depth": "/depth/image",
        "points": "/points",
    }
    statistics = {role: feed.statistics for role, feed in feeds.by_role.items()}
    assert [item.count for item in statistics.values()] == [1, 1, 1]
    assert [item.shape for item in statistics.values()] == ["rgb8 64x48", "32FC1 64x48", "64x48 points"]
    assert statistics["depth"].frame_id == "optical"
    image_HW3, depth_HW = feeds.newest_image(), feeds.newest_depth()
    assert image_HW3 is not None and depth_HW is not None
    np.testing.assert_array_equal(image_HW3, picture(1))
    assert np.all(depth_HW == 2.0)
    assert feeds.cloud.point_step == 16


def test_the_picture_is_the_one_the_depth_belongs_to(node: GraphNode) -> None:
    feeds = Feeds(node, NONE)
    feeds.look()
    for index in range(5):
        node.send("/image", image_message(picture(index), "rgb8", START_NS + index))
    node.send("/depth/image", depth_message(stamp_ns=START_NS + 2))
    image_HW3 = feeds.newest_image()
    assert image_HW3 is not None
    np.testing.assert_array_equal(image_HW3, picture(2))


def test_qos_follows_the_publisher(node: GraphNode) -> None:
    from depth_anything_ros.ros import ReliabilityPolicy

    feeds = Feeds(node, NONE)
    feeds.look()
    feeds.look()
    assert node.num_subscribed == 3
    assert node.subscriptions["/image"].qos_profile.reliability == ReliabilityPolicy.RELIABLE
    node.send("/image", image_message(picture(), "rgb8", START_NS))
    node.publish("/image", IMAGE, reliable=False)
    feeds.look()
    assert node.subscriptions["/image"].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert node.num_subscribed == 4
    node.send("/image", image_message(picture(), "rgb8", START_NS))
    assert feeds.by_role["image"].statistics.count == 2  # counted on


def test_a_colour_picture_called_depth_is_given_up(node: GraphNode) -> None:
    node.publish("/depth", IMAGE)
    feeds = Feeds(node, NONE)
    feeds.look()
    assert feeds.by_role["depth"].topic == "/depth"
    node.send("/depth", image_message(picture(), "rgb8", START_NS))
    assert feeds.by_role["depth"].problem.startswith("/depth holds rgb8 images; a depth image is wanted")
    feeds.look()
    assert feeds.by_role["depth"].topic == "/depth/image"
    assert "/depth" not in node.subscriptions


def test_compressed_pictures_are_shown() -> None:
    node = GraphNode()
    node.publish("/image/compressed", COMPRESSED)
    feeds = Feeds(node, NONE)
    feeds.look()
    node.send("/image/compressed", compressed_message(jpeg(picture()), START_NS, "jpeg"))
    image_HW3 = feeds.newest_image()
    assert image_HW3 is not None and image_HW3.shape == (48, 64, 3)
    assert feeds.by_role["image"].statistics.shape.startswith("jpeg ")


def test_an_unusable_picture_is_explained(node: GraphNode) -> None:
    feeds = Feeds(node, NONE)
    feeds.look()
    node.send("/image", image_message(picture(), "rgb8", START_NS, step=3))
    assert feeds.newest_image() is None
    assert "a picture on /image is unusable: step 3 is too small" in feeds.reasons(0.0)[0]


def test_reasons_say_what_is_waited_for(node: GraphNode) -> None:
    from depth_anything_ros import qos

    del node.types["/points"]
    feeds = Feeds(node, {**NONE, "image": "/image"})
    feeds.look()
    node.send("/depth/image", depth_message())
    last_s = feeds.by_role["depth"].statistics._last_s
    assert feeds.reasons(last_s + 1.0) == [
        "nothing on /image yet: /camera has it but has sent nothing",
        "no point cloud: nobody publishes one (sensor_msgs/msg/PointCloud2)",
    ]
    assert feeds.reasons(last_s + 5.0)[1] == "nothing on /depth/image for 5 s"
    # Between two looks at the graph a publisher of another kind may have come.
    node.publisher_infos["/image"][0].qos_profile = qos.profile("sensor_data", 1)
    assert feeds.reasons(last_s)[0] == (
        "nothing on /image: /camera publishes best effort, the subscription asks reliable"
    )


def test_a_publisher_that_leaves_is_noticed(node: GraphNode) -> None:
    feeds = Feeds(node, NONE)
    feeds.look()
    node.send("/image", image_message(picture(), "rgb8", START_NS))
    del node.types["/image"]
    feeds.look()
    assert "nobody publishes /image any more" in feeds.reasons(0.0)
    assert feeds.by_role["image"].statistics.count == 1


def test_a_named_topic_of_another_type_is_refused(node: GraphNode) -> None:
    with pytest.raises(ConfigError, match="--depth /points is of type"):
        Feeds(node, {**NONE, "depth": "/points"}).look()


def test_diagnostics_keep_the_newest_of_each_name(node: GraphNode) -> None:
    node.publish("/diagnostics", DIAGNOSTICS)
    feeds = Feeds(node, NONE)
    feeds.look()
    for message in ("old", "new"):
        status = SimpleNamespace(name="engine", message=message)
        node.send("/diagnostics", SimpleNamespace(status=[status]))
    assert [status.message for status in feeds.diagnostics.values()] == ["new"]


def test_a_viewer_gets_the_bytes_as_they_came(node: GraphNode) -> None:
    seen: list[tuple[str, str, bytes]] = []
    node.publish("/camera_info", "sensor_msgs/msg/CameraInfo")
    feeds = Feeds(
        node,
        NONE,
        forward=lambda *arguments: seen.append(arguments),
        also=("sensor_msgs/msg/CameraInfo",),
        decode=STORE.deserialize_cdr,
    )
    feeds.look()
    assert all(subscription.raw for subscription in node.subscriptions.values())
    cdr = bytes(STORE.serialize_cdr(depth_message(), IMAGE))
    node.send("/depth/image", cdr)
    node.send("/camera_info", b"not looked at")
    assert seen == [("/depth/image", IMAGE, cdr), ("/camera_info", "sensor_msgs/msg/CameraInfo", b"not looked at")]
    assert feeds.by_role["depth"].statistics.shape == "32FC1 64x48"
