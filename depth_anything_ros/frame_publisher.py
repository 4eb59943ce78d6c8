"""A DepthFrame as the messages that somebody listens to, and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .camera import CameraModel
from .depth_frame import DepthFrame
from .messages import MessageFactory
from .point_cloud import CloudBuilder, default_stride, load_open3d
from .render import DepthScale, colourise_depth
from .ros import message

_FAR_COLOUR_M = 10.0


class FramePublisher:
    """Publishes the frames of one camera; used by one thread.

    Parameters
    ----------
    publishers: the open outputs by the names of ``camera_channel.OUTPUT_TOPICS``.
    """

    def __init__(self, publishers: Mapping[str, Any]) -> None:
        self._publishers = publishers
        self._messages = MessageFactory(message)
        self._max_depth_m = np.inf
        self._builders: dict[tuple[Any, ...], CloudBuilder] = {}
        self._makers: dict[str, Callable[[Any, DepthFrame, Mapping[str, Any]], Any]] = {
            "depth_image": self._depth_image,
            "depth_camera_info": self._depth_camera_info,
            "points": self._points,
            "image_rect": self._image_rect,
            "depth_colored": self._depth_colored,
            "points_clearing": self._points_clearing,
        }

    def publish(self, frame: DepthFrame, values: Mapping[str, Any], max_depth_m: float = np.inf) -> bool:
        """Publish what has subscribers, as the parameters ``values`` ask; False if nothing has.

        ``max_depth_m`` is the range that the frame was made with: farther is +Inf in it.
        """
        self._max_depth_m = max_depth_m
        wanted = [name for name, publisher in self._publishers.items() if publisher.get_subscription_count() > 0]
        header = self._messages.header_of(frame)
        for name in wanted:
            self._publishers[name].publish(self._makers[name](header, frame, values))
        return bool(wanted)

    def _depth_image(self, header: Any, frame: DepthFrame, values: Mapping[str, Any]) -> Any:
        return self._messages.depth(header, frame, values["depth_encoding"])

    def _depth_camera_info(self, header: Any, frame: DepthFrame, values: Mapping[str, Any]) -> Any:
        return self._messages.camera_info(header, _camera_of(frame))

    def _image_rect(self, header: Any, frame: DepthFrame, values: Mapping[str, Any]) -> Any:
        return self._messages.image(header, frame.image_HW3)

    def _depth_colored(self, header: Any, frame: DepthFrame, values: Mapping[str, Any]) -> Any:
        # One scale for all frames: colours that change with the content of the picture mean nothing.
        far_m = values["max_depth"] or _FAR_COLOUR_M
        return self._messages.image(header, colourise_depth(frame.depth_HW, DepthScale(far_m / 50.0, far_m)))

    def _points(self, header: Any, frame: DepthFrame, values: Mapping[str, Any]) -> Any:
        image_HW3 = frame.image_HW3 if values["points.rgb"] else None
        cloud = self._builder(frame, values).build(frame.depth_HW, image_HW3)
        if values["points.voxel_size"]:
            cloud = load_open3d().voxel_downsample(cloud, values["points.voxel_size"])
        return self._messages.cloud(header, cloud)

    def _points_clearing(self, header: Any, frame: DepthFrame, values: Mapping[str, Any]) -> Any:
        """The cloud of what is beyond range or sky, brought to one depth up to which the view is free.

        Never farther than the range itself: something may stand behind it.
        """
        free_m = np.float32(min(values["points_clearing.range"], self._max_depth_m))
        depth_HW = np.where(frame.depth_HW == np.inf, free_m, np.float32(np.nan))
        return self._messages.cloud(header, self._builder(frame, values).build(depth_HW))

    def _builder(self, frame: DepthFrame, values: Mapping[str, Any]) -> CloudBuilder:
        camera = _camera_of(frame)
        stride = values["points.stride"] or default_stride(camera)
        key = (camera, stride, values["points.padded"])
        builder = self._builders.get(key)
        if builder is None:
            builder = CloudBuilder(camera, stride=stride, padded=values["points.padded"])
            self._builders = {key: builder}  # intrinsics change seldom; those of before are not needed again
        return builder


def _camera_of(frame: DepthFrame) -> CameraModel:
    """The camera of a frame of the node, which never processes an image without one."""
    assert frame.camera is not None
    return frame.camera
