"""What the node is started with: a mistake is one line and exit code 2, or a reason on a living node's /diagnostics."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.live.actors import Actor, Graph

PLANE = ("-p", "model:=plane:z=2.0")


def refusal(node: Actor) -> str:
    """The one line that a node which does not start says."""
    assert node.wait_for_end() == 2, node.tail()
    lines = [line for line in node.log if line.startswith("depth_node: error: ")]
    assert len(lines) == 1 and "Traceback" not in "".join(node.log)
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "modle:=starter"), ("unknown parameter 'modle'", "did you mean model?")),
        (("-p", "points.strid:=2"), ("unknown parameter 'points.strid'", "did you mean points.stride?")),
        (("-p", "points.stride:=-1"), ("parameter points.stride is -1", "from 0 to 64")),
        (("-p", "scale:=big"), ("parameter scale is 'big'", "a number with a decimal point")),
        (("-p", "depth_size:=half"), ("parameter depth_size is 'half'", "camera, network")),
        (("-p", "min_depth:=5.0", "-p", "max_depth:=1.0"), ("min_depth below max_depth",)),
        (("-p", "cameras:=[front, front]"), ("parameter cameras is", "different names")),
    ],
    ids=["unknown", "unknown nested", "range", "type", "choice", "pair", "cameras"],
)
def test_a_parameter_that_is_not_accepted_is_refused(
    graph: Graph, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    line = refusal(graph.bare_node("--ros-args", *PLANE, *arguments))
    for word in words:
        assert word in line


def test_a_file_with_an_unknown_key_is_refused_with_the_nearest_name(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "depth.yaml"
    path.write_text("depth_anything:\n  ros__parameters:\n    model: 'plane:z=2.0'\n    edge_ration: 0.1\n")
    line = refusal(graph.bare_node("--ros-args", "--params-file", str(path)))
    assert "unknown parameter 'edge_ration'" in line and "did you mean edge_ratio?" in line


def test_a_file_sets_parameters(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "depth.yaml"
    path.write_text("/**:\n  ros__parameters:\n    scale: 3.0\n    points:\n      stride: 4\n")
    camera, consumer = graph.camera(), graph.consumer("points")
    graph.node(ros_args=("--params-file", str(path)))
    camera.wait_for_subscribers()
    camera.stream(rate=10.0)
    cloud = consumer.wait_for_message("points")
    assert cloud["low"] == pytest.approx(6.0) and (cloud["width"], cloud["height"]) == (160, 120)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--ros-args", "-p", "model"), "model"),
        (("--ros-args", "--params-file", "absent.yaml"), "absent.yaml"),
        (("--ros-args", "--no-such-flag"), "--no-such-flag"),
        (("picture.png",), "picture.png"),
    ],
    ids=["no value", "no file", "unknown flag", "not ROS"],
)
def test_arguments_that_make_no_sense_are_refused(graph: Graph, arguments: tuple[str, ...], word: str) -> None:
    assert word in refusal(graph.bare_node(*arguments))


@pytest.mark.parametrize("domain", ["300", "-1", "seven"])
def test_a_domain_id_that_is_not_accepted_is_refused(graph: Graph, domain: str) -> None:
    line = refusal(graph.bare_node("--ros-args", *PLANE, ROS_DOMAIN_ID=domain))
    assert "domain" in line.lower()


def test_a_model_that_does_not_exist_leaves_the_node_alive_with_the_reason(graph: Graph) -> None:
    consumer = graph.consumer()
    node = graph.bare_node("--ros-args", "-p", "model:=absent.onnx")
    assert "cannot configure: no network at absent.onnx" in node.wait_for_log("cannot configure")
    status = consumer.wait_for_status(": engine", lambda s: "absent.onnx" in s["message"])
    assert status["level"] == 2 and status["values"]["state"] == "unconfigured"
    assert "configure the node again after mending it" in status["message"]
    assert node.stop(signal.SIGINT) == 0, node.tail()


def test_a_model_that_does_not_exist_can_be_mended_without_a_restart(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    node = graph.node(model="absent.onnx")
    assert node.ask("transition", name="configure") == "FAILURE"
    assert node.ask("set", values={"model": "plane:z=3.0"})[0]["successful"]
    assert node.ask("transition", name="configure") == "SUCCESS"
    assert node.ask("transition", name="activate") == "SUCCESS"
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, width=160, height=120)
    assert consumer.wait_for_message("depth/image")["low"] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("model", "word"),
    [("weights.pth", "accepted: an .onnx file"), ("plane:depth=1", "plane option 'depth=1' is unknown")],
)
def test_a_model_of_another_kind_says_what_is_accepted(graph: Graph, model: str, word: str) -> None:
    node = graph.bare_node("--ros-args", "-p", f"model:={model}")
    assert word in node.wait_for_log("cannot configure")
    assert node.returncode is None


def test_names_can_be_remapped(graph: Graph) -> None:
    consumer = graph.consumer("/robot/depth/image")
    node = graph.node(ros_args=("-r", "__ns:=/robot", "-r", "__node:=eye", "-r", "image:=/cam/image_raw"))
    assert node.records[0]["ready"] == "/robot/eye"
    status = consumer.wait_for_status("robot/eye: camera")
    assert status["values"]["image topic"] == "/cam/image_raw"
    assert status["values"]["camera_info topic"] == "/robot/camera_info"
