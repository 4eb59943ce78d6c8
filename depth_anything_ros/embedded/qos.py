"""Quality of service: ROS's words for it, what they are in DDS, and the events of peers that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from cyclonedds.qos import Policy, Qos
from cyclonedds.util import duration

from ..errors import ConfigError


class ReliabilityPolicy(IntEnum):
    """Whether lost samples are sent again; SYSTEM_DEFAULT is RELIABLE."""

    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3


class DurabilityPolicy(IntEnum):
    """Whether late joiners get the last samples; SYSTEM_DEFAULT is VOLATILE."""

    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3


class HistoryPolicy(IntEnum):
    """How many samples are kept; SYSTEM_DEFAULT is KEEP_LAST."""

    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


class QoSPolicyKind(IntEnum):
    """The policies an event can name, numbered as in ROS."""

    INVALID = 1
    DURABILITY = 2
    DEADLINE = 4
    LIVELINESS = 8
    RELIABILITY = 16
    HISTORY = 32
    LIFESPAN = 64


# Numbers of the DDS specification.
_KIND_OF_DDS_POLICY = {
    2: QoSPolicyKind.DURABILITY,
    4: QoSPolicyKind.DEADLINE,
    8: QoSPolicyKind.LIVELINESS,
    11: QoSPolicyKind.RELIABILITY,
    13: QoSPolicyKind.HISTORY,
    21: QoSPolicyKind.LIFESPAN,
}


@dataclass(kw_only=True)
class QoSProfile:
    """Quality of service of a publisher or subscription; ``depth`` counts under KEEP_LAST only (0 is taken as 1)."""

    depth: int
    history: HistoryPolicy = HistoryPolicy.KEEP_LAST
    reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE

    def __post_init__(self) -> None:
        if isinstance(self.depth, bool) or not isinstance(self.depth, int) or self.depth < 0:
            raise ConfigError(f"QoS depth is {self.depth!r}; a whole number from 0 on is needed")
        self.history = HistoryPolicy(self.history)
        self.reliability = ReliabilityPolicy(self.reliability)
        self.durability = DurabilityPolicy(self.durability)


@dataclass(frozen=True)
class IncompatibleQoSInfo:
    """How many peers did not match so far, how many of them are new, and the first policy that the last one failed."""

    total_count: int
    total_count_change: int
    last_policy_kind: int


@dataclass(kw_only=True)
class PublisherEventCallbacks:
    """What to call when a subscription asks for more than the publisher offers; None warns in the log."""

    incompatible_qos: Callable[[IncompatibleQoSInfo], None] | None = None


@dataclass(kw_only=True)
class SubscriptionEventCallbacks:
    """What to call when a publisher offers less than the subscription asks for; None warns in the log."""

    incompatible_qos: Callable[[IncompatibleQoSInfo], None] | None = None


def as_profile(qos_profile: QoSProfile | int) -> QoSProfile:
    """The profile itself; a whole number is the depth of a default one."""
    return qos_profile if isinstance(qos_profile, QoSProfile) else QoSProfile(depth=qos_profile)


def policy_kind(dds_policy: int) -> QoSPolicyKind:
    """ROS's name of a policy that DDS reports by number."""
    return _KIND_OF_DDS_POLICY.get(dds_policy, QoSPolicyKind.INVALID)


def to_dds(profile: QoSProfile, user_data: str, lifespan_sec: float | None = None) -> Qos:
    """The DDS policies of an endpoint, as ROS 2 sets them; ``user_data`` carries the type hash to the peers."""
    if profile.history == HistoryPolicy.KEEP_ALL:
        history: Any = Policy.History.KeepAll
    else:
        history = Policy.History.KeepLast(max(1, profile.depth))
    policies: list[Any] = [
        history,
        Policy.Reliability.BestEffort
        if profile.reliability == ReliabilityPolicy.BEST_EFFORT
        else Policy.Reliability.Reliable(duration(infinite=True)),
        Policy.WriterDataLifecycle(autodispose=False),
        Policy.DataRepresentation(use_cdrv0_representation=True, use_xcdrv2_representation=False),
        Policy.Userdata(user_data.encode()),
    ]
    if profile.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        # What late joiners get is governed by the durability service, not by the history.
        policies += [Policy.Durability.TransientLocal, Policy.DurabilityService(0, history, -1, -1, -1)]
    else:
        policies.append(Policy.Durability.Volatile)
    if lifespan_sec is not None:
        policies.append(Policy.Lifespan(duration(seconds=lifespan_sec)))
    return Qos(*policies)


def from_dds(qos: Qos) -> QoSProfile:
    """The profile of a discovered endpoint; what discovery does not carry is UNKNOWN."""
    reliability, durability, history, depth = (
        ReliabilityPolicy.UNKNOWN,
        DurabilityPolicy.UNKNOWN,
        HistoryPolicy.UNKNOWN,
        0,
    )
    if Policy.Reliability in qos:
        is_best_effort = qos[Policy.Reliability] == Policy.Reliability.BestEffort
        reliability = ReliabilityPolicy.BEST_EFFORT if is_best_effort else ReliabilityPolicy.RELIABLE
    if Policy.Durability in qos:
        is_volatile = qos[Policy.Durability] == Policy.Durability.Volatile
        durability = DurabilityPolicy.VOLATILE if is_volatile else DurabilityPolicy.TRANSIENT_LOCAL
    if Policy.History in qos:
        kept = qos[Policy.History]
        if kept == Policy.History.KeepAll:
            history = HistoryPolicy.KEEP_ALL
        else:
            history, depth = HistoryPolicy.KEEP_LAST, int(kept.depth)
    return QoSProfile(depth=depth, history=history, reliability=reliability, durability=durability)
