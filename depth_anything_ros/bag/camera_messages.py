"""A camera's frames as serialised ROS 2 messages: what a camera driver would publish."""

from __future__ import annotations

import cv2
import numpy as np

from ..camera import CameraModel
from ..depth_frame import CameraFrame
from ..errors import ImageError
from .messages import DISTRIBUTION, MESSAGES, pack
from .reader import message_types

_JPEG_QUALITY = 95


def image_cdr(frame: CameraFrame) -> memoryview:
    """Return the frame's picture as a sensor_msgs/Image, rgb8."""
    return pack(MESSAGES.image(MESSAGES.header(frame.stamp_ns, frame.frame_id), frame.image_HW3))


def jpeg_cdr(frame: CameraFrame) -> memoryview:
    """Return the frame's picture as a sensor_msgs/CompressedImage. Raises ImageError if OpenCV cannot encode it."""
    bgr_HW3 = cv2.cvtColor(frame.image_HW3, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr_HW3, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise ImageError(f"OpenCV cannot encode a {frame.image_HW3.shape} picture as JPEG")
    message = message_types(DISTRIBUTION).types["sensor_msgs/msg/CompressedImage"]
    header = MESSAGES.header(frame.stamp_ns, frame.frame_id)
    return pack(message(header=header, format="rgb8; jpeg compressed bgr8", data=np.asarray(data, np.uint8).ravel()))


def camera_info_cdr(camera: CameraModel, stamp_ns: int, frame_id: str) -> memoryview:
    """Return the camera as a sensor_msgs/CameraInfo."""
    return pack(MESSAGES.camera_info(MESSAGES.header(stamp_ns, frame_id), camera))
