"""A node: its name, what it has in the graph, and the callbacks that spinning runs."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

from . import types
from .arguments import RosArguments
from .clock import Clock, Timer
from .endpoints import Publisher, Service, Subscription, report_incompatible
from .executor import current_context
from .graph import TopicEndpointInfo
from .logging import Logger, LoggingSeverity
from .messages import message
from .names import check_node_name, join
from .parameter import Parameter
from .parameters import ParameterMethods, serve_parameters
from .qos import DurabilityPolicy, PublisherEventCallbacks, QoSProfile, SubscriptionEventCallbacks, as_profile, to_dds
from .transport import Reader, TransportError, WaitSet, Writer

_GRAPH_TOKEN = 0
_LOG_LIFESPAN_SEC = 10.0
_LOG_DEPTH = 1000


class Node(ParameterMethods):
    """A node of the ROS graph, with rclpy's methods.

    ``cli_args`` are ROS arguments for this node alone; ``use_global_arguments`` adds those of ``init``. Publishing is
    open to any thread, all else belongs to the thread that spins. Raises ConfigError for what is not accepted.
    """

    def __init__(
        self,
        node_name: str,
        *,
        namespace: str | None = None,
        cli_args: list[str] | None = None,
        use_global_arguments: bool = True,
        parameter_overrides: list[Parameter] | None = None,
        allow_undeclared_parameters: bool = False,
        automatically_declare_parameters_from_overrides: bool = False,
        enable_rosout: bool = True,
    ) -> None:
        self._context = current_context()
        arguments = RosArguments.parse(cli_args or [])
        self._arguments = arguments.before(self._context.arguments) if use_global_arguments else arguments
        self._name = check_node_name(self._arguments.node_name(node_name))
        self._namespace = self._arguments.namespace(namespace or "/", self._name)
        self._logger = self._make_logger()
        self._clock = Clock()
        self._participant = self._context.participant
        self._wait_set = WaitSet(self._participant)
        self._service_numbers = itertools.count(1)
        self._tokens = itertools.count(_GRAPH_TOKEN + 1)
        self._work: dict[int, Callable[[], None]] = {_GRAPH_TOKEN: self._context.graph.update}
        self._watched: dict[int, list[tuple[int, int]]] = {}
        self._publishers: list[Publisher] = []
        self._subscriptions: list[Subscription] = []
        self._services: list[Service] = []
        self._timers: list[Timer] = []
        for ref in self._context.graph.condition_refs:
            self._wait_set.attach(ref, _GRAPH_TOKEN)
        self._graph_node = self._context.graph.add_node(self._name, self._namespace)
        overrides = self._arguments.parameter_overrides(self.get_fully_qualified_name())
        overrides.update((parameter.name, parameter.value) for parameter in parameter_overrides or [])
        try:
            if enable_rosout:
                self._publish_logs()
            declare = automatically_declare_parameters_from_overrides
            self._init_parameters(overrides, allow_undeclared_parameters, declare)
            serve_parameters(self)
        except Exception:
            self.destroy_node()
            raise

    def get_name(self) -> str:
        """The name, after remapping."""
        return self._name

    def get_namespace(self) -> str:
        """The namespace, after remapping; ``/`` without one."""
        return self._namespace

    def get_fully_qualified_name(self) -> str:
        """Namespace and name: ``/front/depth``."""
        return join(self._namespace, self._name)

    def get_logger(self) -> Logger:
        """The logger of this node."""
        return self._logger

    def get_clock(self) -> Clock:
        """The system's clock."""
        return self._clock

    def create_publisher(
        self,
        msg_type: Any,
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        event_callbacks: PublisherEventCallbacks | None = None,
    ) -> Publisher:
        """Publish messages of a class that ``message`` made; a number as profile is the depth of a default one."""
        return self._create_publisher(msg_type, topic, as_profile(qos_profile), event_callbacks, None)

    def create_subscription(
        self,
        msg_type: Any,
        topic: str,
        callback: Callable[[Any], None],
        qos_profile: QoSProfile | int,
        *,
        event_callbacks: SubscriptionEventCallbacks | None = None,
        raw: bool = False,
    ) -> Subscription:
        """Call back with every message that arrives or, with ``raw``, with its bytes in CDR."""
        name, profile = self.resolve_topic_name(topic), as_profile(qos_profile)
        reader = self._participant.reader(
            f"rt{name}", msg_type.__msgtype__, to_dds(profile, _user_data(msg_type.__msgtype__))
        )
        subscription = Subscription(reader, msg_type, name, callback, profile, raw, self._logger)
        self._watch(reader, name, event_callbacks, subscription.receive)
        self._subscriptions.append(subscription)
        return subscription

    def create_timer(self, timer_period_sec: float, callback: Callable[[], None]) -> Timer:
        """Call back every ``timer_period_sec`` [s]."""
        timer = Timer(callback, timer_period_sec)
        self._timers.append(timer)
        return timer

    def destroy_publisher(self, publisher: Publisher) -> bool:
        """End it; returns whether it was one of this node's."""
        return self._destroy(self._publishers, publisher, publisher.writer)

    def destroy_subscription(self, subscription: Subscription) -> bool:
        """End it, even from its own callback; returns whether it was one of this node's."""
        return self._destroy(self._subscriptions, subscription, subscription.reader)

    def destroy_timer(self, timer: Timer) -> bool:
        """End it; returns whether it was one of this node's."""
        timer.cancel()
        found = timer in self._timers
        self._timers = [other for other in self._timers if other is not timer]
        return found

    def destroy_node(self) -> None:
        """End the node and all it has; more than once does nothing."""
        for timer in list(self._timers):
            self.destroy_timer(timer)
        for subscription in list(self._subscriptions):
            self.destroy_subscription(subscription)
        for service in list(self._services):
            self._unwatch(service.reader, service.writer)
            service.close()
        self._services.clear()
        self._logger.publish_log = None
        for publisher in list(self._publishers):
            self.destroy_publisher(publisher)
        self._wait_set.close()
        self._context.graph.remove_node(self._graph_node)

    def resolve_topic_name(self, topic: str) -> str:
        """The fully qualified name of a topic, after remapping. Raises ConfigError if no topic may be called that."""
        return self._arguments.resolve(topic, self._name, self._namespace)

    def get_topic_names_and_types(self) -> list[tuple[str, list[str]]]:
        """Every topic in the graph with its types."""
        return self._context.graph.topics()

    def get_node_names_and_namespaces(self) -> list[tuple[str, str]]:
        """Every node in the graph."""
        return self._context.graph.nodes()

    def count_publishers(self, topic_name: str) -> int:
        """Number of publishers of a topic in the graph, matching or not."""
        return self._context.graph.count(self.resolve_topic_name(topic_name))[0]

    def count_subscribers(self, topic_name: str) -> int:
        """Number of subscriptions to a topic in the graph, matching or not."""
        return self._context.graph.count(self.resolve_topic_name(topic_name))[1]

    def get_publishers_info_by_topic(self, topic_name: str) -> list[TopicEndpointInfo]:
        """The publishers of a topic in the graph, matching or not."""
        return self._context.graph.publishers(self.resolve_topic_name(topic_name))

    def get_subscriptions_info_by_topic(self, topic_name: str) -> list[TopicEndpointInfo]:
        """The subscriptions to a topic in the graph, matching or not."""
        return self._context.graph.subscriptions(self.resolve_topic_name(topic_name))

    def run_ready(self, timeout_sec: float) -> bool:
        """Wait for work, at most ``timeout_sec`` [s], do it, return whether there was any; called by ``spin_once``."""
        wait_sec = min([timeout_sec, *(timer.time_left() for timer in self._timers)])
        tokens = self._wait_set.wait(wait_sec)
        for token in tokens:
            # A callback before this one may have destroyed what the token stood for.
            if (work := self._work.get(token)) is not None:
                work()
        due = [timer for timer in self._timers if timer.time_left() <= 0]
        for timer in due:
            if timer.time_left() <= 0:
                timer.begin_next_period()
                timer.callback()
        return bool(due) or any(token != _GRAPH_TOKEN for token in tokens)

    def _create_publisher(
        self,
        msg_type: Any,
        topic: str,
        profile: QoSProfile,
        event_callbacks: PublisherEventCallbacks | None,
        lifespan_sec: float | None,
    ) -> Publisher:
        name = self.resolve_topic_name(topic)
        qos = to_dds(profile, _user_data(msg_type.__msgtype__), lifespan_sec)
        writer = self._participant.writer(f"rt{name}", msg_type.__msgtype__, qos)
        self._watch(writer, name, event_callbacks)
        publisher = Publisher(writer, msg_type, name, profile)
        self._publishers.append(publisher)
        return publisher

    def _create_service(self, srv_type: str, name: str, callback: Callable[[Any], Any], depth: int = 10) -> Service:
        """Answer requests of a type such as ``lifecycle_msgs/srv/GetState``; ``callback`` makes the responses."""
        full_name = self._arguments.resolve(name, self._name, self._namespace, "service")
        number = next(self._service_numbers)
        service = Service(self._participant, srv_type, full_name, callback, depth, number, self._logger)
        self._watch(service.writer, full_name, None)
        self._watch(service.reader, full_name, None, service.receive)
        self._services.append(service)
        return service

    def _watch(
        self,
        endpoint: Reader | Writer,
        topic: str,
        event_callbacks: PublisherEventCallbacks | SubscriptionEventCallbacks | None,
        receive: Callable[[], None] | None = None,
    ) -> None:
        """Take an endpoint into spinning and into what the peers are told."""
        callback = event_callbacks.incompatible_qos if event_callbacks else None
        works = [(endpoint.ref, report_incompatible(endpoint, callback, topic, self._logger))]
        if isinstance(endpoint, Reader) and receive is not None:
            works.append((endpoint.condition_ref, receive))
        watched = self._watched.setdefault(endpoint.ref, [])
        for ref, work in works:
            token = next(self._tokens)
            self._work[token] = work
            self._wait_set.attach(ref, token)
            watched.append((ref, token))
        gids = self._graph_node.readers if isinstance(endpoint, Reader) else self._graph_node.writers
        gids.append(endpoint.gid)
        self._context.graph.announce()

    def _unwatch(self, *endpoints: Reader | Writer) -> None:
        for endpoint in endpoints:
            for ref, token in self._watched.pop(endpoint.ref, []):
                self._wait_set.detach(ref)
                del self._work[token]
            gids = self._graph_node.readers if isinstance(endpoint, Reader) else self._graph_node.writers
            gids.remove(endpoint.gid)
        self._context.graph.announce()

    def _destroy(self, owned: list[Any], item: Any, endpoint: Reader | Writer) -> bool:
        if item not in owned:
            return False
        owned.remove(item)
        self._unwatch(endpoint)
        endpoint.close()
        return True

    def _make_logger(self) -> Logger:
        name = self.get_fully_qualified_name().strip("/").replace("/", ".")
        level = dict(self._arguments.logger_levels).get(name) or self._arguments.log_level or "info"
        return Logger(name, LoggingSeverity[level.upper()])

    def _publish_logs(self) -> None:
        profile = QoSProfile(depth=_LOG_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = self._create_publisher(
            message("rcl_interfaces/msg/Log"), "/rosout", profile, None, _LOG_LIFESPAN_SEC
        )

        def publish(log: Any) -> None:
            # The line was printed; that the graph is already left is no reason to fail.
            with contextlib.suppress(TransportError):
                publisher.publish(log)

        self._logger.publish_log = publish


def _user_data(type_name: str) -> str:
    return f"typehash={types.type_hash(type_name)};"
