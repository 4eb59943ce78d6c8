"""A process that is one or several cameras: ``python -m tests.live.camera_process OPTIONS [--ros-args ...]``.

OPTIONS are the fields of ``Rig`` as JSON. The command ``stream`` publishes a ``View`` at a rate, ``stop`` ends that.
Every image is told by ``{"sent": stamp_ns, "camera": name}``, and every change of the number of its subscribers.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from depth_anything_ros import ros
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.image_codec import encode_image
from depth_anything_ros.messages import MessageFactory
from depth_anything_ros.ros import message
from tests.live.command_line import obey, qos, say, spin

MARK_RGB = (255, 0, 0)
_MARK_RADIUS_PX = 5
_FROM_RGB = {"mono8": cv2.COLOR_RGB2GRAY, "bgr8": cv2.COLOR_RGB2BGR, "bgra8": cv2.COLOR_RGB2BGRA}


@dataclass(frozen=True)
class View:
    """What a camera shows and says.

    ``marks`` are points [m] in the optical frame, each a red disc where the lens shows it. ``image`` and ``info``
    overwrite fields of the messages; ``data_bytes`` is another length of the image's data.
    """

    width: int = 640
    height: int = 480
    fx: float = 500.0
    fy: float = 510.0
    cx: float = 310.0
    cy: float = 250.0
    distortion_model: str = "none"
    D: tuple[float, ...] = ()
    frame_id: str = "camera_optical_frame"
    encoding: str = "rgb8"
    marks: tuple[tuple[float, float, float], ...] = ()
    image: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    data_bytes: int | None = None
    stamp_offset_s: float = 0.0
    with_image: bool = True
    with_info: bool = True

    def camera(self) -> CameraModel:
        """The intrinsics."""
        numbers = (self.width, self.height, self.fx, self.fy, self.cx, self.cy)
        return CameraModel(*numbers, self.distortion_model, tuple(self.D))

    def picture(self) -> np.ndarray:
        """RGB image (H, W, 3): a ramp without red, and the marks."""
        image_HW3 = np.zeros((self.height, self.width, 3), np.uint8)
        image_HW3[..., 1] = np.linspace(0, 255, self.width, dtype=np.uint8)
        image_HW3[..., 2] = np.linspace(0, 255, self.height, dtype=np.uint8)[:, None]
        if self.marks:
            zero, camera = np.zeros(3), self.camera()
            points = np.array(self.marks, np.float64)
            pixels, _ = cv2.projectPoints(points, zero, zero, camera.K, np.array(camera.D or (0.0,) * 5))
            for u, v in pixels[:, 0]:
                # Sixteenths of a pixel, so that the disc's centre is the point's projection.
                centre = round(float(u) * 16), round(float(v) * 16)
                cv2.circle(image_HW3, centre, _MARK_RADIUS_PX * 16, MARK_RGB, cv2.FILLED, cv2.LINE_8, shift=4)
        return image_HW3


@dataclass(frozen=True)
class Rig:
    """The cameras of one process: names (empty: plain topics), QoS, and whether the images are JPEG files."""

    name: str = "camera"
    cameras: tuple[str, ...] = ("",)
    image_qos: dict[str, Any] = field(default_factory=dict)
    info_qos: dict[str, Any] = field(default_factory=dict)
    compressed: bool = False


class Camera:
    """One camera of a rig."""

    def __init__(self, node: Any, name: str, rig: Rig) -> None:
        prefix = f"{name}/" if name else ""
        kind, topic = ("CompressedImage", "image/compressed") if rig.compressed else ("Image", "image")
        self.name, self._node, self._rig = name, node, rig
        self._messages = MessageFactory(message)
        self._images = node.create_publisher(message(f"sensor_msgs/msg/{kind}"), prefix + topic, qos(**rig.image_qos))
        self._infos = node.create_publisher(
            message("sensor_msgs/msg/CameraInfo"), f"{prefix}camera_info", qos(**rig.info_qos)
        )
        self._timer: Any = None
        self._left = 0
        self._subscribers = -1
        node.create_timer(0.05, self._watch_subscribers)

    def stop(self) -> None:
        """Publish no more."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        self._timer = None

    def stream(self, view: View, rate: float, count: int) -> None:
        """Publish the view ``count`` times, the first at once; 0: until something else is asked."""
        self.stop()
        self._left = count
        image = self._image(view)
        info = self._messages.camera_info(self._messages.header(0, view.frame_id), view.camera())
        for name, value in view.info.items():
            setattr(info, name, value)

        def publish_next() -> None:
            self._publish(view, image, info)
            self._left -= 1
            if self._left == 0:
                self.stop()

        if rate > 0.0 and count != 1:
            self._timer = self._node.create_timer(1.0 / rate, publish_next)
        publish_next()

    def _publish(self, view: View, image: Any, info: Any) -> None:
        stamp_ns = self._node.get_clock().now().nanoseconds + round(view.stamp_offset_s * 1e9)
        image.header = info.header = self._messages.header(stamp_ns, view.frame_id)
        # The record goes first: no answer can be told before its question.
        if view.with_image:
            say(sent=stamp_ns, camera=self.name)
            self._images.publish(image)
        if view.with_info:
            self._infos.publish(info)

    def _image(self, view: View) -> Any:
        header = self._messages.header(0, view.frame_id)
        image_HW3 = view.picture()
        if self._rig.compressed:
            data = cv2.imencode(".jpg", image_HW3[..., ::-1])[1].tobytes()
            made = message("sensor_msgs/msg/CompressedImage")(header=header, format="jpeg", data=data)
        else:
            pixels = cv2.cvtColor(image_HW3, _FROM_RGB[view.encoding]) if view.encoding in _FROM_RGB else image_HW3
            made = message("sensor_msgs/msg/Image")(header=header, **encode_image(pixels, view.encoding))
        for name, value in view.image.items():
            setattr(made, name, value)
        if view.data_bytes is not None:
            made.data = bytes(view.data_bytes)
        return made

    def _watch_subscribers(self) -> None:
        count = self._images.get_subscription_count()
        if count != self._subscribers:
            self._subscribers = count
            say(subscribers=count, camera=self.name)


def main() -> None:
    rig = Rig(**json.loads(sys.argv[1]))
    ros.init(args=[sys.argv[0], *sys.argv[2:]])
    node = ros.Node(rig.name)
    cameras = {name: Camera(node, name, rig) for name in rig.cameras}

    def stream(view: dict[str, Any], rate: float, count: int, camera: str) -> None:
        cameras[camera].stream(View(**view), rate, count)

    obey(node, {"stream": stream, "stop": lambda camera: cameras[camera].stop()})
    spin(node)


if __name__ == "__main__":
    main()
