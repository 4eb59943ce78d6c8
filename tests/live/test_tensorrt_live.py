"""The node on TensorRT's stand-in: it answers while a plan is built, and replaces a wrong one, saying why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.live.actors import Graph
from tests.tensorrt_double.install import environment
from tests.tensorrt_double.settings import Fault, Settings
from tests.tiny_networks import write_network

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")

VIEW: dict[str, Any] = {"width": 160, "height": 120, "fx": 120.0, "fy": 120.0, "cx": 80.0, "cy": 60.0}


@pytest.fixture
def on_robot(graph: Graph, tmp_path: Path) -> Any:
    """A function that starts the node on an imagined robot, with a network and a plan cache of the test's own."""
    network = write_network(tmp_path)
    graph.env["XDG_CACHE_HOME"] = str(tmp_path / "cache")

    def start(settings: Settings, **parameters: Any) -> Any:
        graph.add_env(environment(settings))
        return graph.node(model=str(network), engine="tensorrt", **parameters)

    return start


def test_the_node_answers_while_the_plan_is_built_and_then_gives_depth(graph: Graph, on_robot: Any) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    node = on_robot(Settings(build_seconds=4.0), camera_size="160x120")
    engine = consumer.wait_for_status(": engine", lambda status: "being prepared" in status["values"])
    assert engine["level"] == 1 and "plan" in engine["message"]
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, **VIEW)
    values = consumer.wait_for_status(": camera", lambda s: "dropped: the engine is being prepared" in s["values"])
    assert values["level"] == 1
    assert node.ask("set", values={"scale": 1.5})[0]["successful"]
    assert consumer.of("depth/image") == []
    consumer.wait_for_message("depth/image")
    engine = consumer.wait_for_status(": engine", lambda status: "being prepared" not in status["values"])
    assert engine["level"] == 0
    assert (engine["values"]["precision"], engine["values"]["engine errors"]) == ("fp16", "0")
    assert engine["values"]["engine"].startswith("tensorrt TensorRT 10.3")
    assert node.wait_for_log("tiny on tensorrt fp16")


def test_another_engine_gives_depth_meanwhile(graph: Graph, on_robot: Any) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    on_robot(Settings(build_seconds=3.0), engine_meanwhile="onnxruntime")
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, **VIEW)
    consumer.wait_for_message("depth/image")
    meanwhile = consumer.wait_for_status(": engine", lambda status: "onnxruntime" in status["values"].get("engine", ""))
    assert "being prepared" in meanwhile["values"]
    after = consumer.wait_for_status(": engine", lambda status: "tensorrt" in status["values"].get("engine", ""))
    assert after["level"] == 0


def test_a_plan_that_is_silently_wrong_is_replaced_and_the_verdict_shown(graph: Graph, on_robot: Any) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    on_robot(Settings(faults=(Fault(kind="shuffled", name="tiny fp16"),)))
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, **VIEW)
    consumer.wait_for_message("depth/image")
    values = consumer.wait_for_status(
        ": engine", lambda status: status["values"].get("precision") not in (None, "auto")
    )
    assert values["values"]["precision"] == "fp16-attention-fp32"
    assert "fp16: rejected" in values["values"]["notes"]


@pytest.mark.parametrize("cpu_fallback", [False, True])
def test_where_no_plan_is_right_the_cpu_runs_only_if_that_was_allowed(
    graph: Graph, on_robot: Any, cpu_fallback: bool
) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    node = on_robot(Settings(faults=(Fault(kind="scaled"),)), cpu_fallback=cpu_fallback, max_failures=3)
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, **VIEW)
    if cpu_fallback:
        consumer.wait_for_message("depth/image")
        engine = consumer.wait_for_status(": engine", lambda s: "tensorrt" not in s["values"].get("engine", "tensorrt"))
        assert "allowed as a fallback" in engine["values"]["chosen because"] and engine["level"] == 1
        return
    engine = consumer.wait_for_status(": engine", lambda status: status["values"]["state"] == "unconfigured")
    assert engine["level"] == 2 and "passes its check" in engine["message"]
    assert consumer.of("depth/image") == []
    assert node.wait_for_log("cannot go on: 3 engine errors in a row")
    assert not any("ready" in line and "engine" in line for line in node.log)


def test_without_a_gpu_configuring_fails_with_one_line(graph: Graph, on_robot: Any) -> None:
    consumer = graph.consumer()
    node = on_robot(Settings(gpu=None))
    engine = consumer.wait_for_status(": engine", lambda status: status["level"] == 2)
    assert engine["values"]["state"] == "unconfigured"
    line = node.wait_for_log("cannot configure: ")
    assert "CUDA" in line or "driver" in line
