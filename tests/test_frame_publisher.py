"""A depth frame as messages: only what somebody listens to, as the parameters ask."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_codec import decode_depth
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.image_codec import to_rgb
from depth_anything_ros.params import check_values
from tests.worlds import FakePublisher, require_world

require_world()

from depth_anything_ros.camera_channel import OUTPUT_TOPICS  # noqa: E402
from depth_anything_ros.frame_publisher import FramePublisher  # noqa: E402

W, H = 8, 6
CAMERA = CameraModel(W, H, 10.0, 10.0, 3.5, 2.5)


def depth() -> np.ndarray:
    depth_HW = np.full((H, W), 2.0, np.float32)
    depth_HW[0] = np.inf
    depth_HW[1] = np.nan
    return depth_HW


def publish(*listened: str, **values: Any) -> dict[str, Any]:
    """The message on each listened output."""
    publishers = {name: FakePublisher(topic, None) for name, (topic, _) in OUTPUT_TOPICS.items()}
    for name in listened:
        publishers[name].num_subscriptions = 1
    frame = DepthFrame(depth(), np.full((H, W, 3), (9, 8, 7), np.uint8), CAMERA, 5_000_000_007, "cam_optical_frame")
    assert FramePublisher(publishers).publish(frame, check_values(values)) is bool(listened)
    assert all(len(publisher.sent) == (name in listened) for name, publisher in publishers.items())
    for name in listened:
        header = publishers[name].sent[0].header
        assert (header.stamp.sec, header.stamp.nanosec, header.frame_id) == (5, 7, "cam_optical_frame")
    return {name: publishers[name].sent[0] for name in listened}


def points(message: Any) -> np.ndarray:
    floats = np.frombuffer(bytes(message.data), np.float32).reshape(message.height, message.width, -1)
    return floats[..., :3]


def test_nothing_is_made_for_nobody():
    assert publish() == {}


def test_depth_keeps_what_is_no_depth():
    message = publish("depth_image")["depth_image"]
    np.testing.assert_array_equal(decode_depth(message), depth())


def test_depth_in_millimetres_has_zero_for_none():
    message = publish("depth_image", depth_encoding="16UC1")["depth_image"]
    millimetres = np.frombuffer(bytes(message.data), np.uint16).reshape(H, W)
    assert (message.encoding, set(millimetres[:2].ravel()), set(millimetres[2:].ravel())) == ("16UC1", {0}, {2000})


def test_camera_info_fits_the_depth_image():
    made = publish("depth_image", "depth_camera_info")
    info = made["depth_camera_info"]
    assert (info.width, info.height) == (made["depth_image"].width, made["depth_image"].height)
    assert list(info.k)[:3] == [10.0, 0.0, 3.5]
    assert list(info.d) == [0.0] * 5


def test_points_are_those_of_the_depth():
    message = publish("points", **{"points.stride": 2})["points"]
    assert (message.height, message.width, message.point_step) == (3, 4, 16)
    xyz = points(message)
    assert np.isnan(xyz[0]).all()  # beyond range is no point
    np.testing.assert_allclose(xyz[1, 1], [(2 - 3.5) / 10 * 2, (2 - 2.5) / 10 * 2, 2.0], rtol=1e-6)
    assert [field.name for field in message.fields] == ["x", "y", "z", "rgb"]


def test_points_without_colour_and_padded():
    message = publish("points", **{"points.rgb": False, "points.padded": True})["points"]
    assert (message.point_step, [field.name for field in message.fields]) == (32, ["x", "y", "z"])


def test_points_by_voxel_are_dense_and_fewer():
    pytest.importorskip("open3d", exc_type=ImportError)
    message = publish("points", **{"points.voxel_size": 0.5})["points"]
    assert message.height == 1
    assert 1 <= message.width < W * H
    assert message.is_dense


def test_clearing_points_stand_where_the_view_is_free():
    message = publish("points_clearing", **{"points_clearing.range": 6.0})["points_clearing"]
    xyz = points(message)
    np.testing.assert_array_equal(xyz[0, :, 2], np.full(W, 6.0))
    assert np.isnan(xyz[1:]).all()  # unknown clears nothing, and neither does an obstacle


def test_nothing_is_cleared_beyond_the_range_of_the_depth():
    """Behind max_depth something may stand: +Inf there is no free view up to points_clearing.range."""
    publisher = FakePublisher("points_clearing", None, num_subscriptions=1)
    frame = DepthFrame(depth(), np.zeros((H, W, 3), np.uint8), CAMERA, 0, "c")
    FramePublisher({"points_clearing": publisher}).publish(frame, check_values({}), 3.0)
    assert set(points(publisher.sent[0])[0, :, 2]) == {3.0}


def test_pictures_for_people():
    made = publish("image_rect", "depth_colored")
    assert to_rgb(made["image_rect"])[3, 3].tolist() == [9, 8, 7]
    colours = to_rgb(made["depth_colored"])
    assert colours.shape == (H, W, 3)
    assert len({tuple(colours[row, 0]) for row in (0, 1, 2)}) == 3  # beyond, unknown and near look different


def test_colours_do_not_change_with_the_content():
    first = to_rgb(publish("depth_colored")["depth_colored"])[3, 3]
    frame = DepthFrame(
        np.where(depth() == 2.0, np.float32(2.0), np.float32(9.0)), np.zeros((H, W, 3), np.uint8), CAMERA, 0, "c"
    )
    publisher = FakePublisher("depth/colored", None, num_subscriptions=1)
    FramePublisher({"depth_colored": publisher}).publish(frame, check_values({}))
    np.testing.assert_array_equal(to_rgb(publisher.sent[0])[3, 3], first)


def test_new_intrinsics_make_a_new_cloud_geometry():
    publisher = FakePublisher("points", None, num_subscriptions=1)
    made = FramePublisher({"points": publisher})
    for fx in (10.0, 20.0):
        camera = CameraModel(W, H, fx, 10.0, 3.5, 2.5)
        made.publish(DepthFrame(depth(), np.zeros((H, W, 3), np.uint8), camera, 0, "c"), check_values({}))
    first, second = (
        points(SimpleNamespace(**{k: getattr(m, k) for k in ("data", "height", "width")})) for m in publisher.sent
    )
    np.testing.assert_allclose(first[3, :, 0], 2 * second[3, :, 0], rtol=1e-6)
