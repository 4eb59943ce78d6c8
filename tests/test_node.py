"""The lifecycle node by itself: states, parameters, what is refused. Traffic is in tests/live."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import ConfigError
from tests.worlds import require_world

require_world()

from depth_anything_ros import node as node_module  # noqa: E402
from depth_anything_ros import node_engine, ros  # noqa: E402
from depth_anything_ros.node import DepthNode  # noqa: E402
from depth_anything_ros.node_parameters import descriptor_of  # noqa: E402
from depth_anything_ros.params import PARAMETERS  # noqa: E402
from depth_anything_ros.ros import Parameter, TransitionCallbackReturn  # noqa: E402
from tests.embedded.domains import unused_domain  # noqa: E402

DOMAIN = str(unused_domain())
SUCCESS, FAILURE, ERROR = (getattr(TransitionCallbackReturn, name) for name in ("SUCCESS", "FAILURE", "ERROR"))


@pytest.fixture
def make_node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., DepthNode]]:
    """Makes nodes with parameters; the exact plane is their engine unless told otherwise."""
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    ros.init(args=[])
    nodes: list[DepthNode] = []

    def make(**values: Any) -> DepthNode:
        values = {"autostart": False, "model": "plane:", **values}
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        nodes.append(DepthNode(parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.release()
        node.destroy_node()
    ros.try_shutdown()


def spin_until(node: DepthNode, condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end_s, "not within 10 s"
        ros.spin_once(node, timeout_sec=0.05)


def set_one(node: DepthNode, name: str, value: Any) -> Any:
    return node.set_parameters([Parameter(name, value=value)])[0]


def test_every_state_can_be_left_and_entered_again(make_node):
    node = make_node()
    for _ in range(2):
        assert node.trigger_configure() == SUCCESS
        for _ in range(2):
            assert node.trigger_activate() == SUCCESS
            assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_shutdown() == SUCCESS


def test_autostart_configures_and_activates(make_node):
    node = make_node(autostart=True)
    spin_until(node, lambda: node._state == "active")
    assert node.count_publishers("depth/image") == 1


def test_topics_are_open_only_while_active(make_node):
    node = make_node(cameras=["front", "left"])
    topics = [f"/{camera}/{topic}" for camera in ("front", "left") for topic in ("depth/image", "points")]
    assert [node.count_publishers(topic) for topic in topics] == [0] * 4
    node.trigger_configure()
    node.trigger_activate()
    spin_until(node, lambda: all(node.count_publishers(topic) == 1 for topic in topics))
    node.trigger_deactivate()
    spin_until(node, lambda: all(node.count_publishers(topic) == 0 for topic in topics))


def test_a_model_that_does_not_exist_is_a_failed_transition_that_can_be_mended(make_node):
    node = make_node(model="nowhere.onnx")
    assert node.trigger_configure() == FAILURE
    assert node._failure == "no network at nowhere.onnx"
    assert set_one(node, "model", "plane:").successful
    assert node.trigger_configure() == SUCCESS


def test_a_bug_while_configuring_is_an_error_and_not_the_end(make_node, monkeypatch):
    node = make_node()

    def fail(*arguments: Any, **options: Any) -> None:
        raise ZeroDivisionError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(node_module, "load_engine", fail)
        assert node.trigger_configure() == ERROR
    assert node._failure == "ZeroDivisionError: a bug"
    assert node.trigger_configure() == SUCCESS


def test_a_failed_engine_ends_unconfigured_and_can_be_configured_again(make_node):
    node = make_node()
    node.trigger_configure()
    node.trigger_activate()
    node._worker.failure = "5 engine errors in a row, the last: lost device"
    spin_until(node, lambda: node._state == "unconfigured")
    assert "lost device" in node._failure
    assert node._engine is None
    assert node.trigger_configure() == SUCCESS
    assert node._failure == ""
    assert node.trigger_activate() == SUCCESS


def test_a_value_that_the_network_cannot_have_is_told_when_it_has_been_fetched(make_node, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(node_engine, "needs_fetch", lambda model: True)
    monkeypatch.setattr(node_engine, "fetch_model", lambda model, **options: go.wait(10.0))
    monkeypatch.setattr(node_module, "load_engine", lambda model, options, **changes: load_engine("plane:"))
    node = make_node(model="v2-metric-indoor-small")
    assert node.trigger_configure() == SUCCESS and node.trigger_activate() == SUCCESS
    assert set_one(node, "min_depth", 1000.0).successful  # the network's own limit is not known yet
    go.set()
    spin_until(node, lambda: node._state == "unconfigured")
    assert "depth range 1000" in node._failure and node._engine is None


def test_a_live_parameter_is_taken_over_as_a_whole(make_node):
    node = make_node()
    node.trigger_configure()
    node.trigger_activate()
    assert set_one(node, "scale", 2.5).successful
    assert set_one(node, "depth_size", "network").successful
    assert node._worker.pipeline.options.scale == 2.5
    assert node._worker.pipeline.options.depth_size == "network"
    assert node._channels[0].values["scale"] == 2.5


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("model", "other.onnx", "model is read when the node is configured; deactivate and clean up the node first"),
        ("qos.image.depth", 5, "read when the node is configured"),
        ("depth_size", "huge", "depth_size is 'huge'; accepted: camera, network"),
        ("scale", 5000.0, "5000"),
        ("min_depth", 900.0, "900"),
    ],
)
def test_a_change_that_is_not_acceptable_is_refused_with_the_reason(make_node, name, value, words):
    node = make_node(max_depth=20.0)
    node.trigger_configure()
    before = node.get_parameter(name).value
    result = set_one(node, name, value)
    assert not result.successful
    assert words in result.reason
    assert node.get_parameter(name).value == before


def test_what_is_read_at_the_start_cannot_change(make_node):
    result = set_one(make_node(), "autostart", True)
    assert not result.successful
    assert "read" in result.reason


def test_what_configuring_reads_may_change_before_it(make_node):
    node = make_node()
    assert set_one(node, "cameras", ["a", "b"]).successful
    node.trigger_configure()
    node.trigger_activate()
    assert [channel.name for channel in node._channels] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_dept": 3.0}, r"unknown parameter 'max_dept'; did you mean max_depth\?"),
        ({"scale": 0.0}, "parameter scale is 0.0; accepted: a number with a decimal point from 0.001 to 1000"),
        ({"threads": 1.5}, "parameter threads is 1.5; accepted: a whole number from 0 to 1024"),
        ({"min_depth": 3.0, "max_depth": 2.0}, "accepted: min_depth below max_depth"),
        ({"cameras": ["a", "a"]}, "a list of different names"),
        ({"cameras": ["a/b"]}, "a list of different names"),
    ],
)
def test_a_start_with_a_wrong_parameter_is_refused(make_node, values, words):
    with pytest.raises(ConfigError, match=words):
        make_node(**values)


@pytest.mark.skipif(ros.WORLD == "rclpy", reason="rclpy says it in its log and goes on")
def test_what_ros_itself_refuses_keeps_its_reason(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)
    result = run_node("--ros-args", "-p", "use_sim_time:=seven")
    assert result.returncode == 2
    assert "use_sim_time" in result.stderr
    assert "AttributeError" not in result.stderr


def test_every_parameter_is_declared_and_described(make_node):
    node = make_node()
    for spec in PARAMETERS:
        descriptor = descriptor_of(spec)
        assert node.has_parameter(spec.name)
        assert descriptor.description == spec.description
        assert spec.accepted in descriptor.additional_constraints
        assert descriptor.read_only == (spec.change == "never")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "max_dept:=2.0"], "unknown parameter 'max_dept'; did you mean max_depth?"),
        (["-p", "scale:=two"], "parameter scale is 'two'; accepted: a number"),
        (["--params-file", "nowhere.yaml"], "nowhere.yaml"),
        (["-p", "model:=plane:"], "plane:"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(arguments, words, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)
    result = run_node("--ros-args", *arguments)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith("depth_node: error: ")]
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in result.stderr


def test_a_domain_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "300")
    result = run_node()
    assert result.returncode == 2
    assert "ROS_DOMAIN_ID is '300'; accepted: a whole number from 0 to 232" in result.stderr


def test_what_is_no_ros_argument_is_refused(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)
    result = run_node("--model", "x.onnx")
    assert result.returncode == 2
    assert "unknown argument '--model'" in result.stderr


def test_help_says_how_to_name_topics():
    result = run_node("--help")
    assert result.returncode == 0
    assert "-r image:=/camera/image_raw" in result.stdout


def run_node(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from depth_anything_ros.node import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
