"""Quality of service: ROS's words to DDS and back, and the events of peers that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    as_profile,
    from_dds,
    to_dds,
)
from depth_anything_ros.errors import ConfigError


@pytest.mark.parametrize("reliability", [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT])
@pytest.mark.parametrize("durability", [DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL])
@pytest.mark.parametrize(("history", "depth"), [(HistoryPolicy.KEEP_LAST, 3), (HistoryPolicy.KEEP_ALL, 0)])
def test_a_profile_survives_dds(
    reliability: ReliabilityPolicy, durability: DurabilityPolicy, history: HistoryPolicy, depth: int
) -> None:
    profile = QoSProfile(depth=depth, history=history, reliability=reliability, durability=durability)
    assert from_dds(to_dds(profile, "typehash=x;")) == profile


def test_system_default_is_what_ros_makes_of_it() -> None:
    profile = QoSProfile(
        depth=0,
        history=HistoryPolicy.SYSTEM_DEFAULT,
        reliability=ReliabilityPolicy.SYSTEM_DEFAULT,
        durability=DurabilityPolicy.SYSTEM_DEFAULT,
    )
    assert from_dds(to_dds(profile, "")) == QoSProfile(depth=1)


def test_defaults_and_the_short_form() -> None:
    assert as_profile(5) == QoSProfile(
        depth=5,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )
    for bad in (-1, 1.5, "5", True):
        with pytest.raises(ConfigError, match=r"QoS depth is .*; a whole number from 0 on is needed"):
            QoSProfile(depth=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offered", "requested", "kind"),
    [
        ({"reliability": ReliabilityPolicy.BEST_EFFORT}, {}, QoSPolicyKind.RELIABILITY),
        ({}, {"durability": DurabilityPolicy.TRANSIENT_LOCAL}, QoSPolicyKind.DURABILITY),
    ],
)
def test_both_sides_hear_of_a_mismatch(
    ros: ModuleType, spin_until: Callable[..., bool], offered: dict[str, Any], requested: dict[str, Any], kind: Any
) -> None:
    node, text = ros.Node("mismatch"), ros.message("std_msgs/msg/String")
    heard: dict[str, Any] = {}
    publisher = node.create_publisher(
        text,
        "topic",
        ros.QoSProfile(depth=1, **offered),
        event_callbacks=ros.PublisherEventCallbacks(incompatible_qos=lambda info: heard.update(publisher=info)),
    )
    node.create_subscription(
        text,
        "topic",
        lambda msg: heard.update(message=msg),
        ros.QoSProfile(depth=1, **requested),
        event_callbacks=ros.SubscriptionEventCallbacks(incompatible_qos=lambda info: heard.update(subscription=info)),
    )
    assert spin_until(lambda: len(heard) == 2, node)
    assert {name: (info.total_count, info.last_policy_kind) for name, info in heard.items()} == {
        "publisher": (1, kind),
        "subscription": (1, kind),
    }
    publisher.publish(text(data="lost"))
    assert publisher.get_subscription_count() == 0
    assert not spin_until(lambda: "message" in heard, node, timeout_sec=0.2)


def test_without_callbacks_a_mismatch_is_a_warning(
    ros: ModuleType, spin_until: Callable[..., bool], capfd: pytest.CaptureFixture[str]
) -> None:
    node, text = ros.Node("mismatch"), ros.message("std_msgs/msg/String")
    node.create_publisher(text, "topic", ros.QoSProfile(depth=1, reliability=ros.ReliabilityPolicy.BEST_EFFORT))
    node.create_subscription(text, "topic", print, 1)
    said = ""

    def both() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return said.count("Last incompatible policy: RELIABILITY") == 2

    assert spin_until(both, node)
    assert "New subscription discovered on topic '/topic', requesting incompatible QoS" in said
    assert "New publisher discovered on topic '/topic', offering incompatible QoS" in said


def test_best_effort_takes_from_reliable(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node, text = ros.Node("match"), ros.message("std_msgs/msg/String")
    got: list[str] = []
    publisher = node.create_publisher(text, "topic", 1)
    profile = ros.QoSProfile(depth=1, reliability=ros.ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(text, "topic", lambda msg: got.append(msg.data), profile)
    publisher.publish(text(data="through"))
    assert spin_until(lambda: got, node)
    assert got == ["through"]
