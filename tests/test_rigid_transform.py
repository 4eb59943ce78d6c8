"""RigidTransform and FrameTree: by hand, and against OpenCV's rotations."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.rigid_transform import FrameTree, RigidTransform

HALF = math.sqrt(0.5)
# x forward, y left, z up (LiDAR) as seen by x right, y down, z forward (optical): REP 103.
LIDAR_IN_OPTICAL = (0.5, -0.5, 0.5, 0.5)


def test_a_lidars_axes_become_the_optical_ones() -> None:
    pose = RigidTransform.from_pose((0.1, 0.2, 0.3), LIDAR_IN_OPTICAL)
    forward, left, up = pose(np.eye(3)) - [0.1, 0.2, 0.3]
    np.testing.assert_allclose([forward, left, up], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12)


def test_rotation_is_that_of_opencv() -> None:
    axis, angle = np.array([0.2, -0.5, 0.8]), 1.1
    axis /= np.linalg.norm(axis)
    quaternion = [*(axis * math.sin(angle / 2)), math.cos(angle / 2)]
    expected = cv2.Rodrigues(axis * angle)[0]
    np.testing.assert_allclose(RigidTransform.from_pose((0, 0, 0), quaternion).rotation_33, expected, atol=1e-12)


def test_chains_and_inverses(tolerance: Mapping[str, Mapping[str, float]]) -> None:
    first = RigidTransform.from_pose((1.0, 2.0, 3.0), (0.0, 0.0, HALF, HALF))
    second = RigidTransform.from_pose((-1.0, 0.5, 0.0), (HALF, 0.0, 0.0, HALF))
    points = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(second.after(first)(points), second(first(points)), **tolerance["float64"])
    np.testing.assert_allclose(first.inverse()(first(points)), points, **tolerance["float64"])


@pytest.mark.parametrize("quaternion", [(0, 0, 0, 0), (0, 0, 0, 2), (math.nan, 0, 0, 1)])
def test_what_is_no_rotation_is_refused(quaternion: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="quaternion"):
        RigidTransform.from_pose((0, 0, 0), quaternion)


def test_frames_are_found_up_and_down_the_tree(tolerance: Mapping[str, Mapping[str, float]]) -> None:
    camera = RigidTransform.from_pose((0.0, 0.0, 1.0), (0.0, 0.0, HALF, HALF))
    optical = RigidTransform.from_pose((0.0, 0.0, 0.0), (-0.5, 0.5, -0.5, 0.5))
    lidar = RigidTransform.from_pose((0.0, 0.0, 2.0), (0.0, 0.0, 0.0, 1.0))
    tree = FrameTree()
    tree.add("base", "camera", camera)
    tree.add("/camera", "optical", optical)
    tree.add("base", "/lidar", lidar)
    points = np.random.default_rng(1).normal(size=(4, 3))
    in_base = camera(optical(points))
    np.testing.assert_allclose(tree.between("base", "optical")(points), in_base, **tolerance["float64"])
    np.testing.assert_allclose(
        tree.between("optical", "lidar")(lidar.inverse()(in_base)), points, **tolerance["float64"]
    )
    np.testing.assert_array_equal(tree.between("lidar", "/lidar")(points), points)


def test_frames_that_nothing_connects_are_named() -> None:
    tree = FrameTree()
    tree.add("base", "lidar", RigidTransform.identity())
    with pytest.raises(ConfigError, match=r"no transform from 'lidar' to 'camera'; frames in tf_static: base, lidar"):
        tree.between("camera", "lidar")
    with pytest.raises(ConfigError, match="tf_static: none"):
        FrameTree().between("camera", "lidar")
