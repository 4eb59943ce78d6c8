"""QoS by profile names, and peers that it does not reach."""

from __future__ import annotations

import pytest

from depth_anything_ros.errors import ConfigError
from tests.worlds import endpoint, require_world

require_world()

from depth_anything_ros import qos  # noqa: E402
from depth_anything_ros.ros import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402

RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.mark.parametrize(
    ("name", "reliability"),
    [
        ("default", ReliabilityPolicy.RELIABLE),
        ("sensor_data", ReliabilityPolicy.BEST_EFFORT),
        ("system_default", ReliabilityPolicy.SYSTEM_DEFAULT),
    ],
)
def test_named_profiles(name, reliability):
    made = qos.profile(name, 7)
    assert (made.reliability, made.durability, made.depth) == (reliability, DurabilityPolicy.VOLATILE, 7)


@pytest.mark.parametrize(
    ("offered", "reliability", "durability"),
    [
        ([], ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
        ([RELIABLE], ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
        ([BEST_EFFORT], ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
        ([RELIABLE, BEST_EFFORT], ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
        ([LATCHED], ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL),
        ([LATCHED, RELIABLE], ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
    ],
)
def test_auto_asks_for_what_every_publisher_offers(offered, reliability, durability):
    made = qos.profile("auto", 1, publishers=[endpoint(profile) for profile in offered])
    assert (made.reliability, made.durability) == (reliability, durability)
    assert qos.unreached_publishers(made, [endpoint(profile) for profile in offered]) == []


def test_an_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'realtime'; accepted: auto .*, default, sensor_data, system_default"):
        qos.profile("realtime", 1)


def test_unreached_peers_are_named_with_the_reason():
    camera = endpoint(BEST_EFFORT, "usb_cam", "/front")
    assert qos.unreached_publishers(RELIABLE, [camera]) == [
        "/front/usb_cam publishes best effort, the subscription asks reliable"
    ]
    assert qos.unreached_publishers(BEST_EFFORT, [camera]) == []
    viewer = endpoint(LATCHED, "rviz")
    assert qos.unreached_subscribers(BEST_EFFORT, [viewer]) == [
        "/rviz asks otherwise: we publish best effort, the subscription asks reliable"
        " and volatile, the subscription asks transient local"
    ]
    assert qos.unreached_subscribers(LATCHED, [viewer]) == []


def test_profiles_are_compared_by_what_they_ask_of_a_peer():
    assert qos.is_same(RELIABLE, QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE))
    assert not qos.is_same(RELIABLE, BEST_EFFORT)
    assert not qos.is_same(RELIABLE, LATCHED)
