"""A camera's messages out of a bag: byte for byte, each image with the CameraInfo of its moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.bag.recorded_camera import RecordedCamera, RecordedImage
from depth_anything_ros.cdr_header import read_header
from depth_anything_ros.errors import SourceError
from depth_anything_ros.source_frame import UNDECODABLE_MESSAGE, DroppedFrame
from tests.sample_bags import (
    CAMERA_INFO,
    FRAME,
    IMAGE,
    PERIOD_NS,
    START_NS,
    STORE,
    Recorded,
    camera_info_message,
    camera_recording,
    compressed_message,
    image_message,
    jpeg,
    picture,
    ros1_recording,
    write_bag,
    write_ros1_bag,
)


def images_of(camera: RecordedCamera) -> list[RecordedImage]:
    images = [item for item in camera if isinstance(item, RecordedImage)]
    camera.close()
    return images


def test_messages_come_as_they_were_recorded(tmp_path: Path) -> None:
    recording = camera_recording(4)
    camera = RecordedCamera(write_bag(tmp_path / "bag", recording))
    assert not camera.is_compressed
    assert (camera.width, camera.height) == (64, 48)
    assert camera.camera_note == "/camera/camera_info, found by its name"
    images = images_of(camera)
    assert [image.index for image in images] == [0, 1, 2, 3]
    by_topic = {IMAGE: [], CAMERA_INFO: []}
    for item in recording:
        if item.topic in ("/camera/image_raw", "/camera/camera_info"):
            kind = item.message.__msgtype__
            by_topic[kind].append(bytes(STORE.serialize_cdr(item.message, kind)))
    assert [bytes(image.cdr) for image in images] == by_topic[IMAGE]
    assert [bytes(image.camera_info_cdr or b"") for image in images] == by_topic[CAMERA_INFO]


def test_everything_in_a_camera_info_is_kept(tmp_path: Path) -> None:
    info = camera_info_message(START_NS, D=(0.1, -0.2, 0.0, 0.0, 0.01), px=47.0)
    info.binning_x, info.roi.x_offset, info.roi.width, info.roi.height = 2, 4, 60, 48
    recording = [
        Recorded("/camera/camera_info", info, START_NS),
        Recorded("/camera/image_raw", image_message(picture(), "rgb8", START_NS + 5), START_NS + 5),
    ]
    (image,) = images_of(RecordedCamera(write_bag(tmp_path / "bag", recording)))
    assert bytes(image.camera_info_cdr or b"") == bytes(STORE.serialize_cdr(info, CAMERA_INFO))


def test_an_image_gets_the_info_of_its_moment(tmp_path: Path) -> None:
    recording = []
    for index in range(4):
        stamp = START_NS + index * PERIOD_NS
        recording.append(Recorded("/camera/image_raw", image_message(picture(index), "rgb8", stamp), stamp))
        if index != 2:  # one is lost: the one before it stays in force
            info = camera_info_message(stamp, fx=50.0 + index)
            recording.append(Recorded("/camera/camera_info", info, stamp + 30_000_000))
    images = images_of(RecordedCamera(write_bag(tmp_path / "bag", recording)))
    infos = [STORE.deserialize_cdr(image.camera_info_cdr, CAMERA_INFO) for image in images]
    assert [info.k[0] for info in infos] == [50.0, 51.0, 51.0, 53.0]


def test_images_older_than_any_info_get_the_first(tmp_path: Path) -> None:
    stamps = [START_NS + index * PERIOD_NS for index in range(30)]
    recording = [Recorded("/camera/image_raw", image_message(picture(), "rgb8", stamp), stamp) for stamp in stamps]
    recording.append(Recorded("/camera/camera_info", camera_info_message(stamps[20], fx=77.0), stamps[20]))
    recording.sort(key=lambda item: item.log_ns)
    images = images_of(RecordedCamera(write_bag(tmp_path / "bag", recording)))
    assert len(images) == 30
    assert all(STORE.deserialize_cdr(image.camera_info_cdr, CAMERA_INFO).k[0] == 77.0 for image in images)


def test_a_bag_without_camera_info_gives_images_alone(tmp_path: Path) -> None:
    camera = RecordedCamera(write_bag(tmp_path / "bag", camera_recording(3, info=False)))
    assert camera.camera_note == "none: the bag has no CameraInfo"
    assert [image.camera_info_cdr for image in images_of(camera)] == [None, None, None]


def test_ros1_messages_are_given_as_ros2(tmp_path: Path) -> None:
    images = images_of(RecordedCamera(write_ros1_bag(tmp_path / "ros1.bag", ros1_recording(3))))
    assert len(images) == 3
    for index, image in enumerate(images):
        stamp_ns = START_NS + index * PERIOD_NS
        assert read_header(image.cdr) == (stamp_ns, FRAME)
        message = STORE.deserialize_cdr(image.cdr, IMAGE)
        np.testing.assert_array_equal(message.data.reshape(48, 64, 3), picture(index))
        info = STORE.deserialize_cdr(image.camera_info_cdr, CAMERA_INFO)
        assert (info.width, info.height, info.k[0], info.header.stamp.sec) == (64, 48, 50.0, stamp_ns // 10**9)


def test_a_damaged_message_is_dropped_and_the_rest_comes(tmp_path: Path) -> None:
    recording = camera_recording(3, depth=False)
    damaged = image_message(picture(1), "rgb8", START_NS + PERIOD_NS)
    serialize = STORE.serialize_cdr

    class Damaging:
        """STORE, but for one message that it cuts."""

        def __getattr__(self, name: str) -> object:
            return getattr(STORE, name)

        def serialize_cdr(self, message: object, kind: str) -> memoryview:
            return serialize(message, kind)[:100] if message is damaged else serialize(message, kind)

    recording[2] = Recorded("/camera/image_raw", damaged, START_NS + PERIOD_NS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.sample_bags.STORE", Damaging())
        path = write_bag(tmp_path / "bag", recording)
    items = list(RecordedCamera(path))
    dropped = [item for item in items if isinstance(item, DroppedFrame)]
    assert [(item.index, item.cause) for item in dropped] == [(1, UNDECODABLE_MESSAGE)]
    assert [item.index for item in items if isinstance(item, RecordedImage)] == [0, 2]


def test_compressed_images_are_told(tmp_path: Path) -> None:
    message = compressed_message(jpeg(picture()), START_NS)
    camera = RecordedCamera(write_bag(tmp_path / "bag", [Recorded("/camera/image/compressed", message, START_NS)]))
    assert camera.is_compressed
    (image,) = images_of(camera)
    assert bytes(image.message.data) == jpeg(picture())


def test_several_cameras_are_refused_with_their_names(tmp_path: Path) -> None:
    recording = [
        Recorded(topic, image_message(picture(), "rgb8", START_NS), START_NS)
        for topic in ("/left/image", "/right/image")
    ]
    path = write_bag(tmp_path / "bag", recording)
    with pytest.raises(SourceError, match="2 image topics: /left/image"):
        RecordedCamera(path)
    assert len(images_of(RecordedCamera(path, image_topic="/right/image"))) == 1
