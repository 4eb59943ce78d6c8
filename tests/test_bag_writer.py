"""The bag that is written: what is in it, and which places it refuses to write to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rosbags.interfaces import QosDurability, QosHistory, QosReliability
from rosbags.rosbag2 import Reader
from ruamel.yaml import YAML

from depth_anything_ros import bag_writer
from depth_anything_ros.bag.source import BagSource
from depth_anything_ros.bag_writer import BagWriter
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import OutputError
from depth_anything_ros.image_codec import decode_image, to_rgb
from depth_anything_ros.point_cloud import CloudBuilder
from tests.sample_bags import START_NS
from tests.sample_depth import CAMERA, depth_frame, is_tidy, messages_in


def test_messages_carry_depth_camera_cloud_and_image_with_stamp_and_frame(tmp_path: Path) -> None:
    frame = depth_frame()
    cloud = CloudBuilder(CAMERA).build(frame.depth_HW, frame.image_HW3)
    with BagWriter(tmp_path / "out") as writer:
        writer.write(frame, cloud, with_image=True)
        assert not (tmp_path / "out").exists()
    messages = messages_in(tmp_path / "out")
    assert [topic for topic, _, _ in messages] == ["/depth/image", "/depth/camera_info", "/points", "/image"]
    for _, log_ns, message in messages:
        assert log_ns == START_NS
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == START_NS
        assert message.header.frame_id == "front_optical"
    depth, info, points, image = (message for _, _, message in messages)
    assert depth.encoding == "32FC1"
    np.testing.assert_array_equal(decode_image(depth), frame.depth_HW)
    assert CameraModel.from_camera_info(info) == CAMERA
    assert list(info.p) == [10, 0, 3.5, 0, 0, 11, 2.5, 0, 0, 0, 1, 0]
    assert [(field.name, field.offset, field.datatype, field.count) for field in points.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
        ("rgb", 12, 7, 1),
    ]
    assert (points.width, points.height, points.point_step, points.row_step) == (8, 6, 16, 128)
    assert bytes(points.data) == cloud.data.tobytes()
    np.testing.assert_array_equal(to_rgb(image), frame.image_HW3)
    assert is_tidy(tmp_path)


def test_without_a_camera_there_is_depth_alone(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "out") as writer:
        writer.write(depth_frame(camera=None))
    assert [topic for topic, _, _ in messages_in(tmp_path / "out")] == ["/depth/image"]


def test_metadata_is_of_a_version_that_humble_reads(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "out") as writer:
        for index in range(3):
            writer.write(depth_frame(index))
    information = YAML(typ="safe").load((tmp_path / "out" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert information["version"] == 8
    assert information["storage_identifier"] == "mcap"
    assert information["relative_file_paths"] == ["out.mcap"]
    assert information["message_count"] == 6
    assert information["starting_time"]["nanoseconds_since_epoch"] == START_NS
    assert information["duration"]["nanoseconds"] == 2
    topics = {entry["topic_metadata"]["name"]: entry for entry in information["topics_with_message_count"]}
    depth = topics["/depth/image"]
    assert depth["message_count"] == 3
    assert depth["topic_metadata"]["type"] == "sensor_msgs/msg/Image"
    # The hash of sensor_msgs/msg/Image as real recordings of ROS 2 state it.
    expected = "RIHS01_d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47"
    assert depth["topic_metadata"]["type_description_hash"] == expected
    # Up to version 8 the profiles are a text; Humble and Iron read nothing else.
    (profile,) = YAML(typ="safe").load(depth["topic_metadata"]["offered_qos_profiles"])
    assert (profile["reliability"], profile["durability"], profile["history"], profile["depth"]) == (1, 2, 1, 10)


def test_rosbags_reads_the_quality_of_service_back(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "out") as writer:
        writer.write(depth_frame())
    for path in (tmp_path / "out", tmp_path / "out" / "out.mcap"):
        with Reader(path) as reader:
            (qos,) = reader.connections[0].ext.offered_qos_profiles  # type: ignore[union-attr]
        assert (qos.history, qos.depth) == (QosHistory.KEEP_LAST, 10)
        assert (qos.reliability, qos.durability) == (QosReliability.RELIABLE, QosDurability.VOLATILE)


def test_its_bag_is_a_source_again(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "out") as writer:
        for index in range(4):
            writer.write(depth_frame(index), with_image=True)
    with BagSource(tmp_path / "out", depth_topic="/depth/image") as source:
        frames = list(source)
        assert source.notes == []
    assert len(frames) == 4


def test_an_existing_target_is_refused_and_replaced_only_on_request(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "out") as writer:
        writer.write(depth_frame())
    with pytest.raises(OutputError, match=r"out already exists; choose another name"):
        BagWriter(tmp_path / "out")
    with BagWriter(tmp_path / "out", overwrite=True) as writer:
        for index in range(2):
            writer.write(depth_frame(index))
        assert len(messages_in(tmp_path / "out")) == 2
    assert len(messages_in(tmp_path / "out")) == 4
    assert is_tidy(tmp_path)


def test_a_folder_that_is_no_bag_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.pdf").write_bytes(b"precious")
    with pytest.raises(OutputError, match="is not a bag folder and is not overwritten"):
        BagWriter(tmp_path / "out", overwrite=True)
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(OutputError, match="is not a bag folder"):
        BagWriter(tmp_path / "file", overwrite=True)
    assert (tmp_path / "out" / "thesis.pdf").read_bytes() == (tmp_path / "file").read_bytes() == b"precious"


def test_a_place_that_cannot_be_written_to_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot write .*file/out"):
        BagWriter(tmp_path / "file" / "out")


def test_a_writer_that_was_given_nothing_leaves_nothing(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_closed_writer_refuses_frames_and_closes_again(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "out")
    writer.write(depth_frame())
    writer.close()
    writer.close()
    with pytest.raises(OutputError, match="was closed"):
        writer.write(depth_frame(1))


@pytest.mark.parametrize("stamp_ns", [-1, 2**31 * 10**9])
def test_a_stamp_that_ros_cannot_hold_is_refused(tmp_path: Path, stamp_ns: int) -> None:
    frame = replace(depth_frame(), stamp_ns=stamp_ns)
    with BagWriter(tmp_path / "out") as writer:
        writer.write(depth_frame())
        with pytest.raises(OutputError, match="does not fit into a ROS message"):
            writer.write(frame)
    assert len(messages_in(tmp_path / "out")) == 2


def test_the_constants_are_those_of_the_readme_topics() -> None:
    names = (bag_writer.DEPTH_TOPIC, bag_writer.CAMERA_INFO_TOPIC, bag_writer.POINTS_TOPIC)
    assert names == ("/depth/image", "/depth/camera_info", "/points")


def test_an_exception_leaves_a_whole_bag_of_what_was_written(tmp_path: Path) -> None:
    def lose_the_engine() -> None:
        with BagWriter(tmp_path / "out") as writer:
            for index in range(3):
                writer.write(depth_frame(index))
            raise RuntimeError("engine lost")

    with pytest.raises(RuntimeError, match="engine lost"):
        lose_the_engine()
    assert len(messages_in(tmp_path / "out")) == 6
    assert is_tidy(tmp_path)
