"""Each of the three goes and comes back; nobody listens; signals end the node with exit code 0."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from tests.live.actors import Actor, Camera, Consumer, Graph

SMALL: dict[str, Any] = {"width": 160, "height": 120, "cx": 80.0, "cy": 60.0}


def start(graph: Graph, **parameters: Any) -> tuple[Camera, Actor, Consumer]:
    """The three, with depth coming through."""
    camera, consumer = graph.camera(), graph.consumer("depth/image", "points")
    node = graph.node(**parameters)
    camera.wait_for_subscribers()
    camera.stream(rate=20.0, **SMALL)
    consumer.wait_for_message("points")
    return camera, node, consumer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ended", "killed"])
def test_a_camera_may_restart(graph: Graph, number: int) -> None:
    camera, node, consumer = start(graph)
    camera.stop(number)
    # A camera that was killed is missed only when its lease ends, but its images stop at once.
    consumer.wait_for_status(": camera", lambda s: "image on /image" in s["message"] or "no publisher" in s["message"])
    camera = graph.camera()
    camera.stream(rate=20.0, **SMALL)
    first = camera.stamps()[0]
    for topic in ("depth/image", "points"):
        consumer.wait_for_message(topic, lambda record: record["stamp_ns"] >= first)
    assert node.returncode is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ended", "killed"])
def test_the_node_may_restart(graph: Graph, number: int) -> None:
    camera, node, consumer = start(graph)
    assert node.stop(number) == (0 if number == signal.SIGINT else -signal.SIGKILL)
    graph.node()
    ended = camera.stamps()[-1]
    for topic in ("depth/image", "points"):
        consumer.wait_for_message(topic, lambda record: record["stamp_ns"] > ended)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ended", "killed"])
def test_a_consumer_may_restart(graph: Graph, number: int) -> None:
    camera, node, consumer = start(graph)
    consumer.stop(number)
    again = graph.consumer("depth/image", "points", name="again")
    joined = camera.stamps()[-1]
    for topic in ("depth/image", "points"):
        again.wait_for_message(topic, lambda record: record["stamp_ns"] > joined)
    assert node.returncode is None


def test_while_nobody_listens_images_are_not_even_received(graph: Graph) -> None:
    camera = graph.camera()
    node = graph.node()
    camera.stream(rate=20.0, **SMALL)
    idle = graph.consumer(name="idle")
    status = idle.wait_for_status(": camera")
    assert "nobody subscribes to an output" in status["message"] and status["level"] == 0
    for _ in range(2):
        since = len(camera.records)
        idle.ask("subscribe", topic="depth/image", policies={})
        mark = len(idle.records)
        camera.wait_for_subscribers(1, since=since)
        idle.wait_for_message("depth/image", since=mark)
        since = len(camera.records)
        idle.ask("unsubscribe", topic="depth/image")
        camera.wait_for_subscribers(0, since=since)
        received = idle.wait_for_status(": camera")["values"]["images received"]
        time.sleep(0.5)
        status = idle.wait_for_status(": camera")
        assert status["values"]["images received"] == received
        assert status["level"] == 0 and "nobody subscribes to an output" in status["message"]
    assert node.returncode is None


def test_only_what_is_subscribed_to_is_computed(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/camera_info")
    graph.node()
    camera.wait_for_subscribers()
    camera.stream(rate=20.0, **SMALL)
    consumer.wait_for_messages("depth/camera_info", 3)
    values = consumer.wait_for_status(": camera", lambda s: s["message"] == "publishing")["values"]
    assert values["subscribed to outputs"] == "depth_camera_info"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_a_signal_ends_the_node_with_exit_code_0(graph: Graph, number: int, is_busy: bool) -> None:
    if is_busy:
        camera, consumer = graph.camera(), graph.consumer("depth/image", "points")
    node = graph.bare_node("--ros-args", "-p", "model:=plane:z=2.0")
    node.wait_for_log("ready: /image with /camera_info")
    if is_busy:
        camera.wait_for_subscribers()
        camera.stream(rate=30.0)
        consumer.wait_for_messages("points", 3)
    assert node.stop(number) == 0, node.tail()
    assert not [line for line in node.log if "Traceback" in line or "Error" in line]


def test_a_signal_while_the_engine_loads_ends_the_node(graph: Graph) -> None:
    node = graph.bare_node()
    time.sleep(0.8)
    assert node.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
    assert not [line for line in node.log if "Traceback" in line]


def test_every_state_can_be_left_and_entered_again(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    node = graph.node(autostart=False)
    camera.stream(rate=20.0, **SMALL)
    waiting = consumer.wait_for_status(": engine", lambda s: s["values"]["state"] == "unconfigured")
    assert waiting["message"] == "unconfigured: no engine loaded"
    for _ in range(2):
        assert node.ask("transition", name="configure") == "SUCCESS"
        consumer.wait_for_status(": engine", lambda s: s["values"]["state"] == "inactive")
        for _ in range(2):
            assert node.ask("transition", name="activate") == "SUCCESS"
            mark = camera.stamps()[-1]
            consumer.wait_for_message("depth/image", lambda record, mark=mark: record["stamp_ns"] > mark)
            assert node.ask("transition", name="deactivate") == "SUCCESS"
            num = len(consumer.of("depth/image"))
        assert node.ask("transition", name="cleanup") == "SUCCESS"
        consumer.wait_for_status(": engine", lambda s: s["values"]["state"] == "unconfigured")
        assert len(consumer.of("depth/image")) <= num + 1
    assert node.ask("transition", name="shutdown") == "SUCCESS"
    assert node.stop(signal.SIGINT) == 0
