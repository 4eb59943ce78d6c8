"""What may happen while the node's plan is being built: other cameras, transitions, parameters, the end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live.actors import Actor, Graph
from tests.plan_machine import builders_for, wait_for
from tests.tensorrt_double.install import environment
from tests.tensorrt_double.settings import Settings
from tests.tiny_networks import write_network

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")

VIEWS: dict[str, dict[str, Any]] = {
    "front": {"width": 160, "height": 120, "cx": 80.0, "cy": 60.0},
    "wide": {"width": 320, "height": 120, "cx": 160.0, "cy": 60.0},
}
Start = Callable[..., Actor]


@pytest.fixture
def on_robot(graph: Graph, tmp_path: Path) -> Start:
    """Starts the node on an imagined robot where a build takes a while."""
    network = write_network(tmp_path)
    graph.env["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    def start(build_seconds: float, **parameters: Any) -> Actor:
        graph.add_env(environment(Settings(build_seconds=build_seconds)))
        node: Actor = graph.node(model=str(network), engine="tensorrt", **parameters)
        return node

    return start


def is_prepared(status: dict[str, Any]) -> bool:
    return "being prepared" in status["values"]


def test_a_camera_of_a_new_size_does_not_stop_the_others(graph: Graph, on_robot: Start) -> None:
    cameras = graph.camera(cameras=list(VIEWS))
    consumer = graph.consumer(*(f"{name}/depth/image" for name in VIEWS))
    on_robot(4.0, cameras=list(VIEWS))
    cameras.wait_for_subscribers(camera="front")
    cameras.stream(rate=20.0, camera="front", **VIEWS["front"])
    consumer.wait_for_message("front/depth/image")
    dropped = "dropped: the engine is being prepared"
    lost = consumer.wait_for_status(": camera front")["values"].get(dropped)
    cameras.stream(rate=20.0, camera="wide", **VIEWS["wide"])
    status = consumer.wait_for_status(": camera wide", lambda s: dropped in s["values"])
    before = len(consumer.of("front/depth/image"))
    front = consumer.wait_for_status(": camera front")
    assert front["message"] == "publishing" and status["level"] == 1
    consumer.wait_for_message("wide/depth/image")
    assert len(consumer.of("front/depth/image")) - before > 10
    assert consumer.wait_for_status(": camera front")["values"].get(dropped) == lost


def test_every_transition_is_quick_while_a_plan_is_built(graph: Graph, on_robot: Start, tmp_path: Path) -> None:
    consumer = graph.consumer("depth/image")
    node = on_robot(60.0, camera_size="160x120")
    consumer.wait_for_status(": engine", is_prepared)
    for transitions in (("deactivate", "activate"), ("deactivate", "cleanup", "configure", "activate")):
        wait_for(lambda: len(builders_for(tmp_path)) == 1)
        start_s = time.monotonic()
        assert [node.ask("transition", name=name) for name in transitions] == ["SUCCESS"] * len(transitions)
        assert time.monotonic() - start_s < 5.0
    wait_for(lambda: len(builders_for(tmp_path)) == 1)
    refused = node.ask("set", values={"model": "starter"})[0]
    assert not refused["successful"] and "clean up the node first" in refused["reason"]
    node.ask("transition", name="deactivate")
    node.ask("transition", name="cleanup")
    assert builders_for(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_the_end_of_the_node_is_that_of_the_build(
    graph: Graph, on_robot: Start, tmp_path: Path, number: int, code: int
) -> None:
    node = on_robot(60.0, camera_size="160x120")
    wait_for(lambda: len(builders_for(tmp_path)) == 1)
    start_s = time.monotonic()
    assert node.stop(number) == code
    wait_for(lambda: builders_for(tmp_path) == [], timeout_s=5.0)
    assert time.monotonic() - start_s < 5.0
    assert not any("Traceback" in line for line in node.log)
