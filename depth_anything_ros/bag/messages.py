"""DepthFrames and clouds as ROS 2 messages of rosbags' types, ready to be serialised."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..camera import CameraModel
from ..depth_codec import encode_depth_image
from ..depth_frame import DepthFrame
from ..image_codec import encode_image
from ..point_cloud import PointCloudData
from .reader import message_types

# Of the types written here, every distribution from Humble on has the same definition and hash.
DISTRIBUTION = "ros2_humble"


def pack(message: Any) -> memoryview:
    """Return a message as the CDR bytes that a recording holds."""
    return memoryview(message_types(DISTRIBUTION).serialize_cdr(message, message.__msgtype__))


def header_of(frame: DepthFrame) -> Any:
    """Return the std_msgs/Header with the frame's stamp and frame id."""
    seconds, nanoseconds = divmod(frame.stamp_ns, 1_000_000_000)
    stamp = _new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return _new("std_msgs/msg/Header", stamp=stamp, frame_id=frame.frame_id)


def depth_message(header: Any, frame: DepthFrame) -> Any:
    """Return the frame's depth as a sensor_msgs/Image, 32FC1 [m]."""
    return _image(header, encode_depth_image(frame.depth_HW))


def image_message(header: Any, frame: DepthFrame) -> Any:
    """Return the frame's image as a sensor_msgs/Image, rgb8."""
    return _image(header, encode_image(frame.image_HW3, "rgb8"))


def camera_info_message(header: Any, camera: CameraModel) -> Any:
    """Return the camera as a sensor_msgs/CameraInfo, without binning or region of interest."""
    fields = camera.to_info_fields()
    numbers = {name: np.asarray(fields[name], np.float64) for name in ("d", "k", "r", "p")}
    roi = _new("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    fields = {**fields, **numbers, "binning_x": 0, "binning_y": 0, "roi": roi}
    return _new("sensor_msgs/msg/CameraInfo", header=header, **fields)


def cloud_message(header: Any, cloud: PointCloudData) -> Any:
    """Return the cloud as a sensor_msgs/PointCloud2; its bytes are not copied."""
    fields = [
        _new(
            "sensor_msgs/msg/PointField",
            name=field.name,
            offset=field.offset,
            datatype=field.datatype,
            count=field.count,
        )
        for field in cloud.fields
    ]
    return _new(
        "sensor_msgs/msg/PointCloud2",
        header=header,
        height=cloud.height,
        width=cloud.width,
        fields=fields,
        is_bigendian=cloud.is_bigendian,
        point_step=cloud.point_step,
        row_step=cloud.row_step,
        data=np.frombuffer(cloud.data, np.uint8),
        is_dense=cloud.is_dense,
    )


def _image(header: Any, fields: dict[str, Any]) -> Any:
    data = np.frombuffer(fields["data"], np.uint8)
    return _new("sensor_msgs/msg/Image", header=header, **{**fields, "data": data})


def _new(kind: str, **fields: Any) -> Any:
    return message_types(DISTRIBUTION).types[kind](**fields)
