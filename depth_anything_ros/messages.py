"""DepthFrames, cameras and clouds as ROS messages, whoever makes the classes: rclpy, the embedded one or rosbags."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from .camera import CameraModel
from .depth_codec import encode_depth_image
from .depth_frame import DepthFrame
from .image_codec import encode_image
from .point_cloud import PointCloudData

NS_PER_S = 1_000_000_000


def stamp_ns_of(header: Any) -> int:
    """Return the stamp of a std_msgs/Header [ns]."""
    return int(header.stamp.sec) * NS_PER_S + int(header.stamp.nanosec)


class MessageFactory:
    """Makes the messages of one world. The bytes of images and clouds are not copied.

    Parameters
    ----------
    message: the class of a type such as ``sensor_msgs/msg/Image``; called with the fields by name.
    as_arrays: whether number fields must be NumPy arrays (rosbags); else they are handed over as ``array('B')`` and
        lists, which rclpy takes fastest.
    """

    def __init__(self, message: Callable[[str], Any], *, as_arrays: bool = False) -> None:
        self._message, self._as_arrays = message, as_arrays

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """Return a std_msgs/Header."""
        seconds, nanoseconds = divmod(stamp_ns, NS_PER_S)
        stamp = self._message("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)
        return self._message("std_msgs/msg/Header")(stamp=stamp, frame_id=frame_id)

    def header_of(self, frame: DepthFrame) -> Any:
        """Return the header with the frame's stamp and frame id."""
        return self.header(frame.stamp_ns, frame.frame_id)

    def depth(self, header: Any, frame: DepthFrame, encoding: Literal["32FC1", "16UC1"] = "32FC1") -> Any:
        """Return the frame's depth as a sensor_msgs/Image: 32FC1 [m] or 16UC1 [mm]."""
        return self._image(header, encode_depth_image(frame.depth_HW, encoding))

    def image(self, header: Any, image_HW3: np.ndarray) -> Any:
        """Return an RGB image (H, W, 3) uint8 as a sensor_msgs/Image, rgb8."""
        return self._image(header, encode_image(image_HW3, "rgb8"))

    def camera_info(self, header: Any, camera: CameraModel) -> Any:
        """Return the camera as a sensor_msgs/CameraInfo, without binning or region of interest."""
        fields = camera.to_info_fields()
        numbers = {name: self._numbers(fields[name]) for name in ("d", "k", "r", "p")}
        roi = self._message("sensor_msgs/msg/RegionOfInterest")(
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        fields = {**fields, **numbers, "binning_x": 0, "binning_y": 0, "roi": roi}
        return self._message("sensor_msgs/msg/CameraInfo")(header=header, **fields)

    def cloud(self, header: Any, cloud: PointCloudData) -> Any:
        """Return the cloud as a sensor_msgs/PointCloud2."""
        field_of = self._message("sensor_msgs/msg/PointField")
        fields = [
            field_of(name=field.name, offset=field.offset, datatype=field.datatype, count=field.count)
            for field in cloud.fields
        ]
        return self._message("sensor_msgs/msg/PointCloud2")(
            header=header,
            height=cloud.height,
            width=cloud.width,
            fields=fields,
            is_bigendian=cloud.is_bigendian,
            point_step=cloud.point_step,
            row_step=cloud.row_step,
            data=self._bytes(cloud.data),
            is_dense=cloud.is_dense,
        )

    def _image(self, header: Any, fields: dict[str, Any]) -> Any:
        fields = {**fields, "data": self._bytes(fields["data"])}
        return self._message("sensor_msgs/msg/Image")(header=header, **fields)

    def _bytes(self, data: array[int]) -> Any:
        return np.frombuffer(data, np.uint8) if self._as_arrays else data

    def _numbers(self, values: Sequence[float]) -> Any:
        return np.asarray(values, np.float64) if self._as_arrays else list(values)
