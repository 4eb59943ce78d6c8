"""A second process for the tests: ``python peer.py ROLE [ARGUMENT...]``; prints a line when it is ready.

Roles: ``camera COUNT`` publishes images on /image once somebody listens; ``listener`` prints what comes on /image;
``latched`` publishes one transient-local text on /latched and stays; ``idle`` has a node and stays.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from depth_anything_ros import embedded as ros


def camera(node: Any, count: str) -> None:
    cls = ros.message("sensor_msgs/msg/Image")
    publisher = node.create_publisher(cls, "image", ros.QoSProfile(depth=100))
    while publisher.get_subscription_count() == 0:
        ros.spin_once(node, timeout_sec=0.05)
    # The other side may learn of the match later than this one.
    time.sleep(0.5)
    for index in range(int(count)):
        image = cls(height=48, width=64, encoding="rgb8", step=192, data=np.full(48 * 192, index % 256, np.uint8))
        image.header.stamp.sec = index
        publisher.publish(image)
        ros.spin_once(node, timeout_sec=0.01)


def listener(node: Any) -> None:
    def show(image: Any) -> None:
        print(image.header.stamp.sec, image.data.size, int(image.data[0]), flush=True)

    node.create_subscription(ros.message("sensor_msgs/msg/Image"), "image", show, 100)


def latched(node: Any) -> None:
    cls = ros.message("std_msgs/msg/String")
    profile = ros.QoSProfile(depth=1, durability=ros.DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_publisher(cls, "latched", profile).publish(cls(data="kept"))


def idle(node: Any) -> None:
    node.create_publisher(ros.message("std_msgs/msg/String"), "idle", 1)


def main() -> None:
    role, *arguments = sys.argv[1:]
    ros.init(args=[])
    node = ros.Node(role, namespace="/peer")
    print("ready", flush=True)
    {"camera": camera, "listener": listener, "latched": latched, "idle": idle}[role](node, *arguments)
    try:
        ros.spin(node)
    except ros.ExternalShutdownException:
        print("shut down", flush=True)
    node.destroy_node()
    ros.try_shutdown()


if __name__ == "__main__":
    main()
