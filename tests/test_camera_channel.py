"""One camera's topics: when it subscribes, which image it hands out, and with which intrinsics."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, ImageError
from depth_anything_ros.params import check_values
from tests.image_messages import image_message, picture
from tests.worlds import FakeNode, endpoint, require_world

require_world()

from depth_anything_ros.camera_channel import CameraChannel  # noqa: E402
from depth_anything_ros.channel_stats import SUPERSEDED  # noqa: E402
from depth_anything_ros.intrinsics import NO_CAMERA_INFO  # noqa: E402
from depth_anything_ros.ros import QoSProfile, ReliabilityPolicy  # noqa: E402

W, H = 8, 6
IMAGE, INFO = "/robot/image", "/robot/camera_info"
S = 1_000_000_000


def header(stamp_ns: int) -> Any:
    stamp = SimpleNamespace(sec=stamp_ns // S, nanosec=stamp_ns % S)
    return SimpleNamespace(stamp=stamp, frame_id="cam_optical_frame")


def image(stamp_ns: int, width: int = W, height: int = H, encoding: str = "rgb8") -> Any:
    msg = image_message(picture(height, width), "rgb8")
    msg.header, msg.encoding = header(stamp_ns), encoding
    return msg


def info(stamp_ns: int, fx: float = 10.0, width: int = W, **changes: Any) -> Any:
    fields = CameraModel(width, H, fx or 1.0, 10.0, 3.5, 2.5).to_info_fields()
    if fx == 0.0:
        fields["k"] = [0.0] * 9
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    return SimpleNamespace(header=header(stamp_ns), **{**fields, "binning_x": 0, "binning_y": 0, "roi": roi, **changes})


class Rig:
    """A channel on a double of a node, with a subscriber of its depth unless told otherwise."""

    def __init__(self, *, listeners: int = 1, name: str = "", **values: Any) -> None:
        self.node, self.wakes = FakeNode(), 0
        self.channel = CameraChannel(self.node, name, check_values(values), self._wake)  # type: ignore[arg-type]
        self.channel.open()
        self.listen(listeners)

    def _wake(self) -> None:
        self.wakes += 1

    def listen(self, count: int) -> None:
        depth = next(topic for topic in self.node.publishers if topic.endswith("depth/image"))
        self.node.publishers[depth].num_subscriptions = count
        self.update()

    def update(self) -> None:
        self.channel._graph_checked_s = -1e9  # as if a second had passed
        self.channel.update()

    def send(self, topic: str, message: Any) -> None:
        self.node.subscriptions[topic].callback(message)


def test_images_are_asked_for_only_while_somebody_listens():
    rig = Rig(listeners=0)
    assert set(rig.node.subscriptions) == {INFO}
    rig.listen(1)
    assert set(rig.node.subscriptions) == {INFO, IMAGE}
    rig.listen(0)
    assert set(rig.node.subscriptions) == {INFO}
    assert not rig.channel.is_subscribed


def test_camera_info_is_listened_to_until_the_first_one_and_then_with_the_images():
    rig = Rig(listeners=0)
    rig.send(INFO, info(1 * S))
    rig.update()
    assert rig.node.subscriptions == {}
    rig.listen(1)
    assert set(rig.node.subscriptions) == {INFO, IMAGE}


def test_after_a_pause_a_fresh_camera_info_is_awaited():
    rig = Rig()
    rig.send(INFO, info(1 * S, fx=10.0))
    rig.listen(0)
    rig.listen(1)
    rig.send(IMAGE, image(9 * S))
    assert 0.1 < rig.channel.intrinsics.wait_s(9 * S, time.monotonic()) < 0.25
    rig.send(INFO, info(9 * S, fx=20.0))
    assert rig.channel.intrinsics.wait_s(9 * S, time.monotonic()) == 0.0
    assert rig.channel.decode(rig.channel.take(time.monotonic())).camera.fx == 20.0


def test_an_awaited_camera_info_wakes_the_worker():
    rig = Rig()
    rig.send(INFO, info(1 * S))
    rig.send(IMAGE, image(2 * S))
    rig.channel.take(time.monotonic())
    rig.send(INFO, info(2 * S))  # of the image's own stamp: the camera sends both
    before = rig.wakes
    rig.send(INFO, info(3 * S))
    assert rig.wakes == before + 1


def test_a_waiting_image_is_forgotten_with_its_subscription():
    rig = Rig()
    rig.send(INFO, info(1))
    rig.send(IMAGE, image(1))
    rig.listen(0)
    rig.listen(1)
    assert rig.channel.take(0.0) is None


def test_outputs_on_request_exist_only_on_request():
    plain = {"/robot/depth/image", "/robot/depth/camera_info", "/robot/points"}
    assert set(Rig().node.publishers) == plain
    rig = Rig(**{"publish.image_rect": True, "publish.depth_colored": True, "publish.points_clearing": True})
    extra = {"/robot/image_rect", "/robot/depth/colored", "/robot/points_clearing"}
    assert set(rig.node.publishers) == plain | extra


def test_several_cameras_have_their_topics_below_their_names():
    rig = Rig(name="front")
    assert rig.channel.image_topic == "/robot/front/image"
    assert "/robot/front/points" in rig.node.publishers


def test_compressed_images_come_from_the_topic_of_image_transport():
    rig = Rig(image_transport="compressed")
    assert "/robot/image/compressed" in rig.node.subscriptions
    jpeg = SimpleNamespace(header=header(5), format="jpeg", data=b"no jpeg")
    rig.send(INFO, info(5))
    rig.send("/robot/image/compressed", jpeg)
    with pytest.raises(ImageError):
        rig.channel.decode(rig.channel.take(0.0))


def test_the_subscription_follows_the_reliability_of_its_publishers():
    rig = Rig()
    assert rig.node.subscriptions[IMAGE].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    rig.node.publisher_infos[IMAGE] = [endpoint(QoSProfile(depth=1))]
    rig.update()
    assert rig.node.subscriptions[IMAGE].qos_profile.reliability == ReliabilityPolicy.RELIABLE
    made = rig.node.num_subscribed
    rig.update()
    assert rig.node.num_subscribed == made  # unchanged publishers: nothing is made again
    rig.node.publisher_infos[IMAGE] = []
    rig.update()
    assert rig.node.subscriptions[IMAGE].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_peers_out_of_reach_are_named():
    rig = Rig(**{"qos.image.profile": "default", "qos.depth_image.profile": "sensor_data"})
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    rig.node.publisher_infos[IMAGE] = [endpoint(best_effort, "usb_cam")]
    rig.node.subscription_infos["/robot/depth/image"] = [endpoint(QoSProfile(depth=1), "rviz")]
    first, second = rig.channel.unreached()
    assert first.startswith("/robot/image: /usb_cam publishes best effort")
    assert second.startswith("/robot/depth/image: /rviz asks otherwise")


def test_the_newest_image_wins_and_is_handed_out_once():
    rig = Rig()
    rig.send(INFO, info(1))
    for stamp in (1, 2, 3):
        rig.send(IMAGE, image(stamp))
    assert rig.channel.take(0.0).stamp_ns == 3
    assert rig.channel.take(0.0) is None
    report = rig.channel.stats.report(0.0)
    assert (report.received, report.drops) == (3, {SUPERSEDED: 2})


def test_images_wait_for_the_first_camera_info():
    rig = Rig()
    rig.send(IMAGE, image(1))
    rig.send(IMAGE, image(2))
    assert rig.channel.take(0.0) is None
    assert rig.channel.stats.report(0.0).drops == {NO_CAMERA_INFO: 1}
    rig.send(INFO, info(2))
    assert rig.wakes == 3
    assert rig.channel.decode(rig.channel.take(0.0)).camera.fx == 10.0


def test_a_frame_carries_pixels_stamp_and_frame_id():
    rig = Rig()
    rig.send(INFO, info(7 * S))
    rig.send(IMAGE, image(7 * S + 5))
    frame = rig.channel.decode(rig.channel.take(0.0))
    np.testing.assert_array_equal(frame.image_HW3, picture(H, W))
    assert (frame.stamp_ns, frame.frame_id) == (7 * S + 5, "cam_optical_frame")


def test_new_intrinsics_hold_from_their_stamp_on():
    rig = Rig()
    rig.send(INFO, info(1 * S, fx=10.0))
    rig.send(INFO, info(2 * S, fx=20.0))
    for stamp, fx in ((2 * S - 1, 10.0), (2 * S, 20.0), (3 * S, 20.0)):
        rig.send(IMAGE, image(stamp))
        assert rig.channel.decode(rig.channel.take(0.0)).camera.fx == fx
    # A recording that starts again is another stream: the newest intrinsics hold.
    rig.send(IMAGE, image(1))
    assert rig.channel.decode(rig.channel.take(0.0)).camera.fx == 20.0


def test_a_camera_info_of_another_size_is_refused_with_both_sizes():
    rig = Rig()
    rig.send(INFO, info(1, width=16))
    rig.send(IMAGE, image(1))
    with pytest.raises(CameraError, match="8x6 but its camera is 16x6"):
        rig.channel.decode(rig.channel.take(0.0))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (info(1, fx=0.0), "uncalibrated"),
        (info(1, k=[np.nan] * 9), "nan"),
        (info(1, distortion_model="fancy", d=[0.1] * 5), "fancy"),
    ],
)
def test_an_unusable_camera_info_is_said_once_and_its_images_are_dropped(bad, words):
    rig = Rig()
    rig.send(INFO, bad)
    rig.send(INFO, bad)
    assert len(rig.node.logger.texts("error")) == 1
    assert words in rig.node.logger.texts("error")[0]
    assert words in rig.channel.camera_problem
    rig.send(IMAGE, image(1))
    with pytest.raises(CameraError, match=words):
        rig.channel.decode(rig.channel.take(0.0))
    rig.send(INFO, info(2))
    rig.send(IMAGE, image(2))
    assert rig.channel.decode(rig.channel.take(0.0)).camera.fx == 10.0
    assert rig.channel.camera_problem == ""


def test_rectified_changes_what_camera_info_means():
    rig = Rig()
    rig.send(INFO, info(1, p=[30.0, 0, 3.5, 0, 0, 30.0, 2.5, 0, 0, 0, 1, 0]))
    rig.channel.values = check_values({"rectified": True})
    rig.channel.reread_camera_info()
    rig.send(IMAGE, image(S))
    assert rig.channel.decode(rig.channel.take(0.0)).camera.fx == 30.0


def test_max_rate_holds_frames_back():
    rig = Rig(max_rate=5.0)
    rig.send(INFO, info(1))
    rig.send(IMAGE, image(1))
    assert rig.channel.take(10.0) is not None
    rig.send(IMAGE, image(2))
    assert rig.channel.ready_in(10.1) == pytest.approx(0.1)
    assert rig.channel.take(10.1) is None
    assert rig.channel.take(10.2001) is not None


def test_closing_gives_all_topics_back():
    rig = Rig()
    rig.channel.close()
    assert (rig.node.publishers, rig.node.subscriptions) == ({}, {})
    rig.channel.open()
    assert rig.channel.camera_problem == NO_CAMERA_INFO


def test_a_cause_of_drops_is_said_once():
    rig = Rig()
    rig.channel.drop("image cannot be used", "step 3")
    rig.channel.drop("image cannot be used", "step 4")
    assert rig.node.logger.texts("warning") == [f"{IMAGE}: a frame was dropped: image cannot be used: step 3"]
