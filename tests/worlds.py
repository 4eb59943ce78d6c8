"""What tests need that go through ``depth_anything_ros.ros``: rclpy or the embedded runtime, and doubles of a node."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest


def require_world() -> None:
    """Skip the test module, with the reason, where neither rclpy nor cyclonedds can be imported."""
    if importlib.util.find_spec("rclpy") is None and importlib.util.find_spec("cyclonedds") is None:
        pytest.skip("needs ROS 2 (rclpy) or the extra dds (cyclonedds)", allow_module_level=True)


@dataclass
class FakePublisher:
    """Keeps what is published; ``num_subscriptions`` is how many listen."""

    topic_name: str
    qos_profile: Any
    num_subscriptions: int = 0
    sent: list[Any] = field(default_factory=list)

    def publish(self, message: Any) -> None:
        self.sent.append(message)

    def get_subscription_count(self) -> int:
        return self.num_subscriptions


@dataclass
class FakeLogger:
    """Keeps (level, text) of all that was said."""

    lines: list[tuple[str, str]] = field(default_factory=list)

    def info(self, text: str) -> None:
        self.lines.append(("info", text))

    def warning(self, text: str) -> None:
        self.lines.append(("warning", text))

    def error(self, text: str) -> None:
        self.lines.append(("error", text))

    def texts(self, level: str) -> list[str]:
        return [text for kind, text in self.lines if kind == level]


class FakeNode:
    """As much of a node as a camera's channel needs; nothing leaves the process."""

    def __init__(self) -> None:
        self.publishers: dict[str, FakePublisher] = {}
        self.subscriptions: dict[str, SimpleNamespace] = {}
        self.num_subscribed = 0
        self.publisher_infos: dict[str, list[Any]] = {}
        self.subscription_infos: dict[str, list[Any]] = {}
        self.logger = FakeLogger()

    def resolve_topic_name(self, topic: str) -> str:
        return topic if topic.startswith("/") else f"/robot/{topic}"

    def create_publisher(self, kind: Any, topic: str, qos_profile: Any) -> FakePublisher:
        name = self.resolve_topic_name(topic)
        self.publishers[name] = FakePublisher(name, qos_profile)
        return self.publishers[name]

    def destroy_publisher(self, publisher: FakePublisher) -> None:
        del self.publishers[publisher.topic_name]

    def create_subscription(self, kind: Any, topic: str, callback: Callable[[Any], None], qos_profile: Any) -> Any:
        name = self.resolve_topic_name(topic)
        assert name not in self.subscriptions, f"{name} is subscribed to twice"
        self.num_subscribed += 1
        self.subscriptions[name] = SimpleNamespace(topic_name=name, qos_profile=qos_profile, callback=callback)
        return self.subscriptions[name]

    def destroy_subscription(self, subscription: Any) -> None:
        del self.subscriptions[subscription.topic_name]

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        return self.publisher_infos.get(topic, [])

    def get_subscriptions_info_by_topic(self, topic: str) -> list[Any]:
        return self.subscription_infos.get(topic, [])

    def get_logger(self) -> FakeLogger:
        return self.logger


def endpoint(qos_profile: Any, node_name: str = "camera", namespace: str = "/") -> Any:
    """A peer of a topic, with the attributes of rclpy's TopicEndpointInfo that are read."""
    return SimpleNamespace(node_name=node_name, node_namespace=namespace, qos_profile=qos_profile)
