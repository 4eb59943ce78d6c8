"""Which topics are the camera's: images, CameraInfo and registered depth, found or named, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.bag.source import BagSource
from depth_anything_ros.bag.streams import base_name, camera_name
from depth_anything_ros.errors import SourceError
from depth_anything_ros.source_frame import SourceFrame
from tests.sample_bags import (
    PERIOD_NS,
    START_NS,
    Recorded,
    camera_info_message,
    camera_recording,
    compressed_message,
    depth_mm,
    image_message,
    jpeg,
    picture,
    write_bag,
)


def frames_of(source: BagSource) -> list[SourceFrame]:
    frames = [frame for frame in source if isinstance(frame, SourceFrame)]
    assert len(frames) == source.num_frames
    return frames


def test_two_cameras_are_refused_with_their_topics_and_the_option(tmp_path: Path) -> None:
    recorded = [
        Recorded(f"/{side}/image_raw", image_message(picture(), "rgb8", START_NS, frame_id=side), START_NS)
        for side in ("left", "right")
    ]
    recorded += [Recorded("/left/camera_info", camera_info_message(START_NS, frame_id="left"), START_NS)]
    bag = write_bag(tmp_path / "bag", recorded)
    with pytest.raises(SourceError, match=r"2 image topics: /left/image_raw.*, /right/image_raw.*--image-topic"):
        BagSource(bag)
    with BagSource(bag, image_topic="/left/image_raw") as source:
        assert frames_of(source)[0].frame.camera is not None
    with BagSource(bag, image_topic="right/image_raw") as source:
        assert frames_of(source)[0].frame.camera is None
        assert "no CameraInfo belongs to /right/image_raw" in source.camera_note
    with BagSource(bag, image_topic="/right/image_raw", camera_info_topic="/left/camera_info") as source:
        assert frames_of(source)[0].frame.camera is not None
    with pytest.raises(SourceError, match=r"no images on /middle; image topics: /left/image_raw"):
        BagSource(bag, image_topic="/middle")
    with pytest.raises(SourceError, match=r"no CameraInfo on /x; CameraInfo topics: /left/camera_info"):
        BagSource(bag, image_topic="/left/image_raw", camera_info_topic="/x")


def test_one_camera_in_two_transports_is_one_camera(tmp_path: Path) -> None:
    recorded = []
    for index in range(3):
        stamp = START_NS + index * PERIOD_NS
        recorded.append(Recorded("/cam/image_raw", image_message(picture(index), "rgb8", stamp), stamp))
        recorded.append(Recorded("/cam/image_raw/compressed", compressed_message(jpeg(picture(index)), stamp), stamp))
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        assert source.description.endswith("images on /cam/image_raw")
        np.testing.assert_array_equal(frames_of(source)[1].frame.image_HW3, picture(1))


def test_pictures_made_of_depth_do_not_count_as_a_second_camera(tmp_path: Path) -> None:
    coloured = Recorded("/camera/depth/colored", image_message(picture(9), "rgb8", START_NS), START_NS)
    with BagSource(write_bag(tmp_path / "bag", [*camera_recording(2), coloured])) as source:
        assert len(frames_of(source)) == 2


def test_the_camera_is_found_by_its_frame(tmp_path: Path) -> None:
    recorded = [
        Recorded("/pictures", image_message(picture(), "rgb8", START_NS, frame_id="front"), START_NS),
        Recorded("/calib/back", camera_info_message(START_NS, fx=1.0, frame_id="back"), START_NS),
        Recorded("/calib/front", camera_info_message(START_NS, fx=60.0, frame_id="front"), START_NS),
    ]
    with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
        camera = frames_of(source)[0].frame.camera
        assert source.camera_note == "K and D of /calib/front, found by its frame front"
    assert camera is not None and camera.fx == 60.0


def test_a_bag_without_images_says_what_it_holds(tmp_path: Path) -> None:
    recorded = [Recorded("/camera_info", camera_info_message(START_NS), START_NS)]
    with pytest.raises(SourceError, match=r"has no images: it holds sensor_msgs/msg/CameraInfo; accepted:"):
        BagSource(write_bag(tmp_path / "bag", recorded))
    depth = [Recorded("/depth/image", image_message(depth_mm(), "16UC1", START_NS), START_NS)]
    with pytest.raises(SourceError, match=r"has no images: only depth, on /depth/image"):
        BagSource(write_bag(tmp_path / "depth_bag", depth))
    with pytest.raises(SourceError, match=r"/depth/image holds depth \(16UC1\)"):
        BagSource(tmp_path / "depth_bag", image_topic="/depth/image")


def test_another_serialisation_is_refused_by_name(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(1), serialization_format="protobuf")
    with pytest.raises(SourceError, match=r"encoded as 'protobuf'; accepted: cdr"):
        BagSource(bag)


class TestReferenceDepth:
    def bag(self, path: Path, depth: object, topic: str = "/tof/image", info: object = None) -> Path:
        recorded = [*camera_recording(1, depth=False), Recorded(topic, depth, START_NS + 9)]
        if info is not None:
            recorded.append(Recorded(topic.rpartition("/")[0] + "/camera_info", info, START_NS + 8))
        return write_bag(path / "bag", recorded)

    def test_the_same_frame_and_size_are_registered(self, tmp_path: Path) -> None:
        depth = image_message(np.full((48, 64), 1.5, np.float32), "32FC1", START_NS)
        with BagSource(self.bag(tmp_path, depth)) as source:
            reference_HW = frames_of(source)[0].reference_HW
        assert reference_HW is not None and np.all(reference_HW == 1.5)

    def test_another_frame_is_not_registered(self, tmp_path: Path) -> None:
        depth = image_message(depth_mm(), "16UC1", START_NS, frame_id="tof_frame")
        with BagSource(self.bag(tmp_path, depth)) as source:
            assert frames_of(source)[0].reference_HW is None
            assert source.notes == [
                "/tof/image is not used: its frame is 'tof_frame', the images' is 'camera_optical_frame'"
            ]
        with BagSource(tmp_path / "bag", depth_topic="/tof/image") as source:
            assert frames_of(source)[0].reference_HW is not None

    def test_another_frame_named_registered_is(self, tmp_path: Path) -> None:
        depth = image_message(depth_mm(), "16UC1", START_NS, frame_id="tof_frame")
        with BagSource(self.bag(tmp_path, depth, "/depth_registered/image")) as source:
            assert frames_of(source)[0].reference_HW is not None

    def test_another_size_is_never_registered(self, tmp_path: Path) -> None:
        depth = image_message(depth_mm(width=32, height=24), "16UC1", START_NS)
        with BagSource(self.bag(tmp_path, depth, "/aligned/image")) as source:
            assert frames_of(source)[0].reference_HW is None
            assert source.notes == ["/aligned/image is not used: it is 32x24, the images are 64x48"]
        with pytest.raises(SourceError, match=r"is not registered to /camera/image_raw: it is 32x24"):
            BagSource(tmp_path / "bag", depth_topic="/aligned/image")

    def test_another_K_is_never_registered(self, tmp_path: Path) -> None:
        depth = image_message(depth_mm(), "16UC1", START_NS)
        info = camera_info_message(START_NS, fx=80.0)
        with BagSource(self.bag(tmp_path, depth, info=info)) as source:
            assert frames_of(source)[0].reference_HW is None
            assert "/tof/camera_info has another K (fx 80.0, the images' 50.0)" in source.notes[0]

    def test_two_registered_topics_need_a_name(self, tmp_path: Path) -> None:
        depth = image_message(depth_mm(), "16UC1", START_NS)
        extra = [Recorded(f"/tof_{side}/image", depth, START_NS + 5) for side in ("a", "b")]
        bag = write_bag(tmp_path / "bag", [*camera_recording(1, depth=False), *extra])
        with BagSource(bag) as source:
            assert source.reference_topic is None
            assert "2 topics hold registered depth" in source.notes[0] and "--depth-topic" in source.notes[0]
        with BagSource(bag, depth_topic="tof_b/image") as source:
            assert frames_of(source)[0].reference_HW is not None
        with pytest.raises(SourceError, match="has no depth on /x; depth topics: /tof_a/image"):
            BagSource(bag, depth_topic="/x")

    @pytest.mark.parametrize(
        ("offset_ms", "is_paired"), [(0, True), (20, True), (-20, True), (21, False), (-21, False)]
    )
    def test_depth_is_paired_within_20_ms(self, tmp_path: Path, offset_ms: int, is_paired: bool) -> None:
        depth = image_message(depth_mm(), "16UC1", START_NS + offset_ms * 1_000_000)
        with BagSource(self.bag(tmp_path, depth)) as source:
            assert (frames_of(source)[0].reference_HW is not None) == is_paired

    def test_a_bad_depth_image_costs_the_reference_only(self, tmp_path: Path) -> None:
        recorded = camera_recording(2)
        for item in recorded:
            if item.topic.startswith("/camera/aligned") and item.log_ns > START_NS + PERIOD_NS:
                item.message.data = item.message.data[:-1]
        with BagSource(write_bag(tmp_path / "bag", recorded)) as source:
            frames = frames_of(source)
            assert [frame.reference_HW is None for frame in frames] == [False, True]
            assert "a depth image on /camera/aligned_depth/image_raw was not used" in source.notes[0]


@pytest.mark.parametrize(
    ("topic", "camera"),
    [
        ("/camera/color/image_raw", "/camera/color"),
        ("/camera/color/image_raw/compressed", "/camera/color"),
        ("/camera/color/camera_info", "/camera/color"),
        ("/image", ""),
        ("/camera_info", ""),
        ("/device_0/sensor_1/Color_0/image/data", "/device_0/sensor_1/Color_0"),
        ("/device_0/sensor_1/Color_0/info/camera_info", "/device_0/sensor_1/Color_0"),
        ("/depth_registered/image_rect/compressedDepth", "/depth_registered"),
    ],
)
def test_camera_names(topic: str, camera: str) -> None:
    assert camera_name(topic) == camera


def test_base_names() -> None:
    assert base_name("/a/image_raw/compressed") == base_name("/a/image_raw/compressedDepth") == "/a/image_raw"
    assert base_name("/a/image_raw") == "/a/image_raw"
