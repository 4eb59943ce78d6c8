"""What `info` shows of a bag."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_anything_ros.bag.info import describe_bag
from depth_anything_ros.errors import SourceError
from tests.sample_bags import (
    FRAME,
    PERIOD_NS,
    START_NS,
    Recorded,
    camera_info_message,
    camera_recording,
    image_message,
    picture,
    ros1_recording,
    storage_file,
    write_bag,
    write_ros1_bag,
)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_healthy_bag(tmp_path: Path, storage: str) -> None:
    info = describe_bag(write_bag(tmp_path / "bag", camera_recording(5), storage))
    assert (info.path, info.storage, info.num_messages) == (tmp_path / "bag", storage, 15)
    assert info.start_ns == START_NS
    assert info.duration_s == pytest.approx((4 * PERIOD_NS + 2) / 1e9)
    assert [(topic.name, topic.type, topic.count) for topic in info.topics] == [
        ("/camera/aligned_depth/image_raw", "sensor_msgs/msg/Image", 5),
        ("/camera/camera_info", "sensor_msgs/msg/CameraInfo", 5),
        ("/camera/image_raw", "sensor_msgs/msg/Image", 5),
    ]
    assert [(image.topic.name, image.is_depth, image.size, image.encoding) for image in info.images] == [
        ("/camera/aligned_depth/image_raw", True, "64x48", "16UC1"),
        ("/camera/image_raw", False, "64x48", "rgb8"),
    ]
    (camera,) = info.cameras
    assert (camera.topic, camera.frame_id, camera.problem) == ("/camera/camera_info", FRAME, "")
    assert camera.camera is not None and camera.camera.fx == 50.0
    assert info.choice.endswith("images on /camera/image_raw, registered depth on /camera/aligned_depth/image_raw")
    assert info.camera_note.startswith("K and D of /camera/camera_info")
    assert (info.problem, info.notes) == ("", ())


def test_a_ros1_bag(tmp_path: Path) -> None:
    info = describe_bag(write_ros1_bag(tmp_path / "a.bag", ros1_recording(3)))
    assert (info.storage, info.num_messages, len(info.cameras)) == ("ros1", 6, 1)


def test_what_a_run_would_refuse_is_still_described(tmp_path: Path) -> None:
    recorded = [
        Recorded(f"/{side}/image_raw", image_message(picture(), "rgb8", START_NS), START_NS)
        for side in ("left", "right")
    ]
    recorded.append(Recorded("/left/camera_info", camera_info_message(START_NS, fx=0.0), START_NS))
    info = describe_bag(write_bag(tmp_path / "bag", recorded))
    assert "2 image topics" in info.problem and info.choice == ""
    assert len(info.images) == 2
    assert info.cameras[0].camera is None and "uncalibrated" in info.cameras[0].problem


def test_damage_is_in_the_notes(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(5))
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[:-100])
    info = describe_bag(bag)
    assert info.num_messages == 15
    assert "has no usable index" in info.notes[0]


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        describe_bag(tmp_path / "none")


def test_the_realsense_bag(shared_data: Path) -> None:
    info = describe_bag(shared_data / "realsense_d435" / "ros1_bag")
    assert {image.topic.name: image.is_depth for image in info.images} == {
        "/device_0/sensor_0/Depth_0/image/data": True,
        "/device_0/sensor_1/Color_0/image/data": False,
    }
    assert len(info.cameras) == 2 and info.problem == ""
