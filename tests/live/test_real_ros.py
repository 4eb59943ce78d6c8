"""ROS 2's own command line on the running node: lifecycle, parameters and topics, as a user types them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.live.actors import Graph, own_graph

pytestmark = pytest.mark.ros
NAME = "/depth_anything"
TIMEOUT_S = 40.0


@pytest.fixture(scope="module")
def running() -> Iterator[Graph]:
    """A graph with all three at work."""
    with own_graph() as graph:
        camera, consumer = graph.camera(), graph.consumer("depth/image", "points")
        graph.node()
        camera.wait_for_subscribers()
        camera.stream(rate=10.0, width=160, height=120, cx=80.0, cy=60.0)
        consumer.wait_for_message("points")
        yield graph


def ros2(graph: Graph, *words: str) -> str:
    """What the command prints, on either stream."""
    command = ["ros2", *words]
    done = subprocess.run(command, env=graph.env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return done.stdout + done.stderr


def test_the_node_is_listed_with_its_topics(running: Graph) -> None:
    assert NAME in ros2(running, "node", "list", "--no-daemon", "--spin-time", "2").splitlines()
    told = ros2(running, "node", "info", NAME, "--no-daemon", "--spin-time", "2")
    for line in (
        "/image: sensor_msgs/msg/Image",
        "/camera_info: sensor_msgs/msg/CameraInfo",
        "/depth/image: sensor_msgs/msg/Image",
        "/depth/camera_info: sensor_msgs/msg/CameraInfo",
        "/points: sensor_msgs/msg/PointCloud2",
        "/diagnostics: diagnostic_msgs/msg/DiagnosticArray",
        f"{NAME}/change_state: lifecycle_msgs/srv/ChangeState",
    ):
        assert line in told


def test_parameters_are_told_and_described(running: Graph) -> None:
    listed = ros2(running, "param", "list", NAME, "--spin-time", "2")
    assert "points.stride" in listed and "qos.image.profile" in listed
    assert "Integer value is: 0" in ros2(running, "param", "get", NAME, "points.stride", "--spin-time", "2")
    described = ros2(running, "param", "describe", NAME, "depth_size", "--spin-time", "2")
    assert "the camera's or the network's" in described and "accepted: camera, network" in described


def test_a_live_parameter_is_set_and_others_are_refused_with_the_reason(running: Graph) -> None:
    assert "Set parameter successful" in ros2(running, "param", "set", NAME, "scale", "1.5", "--spin-time", "2")
    assert "Double value is: 1.5" in ros2(running, "param", "get", NAME, "scale", "--spin-time", "2")
    refused = ros2(running, "param", "set", NAME, "model", "other.onnx", "--spin-time", "2")
    assert "model is read when the node is configured" in refused
    assert "autostart" in ros2(running, "param", "set", NAME, "autostart", "false", "--spin-time", "2")
    assert "points.stride" in ros2(running, "param", "set", NAME, "points.stride", "99", "--spin-time", "2")


def test_the_cloud_comes_at_the_cameras_rate(running: Graph) -> None:
    told = ros2(running, "topic", "echo", "/points", "--once", "--field", "width", "--spin-time", "2")
    assert "160" in told.split()
    verbose = ros2(running, "topic", "info", "/depth/image", "-v", "--no-daemon", "--spin-time", "2")
    assert "Node name: depth_anything" in verbose and "Reliability: RELIABLE" in verbose


def test_the_states_are_gone_through(running: Graph) -> None:
    def state() -> str:
        return ros2(running, "lifecycle", "get", NAME, "--spin-time", "2").split()[0]

    assert state() == "active"
    for transition, expected in (
        ("deactivate", "inactive"),
        ("cleanup", "unconfigured"),
        ("configure", "inactive"),
        ("activate", "active"),
    ):
        told = ros2(running, "lifecycle", "set", NAME, transition, "--spin-time", "2")
        assert "Transitioning successful" in told
        assert state() == expected
