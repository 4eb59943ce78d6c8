"""BagClouds: the cloud of a moment, and where its frame is, out of recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.bag.clouds import BagClouds
from depth_anything_ros.cloud_codec import cloud_points
from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.rigid_transform import RigidTransform
from depth_anything_ros.source import open_clouds
from tests.sample_bags import PERIOD_NS, START_NS, Recorded, camera_recording, write_bag
from tests.sample_clouds import (
    LIDAR_TOPIC,
    cloud_message,
    lidar_recording,
    seen_by_lidar,
    static_transforms,
    wall_points,
)


def numbered(path: Path, stamps_ns: list[int]) -> Path:
    """A bag of clouds of one point whose x is the cloud's number."""
    recorded = camera_recording(1, depth=False)
    for index, stamp in enumerate(stamps_ns):
        points = np.array([[index, 0.0, 1.0]], np.float32)
        recorded.append(Recorded(LIDAR_TOPIC, cloud_message(points, stamp), stamp))
    return write_bag(path, recorded)


def test_the_nearest_cloud_within_the_window(tmp_path: Path) -> None:
    bag = numbered(tmp_path / "bag", [START_NS + index * PERIOD_NS for index in range(4)])
    with BagClouds(bag, LIDAR_TOPIC) as clouds:
        asked_ms = [-60, -40, 0, 49, 51, 140, 330, 350, 360]
        found = [clouds.nearest(START_NS + ms * 1_000_000) for ms in asked_ms]
    numbers = [None if cloud is None else int(cloud_points(cloud)[0][0, 0]) for cloud in found]
    assert numbers == [None, 0, 0, 0, 1, 1, 3, 3, None]
    assert clouds.gap_ns == 60_000_000


def test_frames_of_tf_static(tmp_path: Path) -> None:
    with BagClouds(write_bag(tmp_path / "bag", lidar_recording()), "lidar/points") as clouds:
        place = clouds.frames.between("camera_optical_frame", "lidar")
        np.testing.assert_allclose(place(seen_by_lidar(wall_points())), wall_points(), atol=1e-5)
        assert clouds.notes == []


def test_points_of_a_moment_in_another_frame(tmp_path: Path) -> None:
    with BagClouds(write_bag(tmp_path / "bag", lidar_recording(1)), LIDAR_TOPIC) as clouds:
        points = clouds.points_at(START_NS, "camera_optical_frame")
        np.testing.assert_allclose(points, wall_points(), atol=1e-5)
        given = clouds.points_at(START_NS, "elsewhere", RigidTransform.identity())
        np.testing.assert_allclose(given, seen_by_lidar(wall_points()), atol=1e-6)
        assert clouds.points_at(START_NS + 10 * PERIOD_NS, "camera_optical_frame") == "the nearest cloud is 0.99 s away"
    with (
        BagClouds(tmp_path / "bag", LIDAR_TOPIC) as clouds,
        pytest.raises(ConfigError, match="no transform from 'lidar' to 'elsewhere'"),
    ):
        clouds.points_at(START_NS, "elsewhere")


def test_a_transform_that_is_none_is_told_and_left_out(tmp_path: Path) -> None:
    edges = [("a", "b", ((0, 0, 0), (0, 0, 0, 0))), ("a", "c", ((0, 0, 0), (0, 0, 0, 1)))]
    recorded = [*lidar_recording(transforms=False), Recorded("/tf_static", static_transforms(edges), START_NS)]
    with BagClouds(write_bag(tmp_path / "bag", recorded), LIDAR_TOPIC) as clouds:
        assert len(clouds.notes) == 1 and "b on /tf_static was ignored: transform is 0 0 0" in clouds.notes[0]
        clouds.frames.between("a", "c")


def test_a_topic_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", lidar_recording())
    with pytest.raises(SourceError, match=r"no clouds on /camera/image_raw; .*PointCloud2 topics: /lidar/points"):
        BagClouds(bag, "/camera/image_raw")
    with pytest.raises(SourceError, match="topics: none"):
        BagClouds(write_bag(tmp_path / "other", camera_recording(1)), LIDAR_TOPIC)


def test_what_is_no_bag_has_no_clouds(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a bag"):
        open_clouds(tmp_path, LIDAR_TOPIC)
