#!/usr/bin/env python3
"""The nodes that the depth node is timed beside; node.py starts them as ``node_peer.py ROLE OPTIONS``, OPTIONS as JSON.

usual: a depth node as Python nodes for ROS are usually written: a queue of 10, the work in the callback, frame by frame
    with the steps of ``peer_way.NumpyWay``, and ``msg.data = ...tobytes()``. Its network answers at once, as ours does.
relay: answers every image with a prepared message, without looking at either: nothing but the hops over DDS.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from frames import NETWORK_HW
from peer_way import NumpyWay

from depth_anything_ros import ros
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.messages import MessageFactory
from depth_anything_ros.ros import QoSProfile, message

WALL_M = 2.0


def serialised(kind: str, size: tuple[int, int], point_step: int) -> bytes:
    """A message of a type and size as bytes, its content zero: ``Image`` 32FC1, or ``PointCloud2``."""
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    factory = MessageFactory(lambda name: store.types[name], as_arrays=True)
    header = factory.header(0, "camera_optical_frame")
    width, height = size
    if kind == "Image":
        data = np.zeros(4 * width * height, np.uint8)
        fields = {"height": height, "width": width, "encoding": "32FC1", "is_bigendian": 0, "step": 4 * width}
    else:
        data = np.zeros(point_step * width * height, np.uint8)
        point_field = store.types["sensor_msgs/msg/PointField"]
        named = [point_field(name, 4 * k, 7, 1) for k, name in enumerate(("x", "y", "z", "rgb"))]
        fields = {"height": height, "width": width, "fields": named, "is_bigendian": False, "point_step": point_step}
        fields |= {"row_step": point_step * width, "is_dense": False}
    name = f"sensor_msgs/msg/{kind}"
    return bytes(store.serialize_cdr(store.types[name](header=header, **fields, data=data), name))


def make_relay(node: Any, options: dict[str, Any]) -> None:
    """Answer ``image`` with the prepared message on ``output``."""
    answer = serialised(options["kind"], tuple(options["size"]), options["point_step"])
    qos = QoSProfile(depth=1)
    publisher = node.create_publisher(message(f"sensor_msgs/msg/{options['kind']}"), options["output"], qos)
    image = message("sensor_msgs/msg/Image")
    node.create_subscription(image, "image", lambda _: publisher.publish(answer), qos, raw=True)


def make_usual(node: Any, options: dict[str, Any]) -> None:
    """Subscribe to ``image`` and ``camera_info``, publish ``depth/image`` and ``points``."""
    qos = QoSProfile(depth=10)
    image_of, cloud_of = message("sensor_msgs/msg/Image"), message("sensor_msgs/msg/PointCloud2")
    field_of = message("sensor_msgs/msg/PointField")
    depth_publisher = node.create_publisher(image_of, "depth/image", qos)
    cloud_publisher = node.create_publisher(cloud_of, "points", qos)
    fields = [field_of(name=name, offset=4 * k, datatype=7, count=1) for k, name in enumerate(("x", "y", "z", "rgb"))]
    latest: dict[str, Any] = {}

    def on_image(image: Any) -> None:
        if not latest:
            return
        camera = CameraModel.from_camera_info(latest["info"])
        size = (image.width, image.height)
        size_hw = NETWORK_HW.get(size, (392, 518))
        made_depth, _, made_cloud = NumpyWay(camera, size_hw, 40.0).run(image, np.full(size_hw, WALL_M, np.float32))
        depth = image_of(
            header=image.header, height=image.height, width=image.width, encoding="32FC1", step=4 * size[0]
        )
        depth.data = made_depth.data.tobytes()
        depth_publisher.publish(depth)
        cloud = cloud_of(header=image.header, height=image.height, width=image.width, fields=fields, point_step=16)
        cloud.row_step, cloud.data = 16 * image.width, made_cloud.data.tobytes()
        cloud_publisher.publish(cloud)

    node.create_subscription(image_of, "image", on_image, qos)
    node.create_subscription(
        message("sensor_msgs/msg/CameraInfo"), "camera_info", lambda info: latest.update(info=info), qos
    )


def main() -> None:
    role, options = sys.argv[1], json.loads(sys.argv[2])
    ros.init(args=[sys.argv[0], *sys.argv[3:]])
    node = ros.Node(role)
    {"relay": make_relay, "usual": make_usual}[role](node, options)
    try:
        ros.spin(node)
    except (KeyboardInterrupt, ros.ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        ros.try_shutdown()


if __name__ == "__main__":
    main()
