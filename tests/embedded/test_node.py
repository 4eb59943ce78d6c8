"""A node as its user sees it: names, publishing and receiving, services, late joiners, other processes and threads."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import metadata
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded import requirement
from depth_anything_ros.embedded.endpoints import Service
from depth_anything_ros.embedded.messages import deserialize, serialize
from depth_anything_ros.embedded.qos import QoSProfile, to_dds
from depth_anything_ros.errors import ConfigError, MissingDependency
from tests.embedded.peers import peer
from tests.source_tree import REPOSITORY


def test_names_are_remapped(domain: int) -> None:
    from depth_anything_ros import embedded as ros

    ros.init(args=["x", "--ros-args", "-r", "image:=/camera/image_raw", "-r", "__ns:=/front", "-r", "__node:=eye"])
    try:
        node = ros.Node("depth")
        assert (node.get_name(), node.get_namespace(), node.get_fully_qualified_name()) == (
            "eye",
            "/front",
            "/front/eye",
        )
        assert node.resolve_topic_name("image") == "/camera/image_raw"
        assert node.resolve_topic_name("~/state") == "/front/eye/state"
        assert node.get_logger().name == "front.eye"
        image = ros.message("sensor_msgs/msg/Image")
        assert node.create_publisher(image, "image", 1).topic_name == "/camera/image_raw"
        assert node.create_subscription(image, "other", print, 1).topic_name == "/front/other"
        alone = ros.Node("alone", use_global_arguments=False, cli_args=["--ros-args", "-r", "image:=mine"])
        assert (alone.get_fully_qualified_name(), alone.resolve_topic_name("image")) == ("/alone", "/mine")
    finally:
        ros.try_shutdown()


@pytest.mark.parametrize("name", ["", "1st", "a b", "a/b", "ü"])
def test_bad_node_names_are_refused(ros: ModuleType, name: str) -> None:
    with pytest.raises(ConfigError, match=r"node name .*: accepted are"):
        ros.Node(name)


def test_a_node_that_could_not_be_made_leaves_nothing_behind(ros: ModuleType) -> None:
    other = ros.Node("other")
    with pytest.raises(ConfigError, match="use_sim_time"):
        ros.Node("node", parameter_overrides=[ros.Parameter("use_sim_time", value=True)])
    assert other.get_node_names_and_namespaces() == [("other", "/")]
    assert other.count_publishers("/rosout") == 1


def test_bad_topic_names_are_refused(ros: ModuleType) -> None:
    node = ros.Node("node")
    for topic in ("", "a b", "//a", "a/", "1a"):
        with pytest.raises(ConfigError, match="topic name"):
            node.create_publisher(ros.message("std_msgs/msg/String"), topic, 1)


def test_messages_and_bytes_arrive(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node, image = ros.Node("node"), ros.message("sensor_msgs/msg/Image")
    got: list[Any] = []
    raw: list[Any] = []
    publisher = node.create_publisher(image, "image", 5)
    node.create_subscription(image, "image", got.append, 5)
    node.create_subscription(image, "image", raw.append, 5, raw=True)
    assert publisher.get_subscription_count() == 2
    msg = image(height=2, width=3, encoding="mono8", step=3, data=np.arange(6, dtype=np.uint8))
    publisher.publish(msg)
    publisher.publish(bytes(serialize(msg)))
    assert spin_until(lambda: len(got) == len(raw) == 2, node)
    assert got == [msg, msg]
    assert raw == [bytes(serialize(msg))] * 2


def test_what_cannot_be_published_is_refused_and_the_node_lives(
    ros: ModuleType, spin_until: Callable[..., bool]
) -> None:
    node, image = ros.Node("node"), ros.message("sensor_msgs/msg/Image")
    got: list[Any] = []
    publisher = node.create_publisher(image, "image", 5)
    node.create_subscription(image, "image", got.append, 5)
    with pytest.raises(TypeError, match=r"^/image carries sensor_msgs/msg/Image; a std_msgs/msg/String was given$"):
        publisher.publish(ros.message("std_msgs/msg/String")())
    with pytest.raises(TypeError, match="a dict was given"):
        publisher.publish({})
    with pytest.raises(ros.MessageError, match=r"Image.height is -1"):
        publisher.publish(image(height=-1))
    with pytest.raises(ros.MessageError, match="8 bytes for rt/image are not a sensor_msgs/msg/Image"):
        publisher.publish(b"\0\1\0\0abcd")
    publisher.publish(image())
    assert spin_until(lambda: got, node)
    assert got == [image()]


def test_a_message_that_cannot_be_read_is_left_out_and_said(
    ros: ModuleType, spin_until: Callable[..., bool], capfd: pytest.CaptureFixture[str]
) -> None:
    node, text = ros.Node("node"), ros.message("std_msgs/msg/String")
    got: list[Any] = []
    publisher = node.create_publisher(text, "text", 5)
    node.create_subscription(text, "text", got.append, 5)
    # DDS does not look into strings; this one is not UTF-8.
    publisher.publish(bytes(serialize(text(data="aa"))).replace(b"aa", b"\xff\xfe"))
    publisher.publish(text(data="good"))
    assert spin_until(lambda: got, node)
    assert [msg.data for msg in got] == ["good"]
    assert "message on /text left out: " in capfd.readouterr().err


def test_a_late_joiner_gets_what_was_latched(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node, text = ros.Node("node"), ros.message("std_msgs/msg/String")
    latched = ros.QoSProfile(depth=1, durability=ros.DurabilityPolicy.TRANSIENT_LOCAL)
    got: list[str] = []
    with peer("latched"):
        # By now it was published.
        assert spin_until(lambda: node.count_publishers("/peer/latched") == 1, node)
        node.create_subscription(text, "/peer/latched", lambda msg: got.append(msg.data), latched)
        assert spin_until(lambda: got, node)
    assert got == ["kept"]


def test_images_come_from_another_process(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("here")
    got: list[Any] = []
    node.create_subscription(ros.message("sensor_msgs/msg/Image"), "/peer/image", got.append, 10)
    with peer("camera", "20"):
        assert spin_until(lambda: len(got) == 20, node)
    assert [image.header.stamp.sec for image in got] == list(range(20))
    assert all((image.data == image.header.stamp.sec).all() for image in got)


def test_a_thread_publishes_to_another_process_while_the_node_spins(
    ros: ModuleType, spin_until: Callable[..., bool]
) -> None:
    node, image = ros.Node("here"), ros.message("sensor_msgs/msg/Image")
    publisher = node.create_publisher(image, "/peer/image", 50)
    beats: list[int] = []
    node.create_timer(0.01, lambda: beats.append(1))

    def work() -> None:
        for index in range(50):
            msg = image(height=1, width=100, encoding="mono8", step=100, data=bytes([index]) * 100)
            msg.header.stamp.sec = index
            publisher.publish(msg)

    with peer("listener") as process:
        assert spin_until(lambda: publisher.get_subscription_count() == 1, node)
        # The other side may learn of the match later than this one.
        spin_until(lambda: False, node, timeout_sec=0.5)
        worker = threading.Thread(target=work)
        worker.start()
        assert spin_until(lambda: not worker.is_alive() and len(beats) > 5, node)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(50)]
    assert lines == [f"{index} 100 {index}\n" for index in range(50)]


def test_a_publisher_destroyed_under_a_worker_tells_it(ros: ModuleType) -> None:
    node, image = ros.Node("node"), ros.message("sensor_msgs/msg/Image")
    publisher = node.create_publisher(image, "image", 1)
    outcome: list[Any] = []
    started = threading.Event()

    def work() -> None:
        try:
            while True:
                publisher.publish(image(data=np.zeros(10_000, np.uint8)))
                started.set()
        except ros.TransportError as error:
            outcome.append(str(error))

    worker = threading.Thread(target=work)
    worker.start()
    assert started.wait(5)
    node.destroy_publisher(publisher)
    worker.join(5)
    assert not worker.is_alive()
    assert outcome[0].startswith("cannot write to rt/image: the publisher was destroyed")


def test_a_subscription_may_end_itself(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node, text = ros.Node("node"), ros.message("std_msgs/msg/String")
    got: list[str] = []

    def once(msg: Any) -> None:
        got.append(msg.data)
        node.destroy_subscription(first)

    publisher = node.create_publisher(text, "text", 5)
    first = node.create_subscription(text, "text", once, 5)
    for word in "abc":
        publisher.publish(text(data=word))
    assert spin_until(lambda: got, node)
    assert not spin_until(lambda: len(got) > 1, node, timeout_sec=0.2)
    assert got == ["a"]


def test_what_a_callback_raises_comes_out_of_spinning(ros: ModuleType) -> None:
    node, text = ros.Node("node"), ros.message("std_msgs/msg/String")

    def fail(msg: Any) -> None:
        raise ZeroDivisionError

    node.create_subscription(text, "text", fail, 5)
    node.create_publisher(text, "text", 5).publish(text())
    with pytest.raises(ZeroDivisionError):
        ros.spin_once(node, timeout_sec=2.0)


def test_a_service_answers_and_repeats_the_header(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("node")
    request, response = ros.service("lifecycle_msgs/srv/ChangeState")
    asked: list[Any] = []

    def answer(msg: Any) -> Any:
        asked.append(msg.transition.label)
        return response(success=True)

    service = node._create_service("lifecycle_msgs/srv/ChangeState", "~/change", answer)
    assert isinstance(service, Service)
    qos = to_dds(QoSProfile(depth=10), "")
    participant = node._context.participant
    names = "rq/node/changeRequest", "rr/node/changeReply"
    writer = participant.writer(names[0], request.__msgtype__, qos, service_header=True)
    reader = participant.reader(names[1], response.__msgtype__, qos, service_header=True)
    msg = request()
    msg.transition.label = "configure"
    body, header = bytes(serialize(msg)), bytes(range(16))
    writer.write(body[:4] + header + body[4:])
    reply: list[bytes] = []

    def answered() -> bool:
        if (data := reader.take()) is not None:
            reply.append(data)
        return bool(reply)

    assert spin_until(answered, node)
    assert asked == ["configure"]
    assert reply[0][4:20] == header
    assert deserialize(reply[0][:4] + reply[0][20:], response.__msgtype__).success is True


def test_without_the_library_one_line_names_the_extra() -> None:
    code = "import sys; sys.modules['cyclonedds'] = None\nimport depth_anything_ros.embedded"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    last = result.stderr.strip().splitlines()[-1]
    assert last == (
        "depth_anything_ros.errors.MissingDependency: cyclonedds is not installed; "
        "it comes with: pip install 'depth_anything_ros[dds]'; where it has no package (Jetson), install ROS 2 instead"
    )


@pytest.mark.parametrize("version", ["0.10.5", "11.0.0", "12.0.0", None])
def test_another_version_of_the_binding_is_refused_in_one_line(
    version: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", find)
    with pytest.raises(MissingDependency, match=r"^cyclonedds>=11.0.1,<12 is not installed; .*\[dds\]'$"):
        requirement.require_cyclonedds()


def test_a_node_that_is_left_behind_does_no_harm(domain: int) -> None:
    from depth_anything_ros import embedded as ros

    for _ in range(2):
        ros.init(args=[])
        node = ros.Node("node")
        node.create_subscription(ros.message("std_msgs/msg/String"), "text", print, 1)
        ros.try_shutdown()
        node.destroy_node()
        with contextlib.suppress(ros.ExternalShutdownException):
            ros.spin_once(node, timeout_sec=0.0)
