"""A process that subscribes and tells what it gets: ``python -m tests.live.consumer_process OPTIONS [--ros-args ...]``.

OPTIONS: ``{"name": ..., "topics": {topic: {policy: value}}, "keep": folder or null}``. Each message is one record; with
``keep`` its pixels or points are also written to a file, named in the record.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from depth_anything_ros import ros
from depth_anything_ros.messages import stamp_ns_of
from depth_anything_ros.ros import message
from tests.live.command_line import obey, qos, say, spin

_KINDS = {
    "image": "sensor_msgs/msg/Image",
    "image_rect": "sensor_msgs/msg/Image",
    "colored": "sensor_msgs/msg/Image",
    "camera_info": "sensor_msgs/msg/CameraInfo",
    "points": "sensor_msgs/msg/PointCloud2",
    "points_clearing": "sensor_msgs/msg/PointCloud2",
    "diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
}
_PIXELS = {"32FC1": (np.float32, 1), "16UC1": (np.uint16, 1), "rgb8": (np.uint8, 3)}


def kind_of(topic: str) -> str:
    """Type of the messages on a topic of the node."""
    return _KINDS[topic.rpartition("/")[2]]


def pixels_of(image: Any) -> np.ndarray:
    """Pixels of an Image message (H, W) or (H, W, 3), by its own fields."""
    dtype, channels = _PIXELS[image.encoding]
    pixels = np.frombuffer(bytes(image.data), dtype).reshape(image.height, image.width, channels)
    return pixels[..., 0] if channels == 1 else pixels


def points_of(cloud: Any) -> dict[str, np.ndarray]:
    """Fields of a PointCloud2 (height, width) by name, found by their offsets; all are four bytes."""
    data = np.frombuffer(bytes(cloud.data), np.uint8).reshape(cloud.height, cloud.width, cloud.point_step)
    return {
        field.name: np.ascontiguousarray(data[..., field.offset : field.offset + 4]).view(np.float32)[..., 0]
        for field in cloud.fields
    }


def summary_of(received: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a record says of a message, and the arrays that a file keeps of it."""
    if hasattr(received, "status"):
        statuses = [
            {
                "name": status.name,
                "level": status.level[0],
                "message": status.message,
                "values": {pair.key: pair.value for pair in status.values},
            }
            for status in received.status
        ]
        return {"statuses": statuses}, {}
    if hasattr(received, "k"):
        numbers = {name: [float(value) for value in getattr(received, name)] for name in ("d", "k", "r", "p")}
        size = {"width": received.width, "height": received.height}
        return {**size, **numbers, "distortion_model": received.distortion_model}, {}
    size = {"width": received.width, "height": received.height}
    if hasattr(received, "point_step"):
        arrays = points_of(received)
        layout = {name: getattr(received, name) for name in ("point_step", "row_step", "is_dense")}
        return {**size, **layout, **_span(arrays["z"])}, arrays
    pixels = pixels_of(received)
    return {**size, "encoding": received.encoding, "step": received.step, **_span(pixels)}, {"pixels": pixels}


def _span(values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)] if values.dtype == np.float32 else values
    if not finite.size:
        return {"finite": 0, "low": None, "high": None}
    return {"finite": int(finite.size), "low": float(finite.min()), "high": float(finite.max())}


def main() -> None:
    options = json.loads(sys.argv[1])
    ros.init(args=[sys.argv[0], *sys.argv[2:]])
    node = ros.Node(options["name"])
    subscriptions: dict[str, Any] = {}
    num_kept = 0

    def receive(topic: str, received: Any) -> None:
        nonlocal num_kept
        stamp_ns = stamp_ns_of(received.header)
        age_ms = (time.time_ns() - stamp_ns) / 1e6
        record, arrays = summary_of(received)
        if options["keep"] and arrays:
            num_kept += 1
            path = Path(options["keep"]) / f"{num_kept:04}.npz"
            np.savez(path, **arrays)
            record["file"] = str(path)
        say(topic=topic, stamp_ns=stamp_ns, frame_id=received.header.frame_id, age_ms=age_ms, **record)

    def subscribe(topic: str, policies: dict[str, Any]) -> None:
        subscriptions[topic] = node.create_subscription(
            message(kind_of(topic)), topic, lambda received: receive(topic, received), qos(**policies)
        )

    def unsubscribe(topic: str) -> None:
        node.destroy_subscription(subscriptions.pop(topic))

    for topic, policies in options["topics"].items():
        subscribe(topic, policies)
    obey(node, {"subscribe": subscribe, "unsubscribe": unsubscribe})
    spin(node)


if __name__ == "__main__":
    main()
