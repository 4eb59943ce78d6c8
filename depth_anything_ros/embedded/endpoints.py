"""Publishers, subscriptions and services: ROS messages in front of DDS endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import types
from .logging import Logger
from .messages import MessageError, deserialize, serialize, service
from .qos import IncompatibleQoSInfo, QoSPolicyKind, QoSProfile, policy_kind, to_dds
from .transport import Participant, Reader, Writer

Incompatible = Callable[[IncompatibleQoSInfo], None]


class Publisher:
    """Made by ``Node.create_publisher``. Any thread may publish."""

    def __init__(self, writer: Writer, msg_type: Any, topic: str, qos_profile: QoSProfile) -> None:
        self.msg_type = msg_type
        self.qos_profile = qos_profile
        self.writer = writer
        self._topic = topic

    @property
    def topic_name(self) -> str:
        """The fully qualified name, after remapping."""
        return self._topic

    def publish(self, msg: Any) -> None:
        """Send a message, or the bytes of one in CDR.

        Raises TypeError for another type, MessageError for values or bytes that are not of it, TransportError if the
        publisher was destroyed.
        """
        if isinstance(msg, self.msg_type):
            self.writer.write(serialize(msg))
        elif isinstance(msg, (bytes, bytearray, memoryview)):
            self.writer.write(msg)
        else:
            shown = getattr(msg, "__msgtype__", type(msg).__name__)
            raise TypeError(f"{self._topic} carries {self.msg_type.__msgtype__}; a {shown} was given")

    def get_subscription_count(self) -> int:
        """Number of subscriptions that receive what is published."""
        return self.writer.matched_count()


class Subscription:
    """Made by ``Node.create_subscription``."""

    def __init__(
        self,
        reader: Reader,
        msg_type: Any,
        topic: str,
        callback: Callable[[Any], None],
        qos_profile: QoSProfile,
        raw: bool,
        logger: Logger,
    ) -> None:
        self.msg_type = msg_type
        self.callback = callback
        self.qos_profile = qos_profile
        self.raw = raw
        self.reader = reader
        self._topic = topic
        self._logger = logger

    @property
    def topic_name(self) -> str:
        """The fully qualified name, after remapping."""
        return self._topic

    def get_publisher_count(self) -> int:
        """Number of publishers whose messages arrive here."""
        return self.reader.matched_count()

    def receive(self) -> None:
        """Hand the oldest message that waits, if any, to the callback; one that cannot be read is left out and said."""
        if (data := self.reader.take()) is None:
            return
        if self.raw:
            self.callback(data)
            return
        try:
            msg = deserialize(data, self.msg_type.__msgtype__)
        except MessageError as error:
            self._logger.error(f"message on {self._topic} left out: {error}", throttle_duration_sec=5.0)
            return
        self.callback(msg)


class Service:
    """A service as ROS 2 has it over Cyclone DDS: two topics; 16 bytes before a request, which the reply repeats."""

    def __init__(
        self,
        participant: Participant,
        srv_type: str,
        name: str,
        callback: Callable[[Any], Any],
        depth: int,
        number: int,
        logger: Logger,
    ) -> None:
        self._request_type, self._reply_type = (cls.__msgtype__ for cls in service(srv_type))
        self._name = name
        self._callback = callback
        self._logger = logger
        # Clients pair the two topics of one service by this.
        identity = participant.guid[:12] + number.to_bytes(4, "big")
        user_data = f"serviceid={'.'.join(f'{octet:x}' for octet in identity)};typehash={{}};"
        profile = QoSProfile(depth=depth)
        self.writer = participant.writer(
            f"rr{name}Reply",
            self._reply_type,
            to_dds(profile, user_data.format(types.type_hash(self._reply_type))),
            service_header=True,
        )
        self.reader = participant.reader(
            f"rq{name}Request",
            self._request_type,
            to_dds(profile, user_data.format(types.type_hash(self._request_type))),
            service_header=True,
        )

    def receive(self) -> None:
        """Answer the oldest request that waits, if any. One that cannot be read is left out, and said."""
        if (data := self.reader.take()) is None:
            return
        encapsulation, header, body = data[:4], data[4:20], data[20:]
        try:
            # 16 bytes do not change the alignment of what follows.
            request = deserialize(encapsulation + body, self._request_type)
        except MessageError as error:
            self._logger.error(f"request to {self._name} left out: {error}", throttle_duration_sec=5.0)
            return
        reply = serialize(self._callback(request))
        self.writer.write(reply[:4] + header + reply[4:])

    def close(self) -> None:
        """End both topics."""
        self.reader.close()
        self.writer.close()


def report_incompatible(
    endpoint: Reader | Writer, callback: Incompatible | None, topic: str, logger: Logger
) -> Callable[[], None]:
    """What to run when a peer of an endpoint did not match: the callback or, without one, ROS's warning."""

    def run() -> None:
        total, change, dds_policy = endpoint.incompatible()
        kind = policy_kind(dds_policy)
        if callback is not None:
            callback(IncompatibleQoSInfo(total, change, kind))
        else:
            logger.warning(incompatibility(topic, kind, is_publisher=isinstance(endpoint, Writer)))

    return run


def incompatibility(topic: str, kind: QoSPolicyKind, *, is_publisher: bool) -> str:
    """ROS's words for a peer that does not match."""
    peer, verb, effect = (
        ("subscription", "requesting", "No messages will be sent to it")
        if is_publisher
        else ("publisher", "offering", "No messages will be received from it")
    )
    return (
        f"New {peer} discovered on topic '{topic}', {verb} incompatible QoS. {effect}. "
        f"Last incompatible policy: {kind.name}"
    )
