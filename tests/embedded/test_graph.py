"""What a process knows of the graph: nodes, topics and endpoints, its own and those of others."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from tests.embedded.peers import peer


def test_own_nodes_topics_and_endpoints_are_known(ros: ModuleType) -> None:
    first, second = ros.Node("first", namespace="/a"), ros.Node("second")
    image = ros.message("sensor_msgs/msg/Image")
    profile = ros.QoSProfile(depth=3, durability=ros.DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = first.create_publisher(image, "image", profile)
    second.create_subscription(image, "/a/image", print, 7)
    assert sorted(second.get_node_names_and_namespaces()) == [("first", "/a"), ("second", "/")]
    assert ("/a/image", ["sensor_msgs/msg/Image"]) in second.get_topic_names_and_types()
    assert (second.count_publishers("/a/image"), second.count_subscribers("a/image")) == (1, 1)
    (info,) = second.get_publishers_info_by_topic("/a/image")
    assert (info.node_name, info.node_namespace, info.topic_type) == ("first", "/a", "sensor_msgs/msg/Image")
    assert info.qos_profile == profile
    assert bytes(info.endpoint_gid) == publisher.writer.gid
    (info,) = first.get_subscriptions_info_by_topic("image")
    assert (info.node_name, info.qos_profile.depth) == ("second", 7)


def test_topics_of_services_and_of_dds_are_no_topics(ros: ModuleType) -> None:
    node = ros.Node("plain")
    assert [name for name, _ in node.get_topic_names_and_types()] == ["/parameter_events", "/rosout"]


def test_what_is_destroyed_is_gone(ros: ModuleType) -> None:
    node, other = ros.Node("node"), ros.Node("other")
    text = ros.message("std_msgs/msg/String")
    publisher = node.create_publisher(text, "t", 1)
    assert other.count_publishers("t") == 1
    assert node.destroy_publisher(publisher)
    assert not node.destroy_publisher(publisher)
    assert other.count_publishers("t") == 0
    node.create_subscription(text, "t", print, 1)
    node.destroy_node()
    node.destroy_node()
    assert other.count_subscribers("t") == 0
    assert other.get_node_names_and_namespaces() == [("other", "/")]


def test_nodes_of_another_process_are_known_by_name(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("here")
    with peer("idle") as process:
        assert spin_until(lambda: ("idle", "/peer") in node.get_node_names_and_namespaces(), node)
        assert spin_until(lambda: node.count_publishers("/peer/idle") == 1, node)
        (info,) = node.get_publishers_info_by_topic("/peer/idle")
        assert (info.node_name, info.node_namespace, info.topic_type) == ("idle", "/peer", "std_msgs/msg/String")
        process.terminate()
        assert spin_until(lambda: node.count_publishers("/peer/idle") == 0, node)
        assert process.wait(10) == 0
    assert node.get_node_names_and_namespaces() == [("here", "/")]


def test_a_killed_peer_is_forgotten_when_its_lease_ends(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("here")
    subscription = node.create_subscription(ros.message("std_msgs/msg/String"), "/peer/idle", print, 1)
    with peer("idle") as process:
        assert spin_until(lambda: subscription.get_publisher_count() == 1, node)
        process.kill()
        killed = time.monotonic()
        assert spin_until(lambda: subscription.get_publisher_count() == 0, node, timeout_sec=20)
        assert time.monotonic() - killed < 15
    assert spin_until(lambda: node.count_publishers("/peer/idle") == 0, node)
    assert spin_until(lambda: node.get_node_names_and_namespaces() == [("here", "/")], node)


def test_a_participant_of_another_ros_release_does_no_harm(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    """Humble's gid has 24 bytes, so what it says of its nodes cannot be read; everything else goes on."""
    node = ros.Node("here")
    graph = node._context.graph
    graph._writer.write(b"\x00\x01\x00\x00" + bytes(24) + bytes(4))
    assert not spin_until(lambda: False, node, timeout_sec=0.5)
    assert ("here", "/") in node.get_node_names_and_namespaces()
    node.destroy_node()
