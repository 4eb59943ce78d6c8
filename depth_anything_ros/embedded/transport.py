"""Cyclone DDS, as far as it is needed: participant, endpoints that carry CDR bytes, waiting.

Bytes go in and out as they are: a write through the C library releases the GIL while it runs, what is read is handed on
without a copy. Both lean on private parts of the Python binding; the package checks its version before all imports.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np
from cyclonedds._clayer import ddspy_take
from cyclonedds.core import DDSException, DDSStatus, InstanceState, ReadCondition, SampleState, ViewState
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.internal import dds_c_t, load_cyclonedds
from cyclonedds.pub import DataWriter, Publisher
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader, Subscriber
from cyclonedds.topic import Topic

from ..errors import ConfigError, DepthAnythingError
from . import types
from .fields import MessageError

ANY_STATE = SampleState.Any | ViewState.Any | InstanceState.Any
_BAD_PARAMETER = -3


class TransportError(DepthAnythingError, RuntimeError):
    """Cyclone DDS refuses an operation, or what is used was destroyed."""


class _Serialized(ctypes.Structure):
    _fields_ = (("address", ctypes.c_void_p), ("size", ctypes.c_size_t))


def _functions() -> ctypes.CDLL:
    library = load_cyclonedds()
    entity, status = ctypes.c_int32, ctypes.c_void_p
    for name, arguments in {
        "dds_write": [entity, ctypes.POINTER(_Serialized)],
        "dds_delete": [entity],
        "dds_create_waitset": [entity],
        "dds_waitset_attach": [entity, entity, ctypes.c_ssize_t],
        "dds_waitset_detach": [entity, entity],
        "dds_waitset_wait": [entity, ctypes.POINTER(ctypes.c_ssize_t), ctypes.c_size_t, ctypes.c_int64],
        "dds_get_publication_matched_status": [entity, status],
        "dds_get_subscription_matched_status": [entity, status],
        "dds_get_offered_incompatible_qos_status": [entity, status],
        "dds_get_requested_incompatible_qos_status": [entity, status],
    }.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, ctypes.c_int32
    return library


_dds = _functions()


class Participant:
    """A domain and this process's participant in it. Raises ConfigError if Cyclone DDS refuses the configuration."""

    def __init__(self, domain_id: int, configuration: str) -> None:
        try:
            self._domain = Domain(domain_id, configuration)
            self._entity = DomainParticipant(domain_id, qos=Qos(Policy.Userdata(b"enclave=/;")))
        except DDSException as error:
            self._domain = None
            raise ConfigError(f"Cyclone DDS refuses domain {domain_id} with {configuration}: {error}") from error
        self.ref: int = self._entity._ref
        self.entity = self._entity
        self.guid: bytes = self._entity.guid.bytes
        self._publisher = Publisher(self._entity)
        self._subscriber = Subscriber(self._entity)
        self._topics: dict[tuple[str, str], tuple[Any, int]] = {}
        self._lock = threading.Lock()
        self.is_open = True

    def writer(self, topic: str, type_name: str, qos: Qos, *, service_header: bool = False) -> Writer:
        """A writer of a DDS topic (``rt/image``) and a ROS type. Raises TransportError if it cannot be made."""
        return self._endpoint(Writer, DataWriter, self._publisher, topic, type_name, qos, service_header)

    def reader(self, topic: str, type_name: str, qos: Qos, *, service_header: bool = False) -> Reader:
        """A reader, as ``writer``."""
        return self._endpoint(Reader, DataReader, self._subscriber, topic, type_name, qos, service_header)

    def _endpoint(
        self, kind: Any, make: Any, parent: Any, topic: str, type_name: str, qos: Qos, service_header: bool
    ) -> Any:
        key = (topic, type_name)
        with self._lock:
            try:
                entity, users = self._topics.get(key) or (None, 0)
                if entity is None:
                    entity = Topic(self._entity, topic, types.idl_type(type_name, service_header))
                endpoint = kind(self, make(parent, entity, qos=qos), key)
            except DDSException as error:
                raise TransportError(f"no endpoint of {type_name} on {topic}: {error}") from error
            self._topics[key] = (entity, users + 1)
        return endpoint

    def release_topic(self, key: tuple[str, str]) -> None:
        """Give back an endpoint's share of its topic; the last one ends it."""
        with self._lock:
            entity, users = self._topics.pop(key, (None, 0))
            if users > 1:
                self._topics[key] = (entity, users - 1)

    def close(self) -> None:
        """End the participant, all that is left of its endpoints, and the domain."""
        self.is_open = False
        _dds.dds_delete(self.ref)
        self._topics.clear()
        self._domain = None


class _Endpoint:
    """What writers and readers share."""

    def __init__(self, participant: Participant, entity: Any, topic_key: tuple[str, str]) -> None:
        self._participant = participant
        self._entity = entity
        self._topic_key = topic_key
        self.ref: int = entity._ref
        self.gid: bytes = entity.guid.bytes

    @property
    def is_open(self) -> bool:
        """Whether neither this endpoint nor its participant was closed."""
        return self._entity is not None and self._participant.is_open

    def close(self) -> None:
        """End the endpoint; more than once does nothing."""
        if self._entity is not None:
            # The wrapper ends the DDS entity when its last reference, this one, goes.
            self._entity = None
            self._participant.release_topic(self._topic_key)

    def _status(self, name: str, kind: Any) -> Any:
        status = kind()
        if getattr(_dds, f"dds_get_{name}_status")(self.ref, ctypes.byref(status)) != 0:
            raise TransportError(f"the endpoint on {self._topic_key[0]} is closed")
        return status


class Writer(_Endpoint):
    """Sends CDR bytes; any thread may write."""

    def __init__(self, participant: Participant, entity: Any, topic_key: tuple[str, str]) -> None:
        super().__init__(participant, entity, topic_key)
        entity.set_status_mask(DDSStatus.OfferedIncompatibleQos)

    def write(self, data: bytes | bytearray | memoryview | np.ndarray) -> None:
        """Write one message as CDR bytes with their four-byte header.

        Raises MessageError if they are not of the topic's type, TransportError if the writer is closed.
        """
        octets = np.frombuffer(data, np.uint8)
        if padding := -octets.size % 4:
            octets = np.concatenate([octets, np.zeros(padding, np.uint8)])
        sample = _Serialized(octets.ctypes.data, octets.size)
        code = _dds.dds_write(self.ref, ctypes.byref(sample))
        if code == 0:
            return
        if self.is_open and code == _BAD_PARAMETER:
            raise MessageError(f"{octets.size} bytes for {self._topic_key[0]} are not a {self._topic_key[1]} in CDR")
        reason = (
            str(DDSException(code, "")) if self.is_open else "the publisher was destroyed, or its process shut down"
        )
        raise TransportError(f"cannot write to {self._topic_key[0]}: {reason}")

    def matched_count(self) -> int:
        """Number of readers this writer sends to now."""
        return int(self._status("publication_matched", dds_c_t.publication_matched_status).current_count)

    def incompatible(self) -> tuple[int, int, int]:
        """Readers that did not match: all, those since the last call, and the DDS policy that the last one failed."""
        status = self._status("offered_incompatible_qos", dds_c_t.offered_incompatible_qos_status)
        return status.total_count, status.total_count_change, status.last_policy_id


class Reader(_Endpoint):
    """Hands out the CDR bytes that arrived."""

    def __init__(self, participant: Participant, entity: Any, topic_key: tuple[str, str]) -> None:
        super().__init__(participant, entity, topic_key)
        entity.set_status_mask(DDSStatus.RequestedIncompatibleQos)
        self._condition = ReadCondition(entity, ANY_STATE)
        self.condition_ref: int = self._condition._ref

    def close(self) -> None:
        self._condition = None
        super().close()

    def take(self) -> bytes | None:
        """The oldest message not yet taken; None if there is none."""
        while True:
            taken = ddspy_take(self.ref, ANY_STATE, 1)
            if not taken or isinstance(taken, int):
                return None
            data, info = taken[0]
            # A writer that leaves shows up as a sample without data.
            if info.valid_data:
                return bytes(data)

    def matched_count(self) -> int:
        """Number of writers this reader receives from now."""
        return int(self._status("subscription_matched", dds_c_t.subscription_matched_status).current_count)

    def incompatible(self) -> tuple[int, int, int]:
        """Writers that did not match: all, those since the last call, and the DDS policy that the last one failed."""
        status = self._status("requested_incompatible_qos", dds_c_t.requested_incompatible_qos_status)
        return status.total_count, status.total_count_change, status.last_policy_id


class WaitSet:
    """Blocks until one of the attached entities has something to do; each is known by the caller's token."""

    def __init__(self, participant: Participant) -> None:
        self._ref = _dds.dds_create_waitset(participant.ref)
        if self._ref < 0:
            raise TransportError(f"no wait set: {DDSException(self._ref, '')}")
        self._count = 0

    def attach(self, ref: int, token: int) -> None:
        """Watch an entity."""
        if _dds.dds_waitset_attach(self._ref, ref, token) != 0:
            raise TransportError("an entity that is closed cannot be waited for")
        self._count += 1

    def detach(self, ref: int) -> None:
        """Watch it no longer; to be called before it is closed."""
        if _dds.dds_waitset_detach(self._ref, ref) == 0:
            self._count -= 1

    def wait(self, timeout_sec: float) -> list[int]:
        """Tokens of the entities that have something to do; empty after the timeout [s]."""
        tokens = (ctypes.c_ssize_t * max(1, self._count))()
        found = _dds.dds_waitset_wait(self._ref, tokens, len(tokens), round(max(0.0, timeout_sec) * 1e9))
        if found < 0:
            raise TransportError(f"cannot wait: {DDSException(found, '')}")
        return list(tokens[: min(found, len(tokens))])

    def close(self) -> None:
        """End it; the entities stay."""
        _dds.dds_delete(self._ref)
