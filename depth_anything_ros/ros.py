"""The seam: real ROS 2 where rclpy can be imported, else the embedded runtime over Cyclone DDS; nothing else asks.

All names are rclpy's own. ``message`` is the one addition: a message class by its ROS name, because the two worlds keep
their classes in different places. Importing this module raises MissingDependency where neither world is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .domain import domain_id
from .errors import ConfigError

if TYPE_CHECKING or importlib.util.find_spec("rclpy") is None:
    from .embedded import (
        DurabilityPolicy,
        ExternalShutdownException,
        HistoryPolicy,
        LifecycleNode,
        Node,
        Parameter,
        QoSProfile,
        ReliabilityPolicy,
        SubscriptionEventCallbacks,
        TransitionCallbackReturn,
        init,
        message,
        ok,
        remove_ros_args,
        spin,
        spin_once,
        try_shutdown,
    )

    WORLD = "embedded"
    """``rclpy`` or ``embedded``."""

    def create_steady_timer(node: Node, period_sec: float, callback: Callable[[], None]) -> Any:
        """Call back every ``period_sec`` [s] of real time, also where ROS's own time is simulated or stands still."""
        return node.create_timer(period_sec, callback)
else:
    import rclpy
    from rclpy import ok, spin, spin_once, try_shutdown
    from rclpy.clock import Clock, ClockType
    from rclpy.executors import ExternalShutdownException
    from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
    from rclpy.node import Node
    from rclpy.parameter import Parameter
    from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
    from rclpy.utilities import remove_ros_args

    try:
        from rclpy.event_handler import SubscriptionEventCallbacks
    except ImportError:  # Humble
        from rclpy.qos_event import SubscriptionEventCallbacks

    WORLD = "rclpy"

    def create_steady_timer(node: Node, period_sec: float, callback: Callable[[], None]) -> Any:
        """Call back every ``period_sec`` [s] of real time, also where ROS's own time is simulated or stands still."""
        return node.create_timer(period_sec, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def init(*, args: list[str] | None = None) -> None:
        """Start ROS with a command line. Raises ConfigError for arguments or an environment that it refuses."""
        domain_id()
        try:
            rclpy.init(args=args)
        except Exception as error:  # its own class of error is private
            raise ConfigError(f"ROS does not start: {error}") from error

    def message(name: str) -> Any:
        """Return the class of a message type such as ``sensor_msgs/msg/Image``. Raises ConfigError if it is unknown."""
        package, kind, cls = name.split("/")
        try:
            return getattr(importlib.import_module(f"{package}.{kind}"), cls)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"message type {name!r} is not installed: {error}") from error


__all__ = [
    "WORLD",
    "DurabilityPolicy",
    "ExternalShutdownException",
    "HistoryPolicy",
    "LifecycleNode",
    "Node",
    "Parameter",
    "QoSProfile",
    "ReliabilityPolicy",
    "SubscriptionEventCallbacks",
    "TransitionCallbackReturn",
    "create_steady_timer",
    "init",
    "message",
    "ok",
    "remove_ros_args",
    "spin",
    "spin_once",
    "try_shutdown",
]
