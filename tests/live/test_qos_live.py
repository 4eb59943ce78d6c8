"""Quality of service between processes: what the camera offers is taken, and who cannot be reached is named."""

from __future__ import annotations

import pytest

from tests.live.actors import Graph

SMALL = {"width": 160, "height": 120, "cx": 80.0, "cy": 60.0}


@pytest.mark.parametrize("reliability", ["reliable", "best_effort"])
def test_either_reliability_of_a_camera_is_taken(graph: Graph, reliability: str) -> None:
    camera = graph.camera(image_qos={"reliability": reliability}, info_qos={"reliability": reliability})
    consumer = graph.consumer("depth/image")
    node = graph.node()
    camera.wait_for_subscribers()
    camera.stream(**SMALL)
    consumer.wait_for_message("depth/image")
    assert not [line for line in node.log if "QoS" in line]


@pytest.mark.parametrize(("before", "after"), [("reliable", "best_effort"), ("best_effort", "reliable")])
def test_a_camera_that_comes_back_with_another_reliability_is_taken(graph: Graph, before: str, after: str) -> None:
    consumer = graph.consumer("depth/image")
    graph.node()
    for reliability in (before, after):
        camera = graph.camera(image_qos={"reliability": reliability}, info_qos={"reliability": reliability})
        camera.stream(**SMALL)
        first = camera.stamps()[0]
        consumer.wait_for_message("depth/image", lambda record, first=first: record["stamp_ns"] >= first)
        camera.stop()


def test_a_camera_info_that_is_published_once_reaches_a_node_that_comes_late(graph: Graph) -> None:
    camera = graph.camera(info_qos={"durability": "transient_local", "depth": 1})
    consumer = graph.consumer("depth/image")
    camera.stream(count=1, with_image=False, **SMALL)
    graph.node()
    camera.wait_for_subscribers()
    camera.stream(with_info=False, **SMALL)
    consumer.wait_for_message("depth/image")


def test_a_camera_that_the_node_does_not_match_is_named(graph: Graph) -> None:
    camera = graph.camera(name="shy_camera", image_qos={"reliability": "best_effort"})
    consumer = graph.consumer("depth/image")
    node = graph.node(qos__image__profile="default")
    camera.stream(**SMALL)
    status = consumer.wait_for_status(": camera", lambda s: "best effort" in s["message"])
    assert status["level"] == 1
    reason = "/image: /shy_camera publishes best effort, the subscription asks reliable"
    assert reason in status["message"] and reason in status["values"]["why nothing is published"]
    assert reason in node.wait_for_log("QoS does not match")
    assert not consumer.of("depth/image")


def test_a_consumer_that_the_node_does_not_match_is_named(graph: Graph) -> None:
    consumer = graph.consumer("depth/image", name="fussy", reliability="reliable")
    node = graph.node(qos__depth_image__profile="sensor_data")
    reason = "/depth/image: /fussy asks otherwise: we publish best effort, the subscription asks reliable"
    status = consumer.wait_for_status(": camera", lambda s: "/fussy" in s["message"])
    assert reason in status["message"] and status["level"] == 1
    assert reason in node.wait_for_log("QoS does not match")


def test_a_consumer_that_asks_for_the_past_is_named(graph: Graph) -> None:
    consumer = graph.consumer("points", name="historian", durability="transient_local")
    node = graph.node()
    line = node.wait_for_log("QoS does not match")
    assert "/historian" in line and "volatile, the subscription asks transient local" in line
    assert "/historian" in consumer.wait_for_status(": camera", lambda s: s["level"] == 1)["message"]


def test_a_warning_is_said_once(graph: Graph) -> None:
    consumer = graph.consumer("points", name="historian", durability="transient_local")
    node = graph.node()
    node.wait_for_log("QoS does not match")
    consumer.wait_for_messages("/diagnostics", 8)
    assert len([line for line in node.log if "QoS does not match" in line]) == 1


def test_outputs_are_reliable_so_that_every_consumer_matches(graph: Graph) -> None:
    """depth_image_proc asks reliable, RViz often best effort."""
    topics = ("depth/image", "depth/camera_info", "points")
    consumers = [graph.consumer(*topics, name=name, reliability=name) for name in ("reliable", "best_effort")]
    camera = graph.camera()
    graph.node()
    camera.wait_for_subscribers()
    camera.stream(**SMALL)
    for consumer in consumers:
        for topic in topics:
            consumer.wait_for_message(topic)
