"""A node for the length of a command: errors are of this package, and nothing stays behind."""

from __future__ import annotations

import pytest

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.live_node import live_node
from tests.embedded.domains import unused_domain
from tests.worlds import require_world

require_world()


@pytest.fixture(autouse=True)
def quiet_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(unused_domain()))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def test_the_node_has_the_name_and_place_asked_for_and_is_gone_afterwards() -> None:
    from depth_anything_ros import ros

    with live_node("some_name", ["--ros-args", "-r", "__ns:=/place"]) as node:
        assert node.get_fully_qualified_name() == "/place/some_name"
        assert ros.ok()
    assert not ros.ok()
    with live_node("again") as node:  # twice in one process
        assert node.get_name() == "again"


def test_interruptions_end_it_quietly() -> None:
    from depth_anything_ros import ros

    for kind in (KeyboardInterrupt, ros.ExternalShutdownException):
        with live_node("some_name"):
            raise kind
        assert not ros.ok()


def test_other_errors_come_out() -> None:
    from depth_anything_ros import ros

    with pytest.raises(ZeroDivisionError), live_node("some_name"):
        raise ZeroDivisionError
    assert not ros.ok()


@pytest.mark.parametrize("arguments", [["--ros-args", "-r", "__ns:=not a name"], ["--ros-args", "--no-such"]])
def test_arguments_that_ros_refuses_are_our_own_error(arguments: list[str]) -> None:
    from depth_anything_ros import ros

    with pytest.raises(ConfigError) as caught, live_node("some_name", arguments):
        pass
    assert "\n" not in str(caught.value)
    assert not ros.ok()
