"""Robot bags as training samples: depth images and LiDAR points by time, rectified; what is left out is counted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, OutputError, SourceError
from tests.sample_bags import (
    PERIOD_NS,
    START_NS,
    Recorded,
    camera_info_message,
    camera_recording,
    cut,
    depth_mm,
    image_message,
    large_recording,
    picture,
    storage_file,
    write_bag,
)
from tests.sample_clouds import LIDAR_POSE, LIDAR_TOPIC, lidar_recording
from training.sources import bag_frames, open_source
from training.sources.bag import NO_DEPTH, BagSamples, open_frames, open_samples
from training.sources.bag_frames import BagOptions, unpack
from training.sources.frame_selection import BLURRED, DUPLICATE

SHARED_BAG = Path(__file__).parents[4] / "shared" / "data" / "bags" / "hololens_mcap"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def opened(path: Path, **options: Any) -> BagSamples:
    return open_samples(path, **{"min_sharpness": 0, **options})


def test_depth_images_by_time_with_their_camera(tmp_path: Path) -> None:
    samples = opened(write_bag(tmp_path / "bag", camera_recording(4)))
    assert len(samples) == 4
    for index in range(4):
        sample = samples[index]
        np.testing.assert_array_equal(sample.image_HW3, picture(index))
        assert sample.depth_HW[5, 5] == pytest.approx(1.0 + index) and np.isnan(sample.depth_HW[0, 0])
        assert sample.source == f"bag/{index:06d}" and sample.is_metric and not sample.sky_known
        assert (sample.camera.fx, sample.camera.cx, sample.camera.width) == (50.0, 31.5, 64)
    assert samples.frames.truth == "depth images on /camera/aligned_depth/image_raw"


def test_a_recipe_opens_it_and_another_process_gets_it(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(4))
    source = open_source("bag", str(path), {"min_sharpness": 0, "cache": str(tmp_path / "here")}, first=1, last=2)
    assert len(source) == 2 and list((tmp_path / "here").iterdir())
    # By the same protocol it is sent to a process that loads.
    again = copy.deepcopy(source)
    np.testing.assert_array_equal(again[1].image_HW3, picture(2))
    with pytest.raises(ConfigError, match="unknown key 'depth_topics'; did you mean depth_topic"):
        open_source("bag", str(path), {"depth_topics": "/x"})


def test_far_depth_keeps_its_metres(tmp_path: Path) -> None:
    depth = np.full((48, 64), 123.456, np.float32)
    depth[0] = np.inf
    depth[1] = np.nan
    recorded = camera_recording(1, depth=False)
    recorded.append(Recorded("/camera/aligned_depth/image_raw", image_message(depth, "32FC1", START_NS), START_NS + 2))
    sample = opened(write_bag(tmp_path / "bag", recorded))[0]
    assert sample.depth_HW[2:] == pytest.approx(123.456, abs=0.002) and np.isnan(sample.depth_HW[:2]).all()


def test_a_distorted_camera_comes_out_rectified_with_unmixed_depth(tmp_path: Path) -> None:
    recorded = camera_recording(1, info=False, depth=False)
    recorded.append(Recorded("/camera/camera_info", camera_info_message(START_NS, D=(-0.3, 0.1, 0, 0, 0)), START_NS))
    halves = depth_mm(2.0)
    halves[:, 32:] = 6000
    recorded.append(Recorded("/camera/aligned_depth/image_raw", image_message(halves, "16UC1", START_NS), START_NS))
    sample = opened(write_bag(tmp_path / "bag", recorded))[0]
    assert not sample.camera.is_distorted and sample.camera.fx == 50.0
    assert np.unique(sample.depth_HW[sample.valid_HW]) == pytest.approx([2.0, 6.0])
    assert np.abs(sample.image_HW3.astype(int) - picture(0)).max() > 10


def test_a_lidar_projected_by_tf_static(tmp_path: Path) -> None:
    samples = opened(write_bag(tmp_path / "bag", lidar_recording(2, z_m=3.0)))
    assert samples.frames.truth == f"clouds on {LIDAR_TOPIC}, placed by tf_static" and len(samples) == 2
    valid = samples[1].valid_HW
    assert 50 < valid.sum() < valid.size / 2
    assert samples[1].depth_HW[valid] == pytest.approx(3.0, abs=0.002)


def test_a_lidar_placed_by_hand_and_one_whose_place_is_unknown(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", lidar_recording(2, transforms=False))
    with pytest.raises(ConfigError, match="no transform from 'lidar' to 'camera_optical_frame'"):
        opened(path)
    sample = opened(path, cloud_pose=[*LIDAR_POSE[0], *LIDAR_POSE[1]])[0]
    assert sample.depth_HW[sample.valid_HW] == pytest.approx(3.0, abs=0.002)


def test_frames_without_a_cloud_of_their_time_are_counted(tmp_path: Path) -> None:
    recorded = lidar_recording(3)
    last = max(item.log_ns for item in recorded if item.topic == LIDAR_TOPIC)
    kept = [item for item in recorded if item.topic != LIDAR_TOPIC or item.log_ns != last]
    samples = opened(write_bag(tmp_path / "bag", kept))
    assert len(samples) == 2 and samples.frames.left_out == {NO_DEPTH: 1}
    assert f"1 {NO_DEPTH}" in samples.frames.describe()


def test_two_lidars_must_be_told_apart(tmp_path: Path) -> None:
    recorded = lidar_recording(2)
    recorded += [Recorded("/rear/points", item.message, item.log_ns) for item in recorded if item.topic == LIDAR_TOPIC]
    path = write_bag(tmp_path / "bag", recorded)
    with pytest.raises(SourceError, match="2 topics of clouds: /lidar/points, /rear/points"):
        opened(path)
    assert opened(path, cloud_topic=LIDAR_TOPIC).frames.truth.startswith(f"clouds on {LIDAR_TOPIC}")


def moving_camera(blurred: set[int] = frozenset(), still: set[int] = frozenset()) -> list[Recorded]:  # type: ignore[assignment]
    """Views of one noisy wall, each further along it; a ``still`` one is where the one before was."""
    wall = np.random.default_rng(0).integers(0, 256, (12, 120, 3), np.uint8)
    wall = cv2.resize(wall, (960, 96), interpolation=cv2.INTER_CUBIC)
    recorded, place = [], 0
    for index in range(8):
        place += 0 if index in still else 60
        view = np.ascontiguousarray(wall[:, place : place + 128])
        view = cv2.GaussianBlur(view, (0, 0), 4) if index in blurred else view
        stamp = START_NS + index * PERIOD_NS
        recorded.append(Recorded("/camera/image_raw", image_message(view, "rgb8", stamp), stamp))
        recorded.append(Recorded("/camera/camera_info", camera_info_message(stamp, 128, 96), stamp))
        depth = image_message(depth_mm(2.0, 128, 96), "16UC1", stamp)
        recorded.append(Recorded("/camera/aligned_depth/image_raw", depth, stamp))
    return recorded


def test_blurred_and_repeated_frames_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", moving_camera(blurred={2}, still={5, 6}))
    samples = open_samples(path)
    assert samples.frames.left_out == {BLURRED: 1, DUPLICATE: 2}
    assert [samples[index].source[-1] for index in range(len(samples))] == ["0", "1", "3", "4", "7"]
    assert len(open_samples(path, min_sharpness=0, max_same_bits=-1)) == 8


def test_every_second_frame(tmp_path: Path) -> None:
    samples = opened(write_bag(tmp_path / "bag", camera_recording(5)), every=2)
    assert [samples[index].source for index in range(3)] == ["bag/000000", "bag/000002", "bag/000004"]


def test_a_camera_without_intrinsics_is_refused_unless_its_view_is_known(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(2, info=False))
    with pytest.raises(SourceError, match=r"no intrinsics \(the bag has no CameraInfo\).*\(hfov_deg\) is accepted"):
        opened(path)
    assert opened(path, hfov_deg=90.0)[0].camera.fx == pytest.approx(32.0)


def test_a_bag_of_images_alone_has_frames_but_no_samples(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(3, depth=False))
    with pytest.raises(SourceError, match=r"no frame with depth: it has no depth images and no clouds.*cloud_topic"):
        opened(path)
    frames = open_frames(path, BagOptions())
    assert len(frames.entries) == 3 and frames.truth == "" and frames.entries[0].fields["depth"] is None


def test_of_two_cameras_one_must_be_named(tmp_path: Path) -> None:
    recorded = camera_recording(2)
    recorded += [Recorded(item.topic.replace("/camera", "/rear", 1), item.message, item.log_ns) for item in recorded]
    path = write_bag(tmp_path / "bag", recorded)
    with pytest.raises(SourceError, match=r"2 image topics: .*choose one"):
        opened(path)
    both = {"image_topic": "/rear/image_raw", "depth_topic": "/rear/aligned_depth/image_raw"}
    assert len(opened(path, **both)) == 2


def test_a_damaged_bag_gives_what_can_be_read(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", large_recording(8))
    cut(storage_file(path), storage_file(path).stat().st_size * 6 // 10)
    frames = open_frames(path, BagOptions())
    assert 2 <= len(frames.entries) < 8 and any("no usable index" in note for note in frames.notes)
    np.testing.assert_array_equal(frames.entries[1].read_rgb(), picture(1, 640, 480))


def test_unpacked_once_for_the_same_bag_and_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(3))
    first = unpack(path, BagOptions())
    assert unpack(path, BagOptions(every=2)) != first
    with monkeypatch.context() as patch:
        patch.setattr(bag_frames, "open_source", lambda *args, **options: pytest.fail("the bag was read again"))
        assert unpack(path, BagOptions()) == first
    file = storage_file(path)
    file.touch()
    assert unpack(path, BagOptions()) != first


def test_a_full_disk_leaves_no_half_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(4))
    written = []

    def write(file: Path, data: bytes) -> None:
        written.append(file)
        if len(written) == 5:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(bag_frames, "_write", write)
    cache = tmp_path / "frames"
    with pytest.raises(OutputError, match=r"frames of .*bag cannot be written: No space left on device"):
        unpack(path, BagOptions(), cache)
    assert len(written) == 5 and list(cache.iterdir()) == []


def test_of_two_processes_that_unpack_at_once_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(3))
    rename = bag_frames.os.rename

    def late(source: Any, target: Any) -> None:
        if not Path(target).exists():
            monkeypatch.setattr(bag_frames.os, "rename", rename)
            unpack(path, BagOptions())
        rename(source, target)

    monkeypatch.setattr(bag_frames.os, "rename", late)
    index = unpack(path, BagOptions())
    assert len(json.loads(index.read_text())["frames"]) == 3
    assert [item.name for item in index.parent.parent.iterdir()] == [index.parent.name]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every 0: a whole number from 1"),
        ({"hfov_deg": 190}, "hfov_deg 190: above 0, below 180"),
        ({"min_sharpness": 1.5}, "min_sharpness 1.5: a number from 0 to below 1"),
        ({"depth_topic": "/d", "cloud_topic": "/c"}, "depth_topic /d and cloud_topic /c: one of them"),
        ({"hfov_deg": 60}, "hfov_deg 60: .* has intrinsics .K and D of /camera/camera_info"),
        ({"cloud_pose": [0, 0, 0, 0, 0, 0, 1]}, "cloud_pose is given, and .* has depth images on /camera/aligned"),
        ({"cloud_pose": [0, 0, 0]}, "transform is 0 0 0; accepted: x y z"),
        ({"image_topic": "/other"}, "has no images on /other"),
        ({"camera_info": "absent.yaml"}, "absent.yaml"),
    ],
)
def test_options_that_are_not_accepted(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(1))
    with pytest.raises((ConfigError, SourceError, ValueError), match=message):
        opened(path, **options)


def test_what_is_no_bag(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="absent: no bag; a ROS 2 bag"):
        opened(tmp_path / "absent")
    with pytest.raises(SourceError, match="no bag; a ROS 2 bag"):
        opened(tmp_path)


def test_a_real_recording_agrees_with_its_frames() -> None:
    if not SHARED_BAG.is_dir():
        pytest.skip(f"{SHARED_BAG} is not here")
    samples = open_samples(SHARED_BAG)
    assert samples.frames.left_out == {DUPLICATE: 3} and len(samples) == 77
    frames = open_source("frames", str(SHARED_BAG.parents[1] / "index.json"), {"dataset": "hololens_seq"}, last=5)
    mine, theirs = samples[3], frames[4]
    assert mine.source.endswith("000004")
    assert mine.camera.fx == pytest.approx(theirs.camera.fx, rel=1e-3)
    np.testing.assert_allclose(mine.depth_HW, theirs.depth_HW, atol=0.0011)
    assert np.abs(mine.image_HW3.astype(int) - theirs.image_HW3).mean() < 3
