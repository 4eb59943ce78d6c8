"""The bag that is written, read by MCAP's own reader and by rosbag2's rules for metadata.yaml: nothing here asks the
library that wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from depth_anything_ros.bag_writer import BagWriter
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.point_cloud import CloudBuilder

WIDTH, HEIGHT, COUNT = 320, 240, 5
START_NS = 1_700_000_000_987_654_321
PERIOD_NS = 33_366_700
CAMERA = CameraModel(WIDTH, HEIGHT, 300.0, 301.0, 159.5, 118.25)
TYPES = {
    "/depth/image": "sensor_msgs/msg/Image",
    "/depth/camera_info": "sensor_msgs/msg/CameraInfo",
    "/points": "sensor_msgs/msg/PointCloud2",
    "/image": "sensor_msgs/msg/Image",
}
NESTED = {
    "sensor_msgs/msg/Image": {"std_msgs/Header", "builtin_interfaces/Time"},
    "sensor_msgs/msg/CameraInfo": {"std_msgs/Header", "builtin_interfaces/Time", "sensor_msgs/RegionOfInterest"},
    "sensor_msgs/msg/PointCloud2": {"std_msgs/Header", "builtin_interfaces/Time", "sensor_msgs/PointField"},
}


def frame_of(index: int) -> DepthFrame:
    """A frame of random depth [m] with one pixel each of NaN, +Inf and -Inf, and of random colours."""
    rng = np.random.default_rng(index)
    depth_HW = rng.uniform(0.5, 9.0, (HEIGHT, WIDTH)).astype(np.float32)
    depth_HW[0, :3] = np.nan, np.inf, -np.inf
    image_HW3 = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return DepthFrame(depth_HW, image_HW3, CAMERA, START_NS + index * PERIOD_NS, "camera_optical_frame")


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of COUNT frames with cloud and image, more than a chunk each."""
    path = tmp_path_factory.mktemp("bags") / "written"
    builder = CloudBuilder(CAMERA)
    with BagWriter(path) as writer:
        for index in range(COUNT):
            frame = frame_of(index)
            writer.write(frame, builder.build(frame.depth_HW, frame.image_HW3), with_image=True)
    return path


@pytest.fixture(scope="module")
def file(bag: Path) -> Path:
    """Its MCAP file, where MCAP's own reader is installed."""
    pytest.importorskip("mcap", reason="mcap, MCAP's own reader, is not installed (extra 'test')")
    pytest.importorskip("mcap_ros2", reason="mcap-ros2-support is not installed (extra 'test')")
    return bag / "written.mcap"


def decoded(file: Path) -> list[tuple[str, Any, Any]]:
    """Every message as (topic, record, decoded message), in the order of the log times."""
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    with file.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        return [(channel.topic, record, message) for _, channel, record, message in reader.iter_decoded_messages()]


def summary_of(file: Path) -> Any:
    from mcap.reader import make_reader

    with file.open("rb") as stream:
        return make_reader(stream).get_summary()


def test_every_message_decodes_to_what_was_written(file: Path) -> None:
    messages = decoded(file)
    assert [topic for topic, _, _ in messages] == list(TYPES) * COUNT
    for place, (topic, record, message) in enumerate(messages):
        frame = frame_of(place // len(TYPES))
        assert record.log_time == record.publish_time == frame.stamp_ns
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == frame.stamp_ns
        assert message.header.frame_id == "camera_optical_frame"
        assert (message.width, message.height) == (WIDTH, HEIGHT)
        if topic == "/depth/image":
            assert (message.encoding, message.step, message.is_bigendian) == ("32FC1", WIDTH * 4, 0)
            depth_HW = np.frombuffer(message.data, "<f4").reshape(HEIGHT, WIDTH)
            np.testing.assert_array_equal(depth_HW, frame.depth_HW)
        if topic == "/image":
            assert (message.encoding, message.step) == ("rgb8", WIDTH * 3)
            np.testing.assert_array_equal(np.frombuffer(message.data, np.uint8), frame.image_HW3.ravel())


def test_the_camera_decodes_to_the_camera(file: Path) -> None:
    infos = [message for topic, _, message in decoded(file) if topic == "/depth/camera_info"]
    for info in infos:
        assert list(info.k) == [300.0, 0.0, 159.5, 0.0, 301.0, 118.25, 0.0, 0.0, 1.0]
        assert list(info.r) == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        assert list(info.p) == [300.0, 0.0, 159.5, 0.0, 0.0, 301.0, 118.25, 0.0, 0.0, 0.0, 1.0, 0.0]
        assert not any(info.d)
        assert (info.binning_x, info.binning_y, info.roi.width, info.roi.height) == (0, 0, 0, 0)


def test_the_cloud_decodes_to_depth_and_colour(file: Path) -> None:
    clouds = [message for topic, _, message in decoded(file) if topic == "/points"]
    for index, cloud in enumerate(clouds):
        frame = frame_of(index)
        fields = [(field.name, field.offset, field.datatype, field.count) for field in cloud.fields]
        assert fields == [("x", 0, 7, 1), ("y", 4, 7, 1), ("z", 8, 7, 1), ("rgb", 12, 7, 1)]
        assert (cloud.point_step, cloud.row_step, cloud.is_bigendian) == (16, 16 * WIDTH, False)
        assert not cloud.is_dense, "it has NaN points"
        points = np.frombuffer(cloud.data, "<f4").reshape(HEIGHT, WIDTH, 4)
        is_point_HW = np.isfinite(frame.depth_HW)
        np.testing.assert_array_equal(np.isfinite(points[..., 2]), is_point_HW)
        np.testing.assert_array_equal(points[..., 2][is_point_HW], frame.depth_HW[is_point_HW])
        v, u = 200, 40
        z = frame.depth_HW[v, u]
        np.testing.assert_allclose(points[v, u, :2], [(u - 159.5) / 300.0 * z, (v - 118.25) / 301.0 * z], rtol=1e-5)
        packed = int(np.frombuffer(cloud.data, "<u4").reshape(HEIGHT, WIDTH, 4)[v, u, 3])
        assert [packed >> 16, packed >> 8 & 255, packed & 255] == frame.image_HW3[v, u].tolist()


def test_every_schema_holds_every_definition_that_it_needs(file: Path) -> None:
    schemas = {schema.name: schema for schema in summary_of(file).schemas.values()}
    assert set(schemas) == set(NESTED)
    for name, schema in schemas.items():
        assert schema.encoding == "ros2msg"
        text = schema.data.decode()
        assert {line.removeprefix("MSG: ") for line in text.splitlines() if line.startswith("MSG: ")} == NESTED[name]


def test_index_and_statistics_agree_with_the_messages(file: Path) -> None:
    from mcap.reader import NonSeekingReader, make_reader

    summary = summary_of(file)
    statistics = summary.statistics
    topics = {number: channel.topic for number, channel in summary.channels.items()}
    assert {topics[number]: count for number, count in statistics.channel_message_counts.items()} == dict.fromkeys(
        TYPES, COUNT
    )
    assert {channel.topic: summary.schemas[channel.schema_id].name for channel in summary.channels.values()} == TYPES
    assert all(channel.message_encoding == "cdr" for channel in summary.channels.values())
    assert (statistics.message_count, statistics.schema_count, statistics.channel_count) == (4 * COUNT, 3, 4)
    assert statistics.chunk_count == len(summary.chunk_indexes) == COUNT
    end_ns = START_NS + (COUNT - 1) * PERIOD_NS
    assert (statistics.message_start_time, statistics.message_end_time) == (START_NS, end_ns)
    # rosbag2 refuses to play in time order what has chunks without message indexes.
    assert all(set(chunk.message_index_offsets) == set(topics) for chunk in summary.chunk_indexes)
    with file.open("rb") as stream:
        times = [record.log_time for _, _, record in NonSeekingReader(stream).iter_messages(log_time_order=False)]
    assert len(times) == 4 * COUNT and times == sorted(times), "the file itself is in the order of time"
    with file.open("rb") as stream:
        found = make_reader(stream).iter_messages(topics="/points", reverse=True)
        assert [record.log_time for _, _, record in found] == times[::-4], "found by the index"


def test_the_file_holds_the_metadata_of_the_folder(file: Path, bag: Path) -> None:
    from mcap.reader import make_reader

    with file.open("rb") as stream:
        (record,) = make_reader(stream).iter_metadata()
    assert record.name == "rosbag2"
    inside = yaml.safe_load(record.metadata["serialized_metadata"])
    assert inside == yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    for channel in summary_of(file).channels.values():
        assert yaml.safe_load(channel.metadata["offered_qos_profiles"]) == [PROFILE]


INFINITE = {"sec": 9_223_372_036, "nsec": 854_775_807}  # RMW_DURATION_INFINITE
PROFILE = {
    "history": 1,  # keep last
    "depth": 10,
    "reliability": 1,  # reliable
    "durability": 2,  # volatile
    "deadline": INFINITE,
    "lifespan": INFINITE,
    "liveliness": 1,  # automatic
    "liveliness_lease_duration": INFINITE,
    "avoid_ros_namespace_conventions": False,
}


def test_metadata_has_what_every_distribution_reads(bag: Path) -> None:
    """Humble knows version 5, Iron 7, Jazzy and later 9; each reads older and newer ones by what they must hold.

    None refuses a number. Humble and Iron take offered_qos_profiles as text of integers whatever the version says;
    Jazzy and later take it so below version 9. From version 6, 7 and 8 on custom_data, type_description_hash and
    ros_distro must be there.
    """
    information = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert 8 <= information["version"] < 9
    assert information["storage_identifier"] == "mcap"
    assert information["relative_file_paths"] == ["written.mcap"]
    assert (bag / "written.mcap").is_file()
    span = {
        "starting_time": {"nanoseconds_since_epoch": START_NS},
        "duration": {"nanoseconds": (COUNT - 1) * PERIOD_NS},
        "message_count": 4 * COUNT,
    }
    assert {key: information[key] for key in span} == span
    assert information["files"] == [{"path": "written.mcap", **span}]
    assert (information["compression_format"], information["compression_mode"]) == ("", "")
    assert information["custom_data"] is None, "an empty map, as rosbag2 writes it"
    assert isinstance(information["ros_distro"], str)
    entries = information["topics_with_message_count"]
    assert {entry["topic_metadata"]["name"]: entry["topic_metadata"]["type"] for entry in entries} == TYPES
    for entry in entries:
        assert entry["message_count"] == COUNT
        topic = entry["topic_metadata"]
        assert topic["serialization_format"] == "cdr"
        assert isinstance(topic["offered_qos_profiles"], str)
        assert yaml.safe_load(topic["offered_qos_profiles"]) == [PROFILE]
        assert topic["type_description_hash"].startswith("RIHS01_") and len(topic["type_description_hash"]) == 71
