"""The ROS graph: what this process tells its peers about its nodes, and what is known of theirs.

DDS itself discovers endpoints, with topic, type and quality of service. Which node each belongs to is said by every
ROS 2 process on the topic ``ros_discovery_info``, again after every change.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsParticipant,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
)
from cyclonedds.core import InstanceState, ReadCondition

from . import types
from .messages import MessageError, deserialize, message, serialize
from .qos import DurabilityPolicy, HistoryPolicy, QoSProfile, from_dds, to_dds
from .transport import ANY_STATE, Participant

_INFO_TYPE = "rmw_dds_common/msg/ParticipantEntitiesInfo"
_TOPIC_PREFIX = "rt"
_BATCH = 64


@dataclass(frozen=True)
class TopicEndpointInfo:
    """A publisher or subscription somewhere in the graph; its node is unknown until that process has named it."""

    node_name: str
    node_namespace: str
    topic_type: str
    endpoint_gid: list[int]
    qos_profile: QoSProfile


@dataclass
class LocalNode:
    """A node of this process, with the global ids of its endpoints."""

    name: str
    namespace: str
    readers: list[bytes] = field(default_factory=list)
    writers: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class _Endpoint:
    topic: str
    type_name: str
    qos_profile: QoSProfile


class _Discovered:
    """What is alive of one kind of DDS entity, by global id."""

    def __init__(self, participant: Participant, builtin_topic: Any, describe: Callable[[Any], Any]) -> None:
        self._reader = BuiltinDataReader(participant.entity, builtin_topic)
        self._condition = ReadCondition(self._reader, ANY_STATE)
        self._describe = describe
        self.condition_ref: int = self._condition._ref
        self.alive: dict[bytes, Any] = {}

    def update(self) -> None:
        while samples := self._reader.take(_BATCH):
            for sample in samples:
                if sample.sample_info.instance_state == InstanceState.Alive:
                    self.alive[sample.key.bytes] = self._describe(sample)
                else:
                    self.alive.pop(sample.key.bytes, None)


class Graph:
    """The graph as one participant sees it; any thread may ask."""

    def __init__(self, participant: Participant) -> None:
        self._guid = participant.guid
        user_data = f"typehash={types.type_hash(_INFO_TYPE)};"
        newest = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        every = QoSProfile(depth=0, history=HistoryPolicy.KEEP_ALL, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._writer = participant.writer("ros_discovery_info", _INFO_TYPE, to_dds(newest, user_data))
        self._reader = participant.reader("ros_discovery_info", _INFO_TYPE, to_dds(every, user_data))
        self._participants = _Discovered(participant, BuiltinTopicDcpsParticipant, lambda sample: None)
        self._publications = _Discovered(participant, BuiltinTopicDcpsPublication, _endpoint)
        self._subscriptions = _Discovered(participant, BuiltinTopicDcpsSubscription, _endpoint)
        self._infos: dict[bytes, Any] = {}
        self._local: list[LocalNode] = []
        self._lock = threading.RLock()

    @property
    def condition_refs(self) -> tuple[int, ...]:
        """What a wait set watches to learn that ``update`` has something to do."""
        found = (self._participants, self._publications, self._subscriptions)
        return (self._reader.condition_ref, *(discovered.condition_ref for discovered in found))

    def add_node(self, name: str, namespace: str) -> LocalNode:
        """Make a node of this process known."""
        node = LocalNode(name, namespace)
        with self._lock:
            self._local.append(node)
            self.announce()
        return node

    def remove_node(self, node: LocalNode) -> None:
        """Take it back."""
        with self._lock:
            # By identity: two nodes may have one name.
            self._local = [other for other in self._local if other is not node]
            self.announce()

    def announce(self) -> None:
        """Tell the peers which endpoints the nodes of this process have; to be called after every change."""
        new = message
        with self._lock:
            if not self._writer.is_open:
                return
            nodes = [
                new("rmw_dds_common/msg/NodeEntitiesInfo")(
                    node_namespace=node.namespace,
                    node_name=node.name,
                    reader_gid_seq=[_gid(gid) for gid in node.readers],
                    writer_gid_seq=[_gid(gid) for gid in node.writers],
                )
                for node in self._local
            ]
            self._writer.write(serialize(new(_INFO_TYPE)(gid=_gid(self._guid), node_entities_info_seq=nodes)))

    def update(self) -> None:
        """Take in what was discovered since the last call; every question does so itself."""
        with self._lock:
            for discovered in (self._participants, self._publications, self._subscriptions):
                discovered.update()
            while (data := self._reader.take()) is not None:
                try:
                    info = deserialize(data, _INFO_TYPE)
                except MessageError:
                    continue  # of another ROS release (Humble's gid has 24 bytes): its nodes stay without names
                self._infos[info.gid.data.tobytes()] = info
            for gone in self._infos.keys() - self._participants.alive.keys():
                del self._infos[gone]

    def nodes(self) -> list[tuple[str, str]]:
        """Name and namespace of every node, this process's included."""
        with self._lock:
            self.update()
            infos = list(self._infos.values())
        return [(node.node_name, node.node_namespace) for info in infos for node in info.node_entities_info_seq]

    def topics(self) -> list[tuple[str, list[str]]]:
        """Name and types of every topic that has an endpoint."""
        found = defaultdict(set)
        with self._lock:
            self.update()
            for endpoint in (*self._publications.alive.values(), *self._subscriptions.alive.values()):
                if endpoint.topic:
                    found[endpoint.topic].add(endpoint.type_name)
        return sorted((topic, sorted(type_names)) for topic, type_names in found.items())

    def publishers(self, topic: str) -> list[TopicEndpointInfo]:
        """All publishers of a topic (fully qualified)."""
        return self._infos_of(topic, self._publications, "writer_gid_seq")

    def subscriptions(self, topic: str) -> list[TopicEndpointInfo]:
        """All subscriptions of a topic (fully qualified)."""
        return self._infos_of(topic, self._subscriptions, "reader_gid_seq")

    def count(self, topic: str) -> tuple[int, int]:
        """Numbers of publishers and of subscriptions of a topic (fully qualified)."""
        with self._lock:
            self.update()
            publications, subscriptions = self._publications.alive.values(), self._subscriptions.alive.values()
            return _count(topic, publications), _count(topic, subscriptions)

    def _infos_of(self, topic: str, discovered: _Discovered, gids_of: str) -> list[TopicEndpointInfo]:
        with self._lock:
            self.update()
            owners = {
                gid.data.tobytes(): (node.node_name, node.node_namespace)
                for info in self._infos.values()
                for node in info.node_entities_info_seq
                for gid in getattr(node, gids_of)
            }
            unknown = ("_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_")
            return [
                TopicEndpointInfo(*owners.get(gid, unknown), endpoint.type_name, list(gid), endpoint.qos_profile)
                for gid, endpoint in discovered.alive.items()
                if endpoint.topic == topic
            ]


def _count(topic: str, endpoints: Iterable[_Endpoint]) -> int:
    return sum(endpoint.topic == topic for endpoint in endpoints)


def _endpoint(sample: Any) -> _Endpoint:
    prefix, separator, name = sample.topic_name.partition("/")
    # Services and DDS's own topics are no topics to ROS.
    topic = f"/{name}" if separator and prefix == _TOPIC_PREFIX else ""
    return _Endpoint(topic, types.ros_type_name(sample.type_name), from_dds(sample.qos))


def _gid(guid: bytes) -> Any:
    return message("rmw_dds_common/msg/Gid")(data=guid)
