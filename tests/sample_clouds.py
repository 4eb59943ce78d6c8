"""Recordings of a camera and a LiDAR that look at a wall, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.bag.messages import MESSAGES
from depth_anything_ros.point_cloud import pack_points
from depth_anything_ros.rigid_transform import RigidTransform
from tests.sample_bags import PERIOD_NS, START_NS, STORE, Recorded, camera_recording, header

LIDAR_POSE = ((0.05, -0.1, 0.2), (0.5, -0.5, 0.5, 0.5))
"""Of a LiDAR (x forward, z up) in the camera's optical frame: xyz [m] and quaternion."""
LIDAR_TOPIC = "/lidar/points"


def wall_points(z_m: float = 3.0, num: int = 40) -> NDArray[np.float64]:
    """Points (N, 3) of a wall before the camera, in its optical frame [m]."""
    xy = np.linspace(-2.0, 2.0, num)
    x, y = np.meshgrid(xy, xy)
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, z_m)], axis=1)


def seen_by_lidar(points_N3: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points of the optical frame in the frame of the LiDAR."""
    return RigidTransform.from_pose(*LIDAR_POSE).inverse()(points_N3).astype(np.float32)


def cloud_message(points_N3: NDArray[np.float32], stamp_ns: int, frame_id: str = "lidar") -> Any:
    return MESSAGES.cloud(MESSAGES.header(stamp_ns, frame_id), pack_points(points_N3))


def static_transforms(edges: Iterable[tuple[str, str, tuple[Any, Any]]]) -> Any:
    """A tf2_msgs/TFMessage of (parent, child, pose)."""
    types = STORE.types
    return types["tf2_msgs/msg/TFMessage"](
        transforms=[
            types["geometry_msgs/msg/TransformStamped"](
                header=header(START_NS, parent),
                child_frame_id=child,
                transform=types["geometry_msgs/msg/Transform"](
                    translation=types["geometry_msgs/msg/Vector3"](*xyz),
                    rotation=types["geometry_msgs/msg/Quaternion"](*quaternion),
                ),
            )
            for parent, child, (xyz, quaternion) in edges
        ]
    )


def lidar_recording(
    count: int = 3, *, z_m: float = 3.0, delay_ns: int = 10_000_000, transforms: bool = True
) -> list[Recorded]:
    """Images and CameraInfo, and for each a cloud ``delay_ns`` later; the mount in /tf_static in two steps."""
    recorded = camera_recording(count, depth=False)
    points = seen_by_lidar(wall_points(z_m))
    for index in range(count):
        stamp = START_NS + index * PERIOD_NS + delay_ns
        recorded.append(Recorded(LIDAR_TOPIC, cloud_message(points, stamp), stamp))
    if transforms:
        plate = ((1.0, 0.0, 0.5), (0.0, 0.0, 0.0, 1.0))
        inverse = RigidTransform.from_pose(*plate).inverse().after(RigidTransform.from_pose(*LIDAR_POSE))
        # From the plate the LiDAR is where it is from the camera, seen from the plate's place.
        lidar = (tuple(inverse.translation_3), LIDAR_POSE[1])
        edges = [("camera_optical_frame", "plate", plate), ("plate", "lidar", lidar)]
        recorded.append(Recorded("/tf_static", static_transforms(edges), START_NS - 1))
    return sorted(recorded, key=lambda item: item.log_ns)
