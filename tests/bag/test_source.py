"""Frames out of bags: images with their cameras and depth in order, and every kind of bad frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from depth_anything_ros.bag.source import BagSource
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, SourceError
from depth_anything_ros.source_frame import DroppedFrame, SourceFrame
from tests.sample_bags import (
    FRAME,
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


def frames_of(source: BagSource) -> list[SourceFrame]:
    frames = [frame for frame in source if isinstance(frame, SourceFrame)]
    assert len(frames) == source.num_frames
    return frames


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_healthy_bag_gives_every_frame_with_its_camera_and_depth(tmp_path: Path, storage: str) -> None:
    with BagSource(write_bag(tmp_path / "bag", camera_recording(5), storage)) as source:
        frames = frames_of(source)
        assert source.notes == []
        assert source.camera_note == "K and D of /camera/camera_info, found by its name"
        assert source.reference_topic is not None
        assert source.reference_topic.name == "/camera/aligned_depth/image_raw"
        assert frames[0].frame.camera == CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.frame.image_HW3, picture(index))
        assert frame.frame.stamp_ns == START_NS + index * PERIOD_NS
        assert frame.frame.frame_id == FRAME
        assert frame.frame.camera is frames[0].frame.camera
        assert (frame.index, frame.name) == (index, f"{index:06d}")
        assert frame.reference_HW is not None
        assert np.isnan(frame.reference_HW[0, 0])
        assert np.all(frame.reference_HW[1:] == np.float32(1.0 + index))


def test_a_source_can_be_read_twice(tmp_path: Path) -> None:
    with BagSource(write_bag(tmp_path / "bag", camera_recording(3))) as source:
        assert [frame.index for frame in source] == [frame.index for frame in source] == [0, 1, 2]


def test_a_closed_source_says_so(tmp_path: Path) -> None:
    source = BagSource(write_bag(tmp_path / "bag", camera_recording(3)))
    source.close()
    source.close()
    with pytest.raises(SourceError, match="bag was closed"):
        list(source)


def test_a_ros1_bag_is_read(tmp_path: Path) -> None:
    with BagSource(write_ros1_bag(tmp_path / "a.bag", ros1_recording(4))) as source:
        frames = frames_of(source)
    assert source.description.startswith("ROS 1 bag")
    assert frames[3].frame.camera == CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    np.testing.assert_array_equal(frames[3].frame.image_HW3, picture(3))


def test_without_camera_info_frames_come_without_a_camera(tmp_path: Path) -> None:
    with BagSource(write_bag(tmp_path / "bag", camera_recording(2, info=False))) as source:
        assert [frame.frame.camera for frame in frames_of(source)] == [None, None]
        assert source.camera_note == "none: the bag has no CameraInfo"


@pytest.mark.parametrize(("fx", "reason"), [(float("nan"), "not a finite number"), (0.0, "uncalibrated")])
def test_an_unusable_camera_info_is_no_camera_and_the_reason_is_given(tmp_path: Path, fx: float, reason: str) -> None:
    recorded = camera_recording(2, info=False)
    recorded.append(Recorded("/camera/camera_info", camera_info_message(START_NS, fx=fx), START_NS))
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        assert [frame.frame.camera for frame in frames_of(source)] == [None, None]
        assert "/camera/camera_info cannot be used" in source.camera_note
        assert reason in source.camera_note


def test_a_calibration_file_goes_before_the_bag(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(2))
    camera = CameraModel(64, 48, 70.0, 70.0, 30.0, 20.0)
    with BagSource(bag, camera=camera, camera_name="mine.yaml") as source:
        assert source.camera_note == "calibration file mine.yaml"
        assert {frame.frame.camera for frame in frames_of(source)} == {camera}
    with pytest.raises(CameraError, match=r"mine\.yaml: the image is 64x48 but its camera is 32x24"):
        BagSource(bag, camera=CameraModel(32, 24, 70.0, 70.0, 15.0, 12.0), camera_name="mine.yaml")


def test_rectified_images_take_P(tmp_path: Path) -> None:
    recorded = camera_recording(1, info=False)
    info = camera_info_message(START_NS, D=(0.1, 0, 0, 0, 0), px=44.0)
    recorded.append(Recorded("/camera/camera_info", info, START_NS))
    bag = write_bag(tmp_path / "bag", recorded)
    with BagSource(bag) as source:
        raw = frames_of(source)[0].frame.camera
    with BagSource(bag, rectified=True) as source:
        rectified = frames_of(source)[0].frame.camera
    assert raw is not None and raw.is_distorted and raw.fx == 50.0
    assert rectified is not None and not rectified.is_distorted and rectified.fx == 44.0


def test_a_topic_named_rectified_is_not_rectified_again(tmp_path: Path) -> None:
    info = camera_info_message(START_NS, D=(0.1, 0, 0, 0, 0), px=44.0)
    recorded = [
        Recorded("/camera/image_rect", image_message(picture(), "rgb8", START_NS), START_NS),
        Recorded("/camera/camera_info", info, START_NS),
    ]
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        assert source.camera_note.startswith("P, as the images are rectified")
        camera = frames_of(source)[0].frame.camera
    assert camera is not None and not camera.is_distorted and camera.fx == 44.0


def test_a_size_that_changes_with_its_camera_info_takes_the_new_camera(tmp_path: Path) -> None:
    recorded = camera_recording(2, depth=False)
    later = START_NS + 2 * PERIOD_NS
    recorded.append(Recorded("/camera/image_raw", image_message(picture(2, 32, 24), "rgb8", later), later))
    recorded.append(Recorded("/camera/camera_info", camera_info_message(later, 32, 24, fx=25.0), later + 1))
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        cameras = [frame.frame.camera for frame in frames_of(source)]
    assert [camera.fx for camera in cameras if camera is not None] == [50.0, 50.0, 25.0]


def test_a_size_that_changes_without_a_camera_info_is_dropped_and_said(tmp_path: Path) -> None:
    recorded = camera_recording(2)
    later = START_NS + 2 * PERIOD_NS
    recorded.append(Recorded("/camera/image_raw", image_message(picture(2, 32, 24), "rgb8", later), later))
    recorded.append(Recorded("/camera/image_raw", image_message(picture(3), "rgb8", later + 1), later + 1))
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        frames = list(source)
    assert isinstance(frames[2], DroppedFrame)
    assert frames[2].cause == "image size differs from its camera's"
    assert frames[2].detail == "the image is 32x24 but its camera is 64x48"
    assert isinstance(frames[3], SourceFrame) and frames[3].index == 3


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (image_message(picture(), "rgb9", START_NS), "unsupported encoding"),
        (image_message(picture(), "8UC3", START_NS), "unsupported encoding"),
        (image_message(picture(), "rgb8", START_NS, step=7), "corrupt image"),
        (image_message(picture(), "rgb8", START_NS, data=np.zeros(5, np.uint8)), "corrupt image"),
        (image_message(picture(), "rgb8", START_NS, height=0, width=0), "corrupt image"),
        (compressed_message(jpeg(picture())[:-200], START_NS), "corrupt image"),
        (compressed_message(b"", START_NS), "corrupt image"),
        (compressed_message(b"no picture", START_NS), "corrupt image"),
    ],
)
def test_a_bad_image_is_dropped_with_its_cause(tmp_path: Path, message: object, cause: str) -> None:
    is_compressed = hasattr(message, "format")
    good = (
        compressed_message(jpeg(picture()), START_NS) if is_compressed else image_message(picture(), "rgb8", START_NS)
    )
    recorded = [Recorded("/image", item, START_NS + at) for at, item in enumerate((message, good, message))]
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        frames = list(source)
    assert [frame.cause if isinstance(frame, DroppedFrame) else "" for frame in frames] == [cause, "", cause]
    assert all("\n" not in frame.detail and frame.detail for frame in frames if isinstance(frame, DroppedFrame))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (8000, 6000)])
def test_the_smallest_and_a_huge_image_pass(tmp_path: Path, width: int, height: int) -> None:
    pixels = np.zeros((height, width), np.uint8)
    recorded = [
        Recorded("/image", image_message(pixels, "mono8", START_NS), START_NS),
        Recorded("/camera_info", camera_info_message(START_NS, width, height), START_NS),
    ]
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        (frame,) = frames_of(source)
    assert frame.frame.image_HW3.shape == (height, width, 3)


def test_a_message_that_is_cut_off_is_dropped(tmp_path: Path) -> None:
    data = bytes(STORE.serialize_cdr(image_message(picture(), "rgb8", START_NS), "sensor_msgs/msg/Image"))
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/image", "sensor_msgs/msg/Image", typestore=STORE)
        for at, raw in enumerate((data, data[: len(data) // 2], b"", data)):
            writer.write(connection, START_NS + at, raw)
    with BagSource(tmp_path / "bag") as source:
        frames = list(source)
    causes = [frame.cause if isinstance(frame, DroppedFrame) else "" for frame in frames]
    assert causes == ["", "undecodable message", "undecodable message", ""]
    assert frames[1].stamp_ns == START_NS + 1  # type: ignore[union-attr]


def test_a_message_type_nobody_knows_is_left_alone(tmp_path: Path) -> None:
    with Writer(tmp_path / "bag", version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        strange = writer.add_connection("/strange", "my_msgs/msg/Odd", msgdef="uint8 x\n", rihs01="RIHS01_00")
        images = writer.add_connection("/image", "sensor_msgs/msg/Image", typestore=STORE)
        writer.write(strange, START_NS, b"\x00\x01\x00\x00\x07")
        message = image_message(picture(), "rgb8", START_NS)
        writer.write(images, START_NS, STORE.serialize_cdr(message, "sensor_msgs/msg/Image"))
    with BagSource(tmp_path / "bag") as source:
        assert len(frames_of(source)) == 1


def test_stamps_that_were_never_set_are_the_times_of_recording(tmp_path: Path) -> None:
    recorded = [Recorded("/image", image_message(picture(), "rgb8", 0), START_NS + at) for at in range(2)]
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        assert [frame.frame.stamp_ns for frame in frames_of(source)] == [START_NS, START_NS + 1]
        assert source.notes == ["headers on /image have no stamp; the time of recording is used"]


def test_depth_that_comes_late_or_early_is_still_paired(tmp_path: Path) -> None:
    recorded = camera_recording(8)
    for item in recorded:
        if "depth" in item.topic:
            item.log_ns += 3 * PERIOD_NS
    with BagSource(write_bag(tmp_path / "late", sorted(recorded, key=lambda item: item.log_ns))) as source:
        values = [frame.reference_HW[1, 1] for frame in frames_of(source) if frame.reference_HW is not None]
    assert values == [1.0 + index for index in range(8)]


def test_depth_that_never_comes_does_not_hold_frames_back(tmp_path: Path) -> None:
    recorded = [item for item in camera_recording(60) if "depth" not in item.topic or item.log_ns < START_NS + 10]
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        seen = {}
        for frame in source:
            assert isinstance(frame, SourceFrame)
            seen[frame.index] = frame.reference_HW is not None
    assert seen == {index: index == 0 for index in range(60)}


def test_hololens_bags(shared_data: Path) -> None:
    for name, count in (("hololens_mcap", 80), ("hololens_db3_short", 6)):
        with BagSource(shared_data / "bags" / name) as source:
            frames = frames_of(source)
            assert len(frames) == count and source.notes == []
            assert all(frame.reference_HW is not None and frame.frame.camera is not None for frame in frames)
            assert frames[1].frame.stamp_ns - frames[0].frame.stamp_ns == 100_000_000


def test_realsense_bag_with_odd_habits(shared_data: Path) -> None:
    with BagSource(shared_data / "realsense_d435" / "ros1_bag") as source:
        (frame,) = frames_of(source)
        assert frame.frame.camera is not None and frame.frame.camera.fx == pytest.approx(613.2, abs=0.1)
        assert frame.reference_HW is None
        assert source.notes == [
            "/device_0/sensor_0/Depth_0/image/data is not used: /device_0/sensor_0/Depth_0/info/camera_info has "
            "another K (fx 390.4, the images' 613.2): it is not registered"
        ]
