"""The logger's lines on stderr and on /rosout."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded.logging import Logger, LoggingSeverity


def test_lines_have_ros_form(capfd: pytest.CaptureFixture[str]) -> None:
    logger = Logger("front.depth")
    for say in (logger.info, logger.warning, logger.error, logger.fatal):
        assert say("hello")
    lines = capfd.readouterr().err.splitlines()
    for line, level in zip(lines, ("INFO", "WARN", "ERROR", "FATAL"), strict=True):
        found = re.fullmatch(rf"\[{level}\] \[(\d+\.\d{{9}})\] \[front\.depth\]: hello", line)
        assert found is not None, line
        assert abs(float(found[1]) - time.time()) < 5


def test_what_is_below_the_level_is_not_said(capfd: pytest.CaptureFixture[str]) -> None:
    logger = Logger("log")
    assert logger.get_effective_level() == LoggingSeverity.INFO
    assert not logger.debug("no")
    logger.set_level(LoggingSeverity.DEBUG)
    assert logger.debug("yes")
    logger.set_level(LoggingSeverity.ERROR)
    assert not logger.warning("no")
    assert capfd.readouterr().err.endswith("[log]: yes\n")


def test_throttling_and_once_are_per_line_of_code() -> None:
    logger = Logger("log")
    said = [logger.info("a", throttle_duration_sec=0.2) for _ in range(5)]
    assert said == [True, False, False, False, False]
    assert logger.info("another line", throttle_duration_sec=0.2)
    assert [logger.info("b", once=True) for _ in range(3)] == [True, False, False]

    def throttled() -> bool:
        return logger.warning("c", throttle_duration_sec=0.05)

    assert throttled() and not throttled()
    time.sleep(0.06)
    assert throttled()


def test_a_nodes_lines_are_on_rosout(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node = ros.Node("speaker", namespace="/front")
    node.get_logger().warning("before anybody listened")
    got: list[Any] = []
    latched = ros.QoSProfile(depth=10, durability=ros.DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(ros.message("rcl_interfaces/msg/Log"), "/rosout", got.append, latched)
    node.get_logger().error("after")
    assert spin_until(lambda: len(got) == 2, node)
    assert [(log.name, log.msg, log.level) for log in got] == [
        ("front.speaker", "before anybody listened", 30),
        ("front.speaker", "after", 40),
    ]
    assert got[0].file == __file__
    assert got[0].function == "test_a_nodes_lines_are_on_rosout"
    assert abs(got[0].stamp.sec - time.time()) < 5


def test_rosout_can_be_left_out(ros: ModuleType) -> None:
    node = ros.Node("quiet", enable_rosout=False)
    assert node.count_publishers("/rosout") == 0
    assert node.get_logger().info("still on stderr")


def test_a_line_after_shutdown_is_still_said(ros: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    node = ros.Node("speaker")
    ros.try_shutdown()
    assert node.get_logger().info("bye")
    assert "[speaker]: bye" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ([], "INFO"),
        (["--log-level", "debug"], "DEBUG"),
        (["--log-level", "error", "--log-level", "front.speaker:=warn"], "WARN"),
    ],
)
def test_the_level_comes_from_the_arguments(domain: int, arguments: list[str], level: str) -> None:
    from depth_anything_ros import embedded as ros

    ros.init(args=["x", "--ros-args", *arguments])
    try:
        node = ros.Node("speaker", namespace="/front")
        assert node.get_logger().get_effective_level().name == level
    finally:
        ros.try_shutdown()
