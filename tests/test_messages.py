"""Frames as messages of rosbags' types and of plain classes; the stamps' arithmetic."""

from __future__ import annotations

from array import array
from types import SimpleNamespace

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_codec import decode_depth
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.messages import MessageFactory, stamp_ns_of
from depth_anything_ros.point_cloud import CloudBuilder
from depth_anything_ros.scratch import message_array, message_data


def plain(name: str):
    """A class of any message type that keeps its fields."""

    def make(**fields):
        return SimpleNamespace(kind=name, **fields)

    return make


FACTORY = MessageFactory(plain)
CAMERA = CameraModel(6, 4, 5.0, 5.5, 2.5, 1.5)
STAMP_NS = 1_700_000_000_123_456_789


@pytest.fixture
def frame() -> DepthFrame:
    depth_HW = message_array((4, 6))
    depth_HW[:] = np.linspace(1.0, 3.0, 24, dtype=np.float32).reshape(4, 6)
    return DepthFrame(depth_HW, np.full((4, 6, 3), 7, np.uint8), CAMERA, STAMP_NS, "cam_optical_frame")


def test_header_carries_stamp_and_frame_id(frame):
    header = FACTORY.header_of(frame)
    assert (header.stamp.sec, header.stamp.nanosec, header.frame_id) == (
        1_700_000_000,
        123_456_789,
        "cam_optical_frame",
    )
    assert stamp_ns_of(header) == STAMP_NS


def test_depth_is_handed_over_without_a_copy(frame):
    message = FACTORY.depth(FACTORY.header_of(frame), frame)
    assert (message.kind, message.encoding, message.height, message.width) == ("sensor_msgs/msg/Image", "32FC1", 4, 6)
    assert message.data is message_data(frame.depth_HW)


def test_depth_in_millimetres(frame):
    message = FACTORY.depth(FACTORY.header_of(frame), frame, "16UC1")
    assert message.encoding == "16UC1"
    np.testing.assert_allclose(decode_depth(message), frame.depth_HW, atol=5.01e-4)


def test_camera_info_is_the_cameras(frame):
    message = FACTORY.camera_info(FACTORY.header_of(frame), CAMERA)
    assert message.k == [5.0, 0.0, 2.5, 0.0, 5.5, 1.5, 0.0, 0.0, 1.0]
    assert message.p == [5.0, 0.0, 2.5, 0.0, 0.0, 5.5, 1.5, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert (message.width, message.height, message.binning_x, message.roi.width) == (6, 4, 0, 0)
    assert message.d == [0.0] * 5
    assert CameraModel.from_camera_info(message) == CAMERA


def test_cloud_and_image_fields(frame):
    cloud = CloudBuilder(CAMERA).build(frame.depth_HW, frame.image_HW3)
    message = FACTORY.cloud(FACTORY.header_of(frame), cloud)
    assert [(field.name, field.offset, field.datatype, field.count) for field in message.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
        ("rgb", 12, 7, 1),
    ]
    assert (message.point_step, message.row_step, message.is_bigendian, message.is_dense) == (16, 96, False, False)
    assert message.data is cloud.data
    image = FACTORY.image(FACTORY.header_of(frame), frame.image_HW3)
    assert (image.encoding, image.step) == ("rgb8", 18)
    assert isinstance(image.data, array)


def test_rosbags_gets_arrays(frame):
    factory = MessageFactory(plain, as_arrays=True)
    message = factory.depth(factory.header_of(frame), frame)
    assert isinstance(message.data, np.ndarray)
    assert np.shares_memory(message.data, frame.depth_HW)
    assert factory.camera_info(factory.header_of(frame), CAMERA).k.dtype == np.float64
