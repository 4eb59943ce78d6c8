"""The few rclpy calls that this package needs, over Cyclone DDS in ROS 2's own wire format: for machines without ROS 2.

To nodes of real ROS 2 (``RMW_IMPLEMENTATION=rmw_cyclonedds_cpp``) what is made here is a node like any other: in
``ros2 node``, ``topic``, ``param``, ``lifecycle`` and ``bag``. Names, parameters and defaults are those of rclpy of
ROS 2 Jazzy.

Left out: actions, services of one's own and clients of any, simulated time (``/clock``), executors with several threads
and callback groups, components, loaned messages and intra-process passing, content filters, guard conditions, security
(SROS 2), QoS policies beyond history, reliability and durability, QoS overrides by parameter, events other than
incompatible QoS, ``get_type_description``, logging to files, message types beyond those of the ROS 2 Jazzy desktop, and
the names of nodes of ROS 2 Humble, whose discovery messages are others.
"""

from __future__ import annotations

# Before everything that needs the library.
from . import requirement as requirement
from .arguments import remove_ros_args
from .clock import Clock, Time, Timer
from .endpoints import Publisher, Subscription
from .executor import (
    ExternalShutdownException,
    NotInitializedException,
    init,
    ok,
    spin,
    spin_once,
    try_shutdown,
)
from .fields import MessageError
from .graph import TopicEndpointInfo
from .lifecycle import LifecycleNode
from .logging import Logger, LoggingSeverity
from .messages import message, service
from .node import Node
from .parameter import Parameter
from .qos import (
    DurabilityPolicy,
    HistoryPolicy,
    IncompatibleQoSInfo,
    PublisherEventCallbacks,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    SubscriptionEventCallbacks,
)
from .state_machine import LifecycleState, TransitionCallbackReturn
from .transport import TransportError

__all__ = [
    "Clock",
    "DurabilityPolicy",
    "ExternalShutdownException",
    "HistoryPolicy",
    "IncompatibleQoSInfo",
    "LifecycleNode",
    "LifecycleState",
    "Logger",
    "LoggingSeverity",
    "MessageError",
    "Node",
    "NotInitializedException",
    "Parameter",
    "Publisher",
    "PublisherEventCallbacks",
    "QoSPolicyKind",
    "QoSProfile",
    "ReliabilityPolicy",
    "Subscription",
    "SubscriptionEventCallbacks",
    "Time",
    "Timer",
    "TopicEndpointInfo",
    "TransitionCallbackReturn",
    "TransportError",
    "init",
    "message",
    "ok",
    "remove_ros_args",
    "service",
    "spin",
    "spin_once",
    "try_shutdown",
]
