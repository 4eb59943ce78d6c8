"""The node fetches a known model when it is configured: it stays up, says how far it is, and what is to be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.models import get_model
from depth_anything_ros.scale_calibration import calibration_to_yaml
from depth_anything_ros.spec import load_spec
from tests.fetch.hub_server import Hub, serving
from tests.live.actors import Actor, Graph
from tests.sample_calibrations import make_calibration

pytest.importorskip("huggingface_hub", reason="the node fetches with huggingface_hub (extra fetch)")
foreign_onnx = pytest.importorskip("tests.fetch.foreign_onnx", reason="builds networks with onnx (extra test)")

NAME = "v2-small"
VIEW: dict[str, Any] = {"width": 160, "height": 120, "fx": 120.0, "fy": 120.0, "cx": 80.0, "cy": 60.0}
NO_HUB = "http://127.0.0.1:9"
"""The port of the discard service, which nobody has any more: a connection is refused."""


@pytest.fixture
def robot(graph: Graph, tmp_path: Path) -> Callable[..., Actor]:
    """A function that starts the node on a machine without torch, with folders of the test's own and a hub."""

    def start(endpoint: str = NO_HUB, **parameters: Any) -> Actor:
        graph.env |= {
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "HF_HOME": str(tmp_path / "hub"),
            "HF_ENDPOINT": endpoint,
        }
        return graph.node(has_torch=False, **parameters)

    return start


def full_hub(folder: Path) -> Hub:
    """A hub that holds the ready ONNX of the model."""
    model = get_model(NAME)
    data = foreign_onnx.write_foreign(folder / "ready.onnx").read_bytes()
    return Hub(files={f"{model.onnx_id}/{model.onnx_file}": data})


def is_unconfigured(status: dict[str, Any]) -> bool:
    return bool(status["values"]["state"] == "unconfigured" and status["level"] == 2)


def test_without_a_hub_the_node_stays_up_and_says_which_file_to_put_where(graph: Graph, robot: Any) -> None:
    consumer = graph.consumer()
    node = robot(model=NAME)
    engine = consumer.wait_for_status(": engine", is_unconfigured)
    line = node.wait_for_log("cannot go on: cannot reach the hub")
    model = get_model(NAME)
    for told in (engine["message"], line):
        assert f"without the hub: put {NO_HUB}/{model.onnx_id}/resolve/main/{model.onnx_file} at" in told
        assert f"and run: depth_anything_ros fetch {Path.cwd() / 'model.onnx'} --like {NAME}" in told
    assert node.ask("set", values={"scale": 1.5})[0]["successful"]
    assert [text for text in node.log if "cannot reach the hub" in text] == [line]
    assert node.ask("transition", name="configure") == "SUCCESS"
    node.wait_for_log("cannot go on: cannot reach the hub", since=node.log.index(line) + 1)
    assert node.returncode is None and "ready: " not in "".join(node.log[node.log.index(line) + 1 :])


def test_terms_are_refused_before_the_hub_is_asked_and_can_be_accepted_by_a_parameter(
    graph: Graph, robot: Any, tmp_path: Path
) -> None:
    consumer = graph.consumer()
    with serving(full_hub(tmp_path)) as hub:
        node = robot(hub.endpoint, model="v2-large")
        engine = consumer.wait_for_status(": engine", is_unconfigured)
        assert "accept_license:=cc-by-nc-4.0" in engine["message"]
        assert hub.requests == []
        assert node.ask("set", values={"accept_license": "cc-by-nc-4.0"})[0]["successful"]
        assert node.ask("transition", name="configure") == "SUCCESS"
        consumer.wait_for_status(": engine", lambda status: "large" in status["message"] and status["level"] == 2)
        assert hub.requests != []


def test_a_model_is_fetched_while_the_node_answers_and_gives_metres_with_its_calibration(
    graph: Graph, robot: Any, tmp_path: Path
) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    hub = full_hub(tmp_path)
    (data,) = hub.files.values()
    hub.hang_after = len(data) // 2
    with serving(hub):
        node = robot(hub.endpoint, model=NAME, resize="long_side:112")
        assert hub.has_hung.wait(30.0)
        engine = consumer.wait_for_status(": engine", lambda status: "being prepared" in status["values"])
        assert engine["level"] == 1 and engine["values"]["state"] == "active"
        assert node.ask("set", values={"scale": 1.5})[0]["successful"]
        assert node.ask("transition", name="deactivate") == "SUCCESS"
        assert node.ask("transition", name="cleanup") == "SUCCESS"  # gives the transfer up
        hub.hang_after = 0
        assert node.ask("transition", name="configure") == "SUCCESS"
        # A relative network has no metres of its own.
        engine = consumer.wait_for_status(": engine", lambda status: "relative" in status["message"])
        folder = tmp_path / "data" / "depth_anything_ros" / "models" / NAME
        assert (folder / "DONE").is_file()
    spec = load_spec(folder / f"{NAME}.json")
    measured = {"network": spec.name, "artifact_sha256": spec.artifact_sha256, "quantity": "disparity", "scale": 0.5}
    scale_file = tmp_path / "scale.yaml"
    scale_file.write_text(calibration_to_yaml(make_calibration(**measured, abs_rel_before=None)), "utf-8")
    assert node.ask("transition", name="cleanup") == "SUCCESS"
    assert node.ask("set", values={"scale_file": str(scale_file)})[0]["successful"]
    assert node.ask("transition", name="configure") == "SUCCESS"
    assert node.ask("transition", name="activate") == "SUCCESS"
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, **VIEW)
    consumer.wait_for_message("depth/image")
    engine = consumer.wait_for_status(": engine", lambda status: status["level"] == 0)
    assert engine["values"]["network"] == NAME
    assert "disparity = 0.5 x" in engine["values"]["scale"]
