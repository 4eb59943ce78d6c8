"""Quality of service by the usual profile names, and which peers of a topic it does not reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .errors import ConfigError
from .ros import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

_RELIABILITY = {
    "default": ReliabilityPolicy.RELIABLE,
    "sensor_data": ReliabilityPolicy.BEST_EFFORT,
    "system_default": ReliabilityPolicy.SYSTEM_DEFAULT,
}


def profile(name: str, depth: int, *, publishers: Sequence[Any] = ()) -> QoSProfile:
    """Return the profile called ``default`` (reliable), ``sensor_data`` (best effort), ``system_default`` or ``auto``.

    ``auto`` is for a subscription: what every publisher in ``publishers`` (rclpy's TopicEndpointInfo) can serve; best
    effort, which any can, as long as there is none. Only the newest `depth` messages are kept. Raises ConfigError.
    """
    durability = DurabilityPolicy.VOLATILE
    if name == "auto":
        offered = [info.qos_profile for info in publishers]
        is_reliable = bool(offered) and all(qos.reliability == ReliabilityPolicy.RELIABLE for qos in offered)
        reliability = ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT
        if is_reliable and all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offered):
            durability = DurabilityPolicy.TRANSIENT_LOCAL  # a camera_info that is published once reaches us too
    elif name in _RELIABILITY:
        reliability = _RELIABILITY[name]
    else:
        raise ConfigError(f"QoS profile is {name!r}; accepted: auto (subscriptions), {', '.join(_RELIABILITY)}")
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


def is_same(first: QoSProfile, second: QoSProfile) -> bool:
    """Whether two profiles ask for the same of a peer."""
    return (first.reliability, first.durability) == (second.reliability, second.durability)


def unreached_publishers(subscription: QoSProfile, publishers: Iterable[Any]) -> list[str]:
    """Who publishes but cannot reach the subscription, and why; one text for each."""
    return [
        f"{node_name_of(info)} publishes {_incompatible(info.qos_profile, subscription)}"
        for info in publishers
        if _incompatible(info.qos_profile, subscription)
    ]


def unreached_subscribers(publisher: QoSProfile, subscriptions: Iterable[Any]) -> list[str]:
    """Who subscribes but cannot be reached by the publisher, and why; one text for each."""
    return [
        f"{node_name_of(info)} asks otherwise: we publish {_incompatible(publisher, info.qos_profile)}"
        for info in subscriptions
        if _incompatible(publisher, info.qos_profile)
    ]


def node_name_of(info: Any) -> str:
    """The full name of the node that a TopicEndpointInfo belongs to."""
    return f"{info.node_namespace.rstrip('/')}/{info.node_name}"


def _incompatible(offered: QoSProfile, requested: QoSProfile) -> str:
    """Why an offer does not satisfy a request; empty if it does."""
    reasons = []
    if (offered.reliability, requested.reliability) == (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE):
        reasons.append("best effort, the subscription asks reliable")
    if (offered.durability, requested.durability) == (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL):
        reasons.append("volatile, the subscription asks transient local")
    return " and ".join(reasons)
