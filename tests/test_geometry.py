"""The pinhole formula: by hand, against OpenCV, and there and back."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros import geometry
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, ImageError
from depth_anything_ros.geometry import project, range_to_depth, ray_grid, unproject
from tests.sample_cameras import BARREL, cameras

TINY = CameraModel(3, 2, 2.0, 4.0, 1.0, 0.5)


def test_rays_by_hand() -> None:
    expected = [
        [[-0.5, -0.125, 1.0], [0.0, -0.125, 1.0], [0.5, -0.125, 1.0]],
        [[-0.5, 0.125, 1.0], [0.0, 0.125, 1.0], [0.5, 0.125, 1.0]],
    ]
    assert np.array_equal(ray_grid(TINY), np.float32(expected))


def test_rays_are_as_exact_as_float32_allows() -> None:
    camera = CameraModel(4000, 3000, 2911.7, 2913.3, 1987.123456, 1502.654321)
    rays_HW3 = ray_grid(camera)
    exact_W = (np.arange(4000, dtype=np.float64) - camera.cx) / camera.fx
    assert rays_HW3.dtype == np.float32 and rays_HW3.flags.c_contiguous
    assert np.array_equal(rays_HW3[1234, :, 0], exact_W.astype(np.float32))


def test_rays_are_shared_and_cannot_be_changed() -> None:
    rays_HW3 = ray_grid(TINY)
    assert ray_grid(CameraModel(3, 2, 2.0, 4.0, 1.0, 0.5)) is rays_HW3
    with pytest.raises(ValueError, match="read-only"):
        rays_HW3[0, 0, 0] = 7.0


def test_ray_cache_is_bounded() -> None:
    limit = geometry._cached_rays.cache_info().maxsize
    assert limit is not None
    for focal in range(1, 3 * limit):
        ray_grid(CameraModel(3, 2, focal, focal, 1.0, 1.0))
    assert geometry._cached_rays.cache_info().currsize == limit
    huge = CameraModel(4000, 2500, 3000.0, 3000.0, 2000.0, 1250.0)
    before = geometry._cached_rays.cache_info()
    assert ray_grid(huge).shape == (2500, 4000, 3)
    assert geometry._cached_rays.cache_info() == before


def test_points_by_hand() -> None:
    depth_HW = np.float32([[2.0, 4.0, 8.0], [2.0, 4.0, 8.0]])
    expected = [
        [[-1.0, -0.25, 2.0], [0.0, -0.5, 4.0], [4.0, -1.0, 8.0]],
        [[-1.0, 0.25, 2.0], [0.0, 0.5, 4.0], [4.0, 1.0, 8.0]],
    ]
    points_HW3 = unproject(depth_HW, TINY)
    assert points_HW3.dtype == np.float32
    assert np.array_equal(points_HW3, np.float32(expected))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0])
def test_depth_that_is_none_never_becomes_a_point(value: float) -> None:
    depth_HW = np.full((2, 3), 2.0, np.float32)
    depth_HW[1, 2] = value
    points_HW3 = unproject(depth_HW, TINY)
    assert np.isnan(points_HW3[1, 2]).all()
    assert np.isfinite(points_HW3).sum() == 5 * 3


@given(camera=cameras(max_side=40), seed=st.integers(0, 2**32 - 1))
def test_projecting_the_points_of_a_depth_image_returns_its_pixels(camera: CameraModel, seed: int) -> None:
    depth_HW = np.random.default_rng(seed).uniform(0.1, 100.0, (camera.height, camera.width)).astype(np.float32)
    uv_HW2, z_HW = project(unproject(depth_HW, camera), camera)
    u_HW, v_HW = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    # float32 points: an angle is known to about 1e-7 of the distance between the pixel and the principal point.
    slack = 1e-6 * (abs(camera.cx) + abs(camera.cy) + camera.width + camera.height)
    np.testing.assert_allclose(uv_HW2, np.stack([u_HW, v_HW], -1), rtol=0.0, atol=slack)
    assert np.array_equal(z_HW, depth_HW)


def test_projection_agrees_with_opencv(tolerance: Mapping[str, Mapping[str, float]]) -> None:
    camera = CameraModel(640, 480, 611.25, 598.5, 301.75, 255.125)
    rng = np.random.default_rng(3)
    points_N3 = np.column_stack([rng.uniform(-3, 3, 500), rng.uniform(-3, 3, 500), rng.uniform(0.2, 40.0, 500)])
    expected_N12, _ = cv2.projectPoints(points_N3, np.zeros(3), np.zeros(3), camera.K, None)
    uv_N2, z_N = project(points_N3, camera)
    np.testing.assert_allclose(uv_N2, expected_N12[:, 0], **tolerance["float64"])
    assert np.array_equal(z_N, points_N3[:, 2])


def test_points_that_no_pixel_sees_have_no_pixel() -> None:
    points_N3 = [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, -2.0], [math.nan, 0.0, 1.0], [0.0, 0.0, math.inf]]
    uv_N2, z_N = project(np.float32(points_N3), TINY)
    assert np.array_equal(np.isnan(uv_N2).all(axis=1), [False, True, True, True, True])
    assert uv_N2[0].tolist() == [1.0, 0.5] and z_N.tolist() == [1.0, 0.0, -2.0, 1.0, math.inf]


def test_ray_length_by_hand() -> None:
    camera = CameraModel(4, 1, 3.0, 3.0, -1.0, 0.0)  # x = 1/3, 2/3, 1, 4/3
    depth_HW = range_to_depth(np.float32([[1.0, 1.0, 1.0, 5.0]]), camera)
    expected = [3 / math.sqrt(10), 3 / math.sqrt(13), 1 / math.sqrt(2), 3.0]
    np.testing.assert_allclose(depth_HW, [expected], rtol=1e-6)


def test_ray_length_to_a_wall_is_the_wall() -> None:
    camera = CameraModel(641, 479, 500.0, 510.0, 300.0, 250.0)
    range_HW = np.linalg.norm(ray_grid(camera).astype(np.float64) * 2.5, axis=-1).astype(np.float32)
    assert np.ptp(range_HW) > 0.4
    np.testing.assert_allclose(range_to_depth(range_HW, camera), 2.5, rtol=3e-7)


def test_ray_lengths_that_are_none_stay_none() -> None:
    range_HW = np.float32([[math.nan, math.inf, -math.inf], [0.0, 1.0, 1.0]])
    depth_HW = range_to_depth(range_HW, TINY)
    assert depth_HW.dtype == np.float32
    assert math.isnan(depth_HW[0, 0]) and depth_HW[0, 1] == math.inf and depth_HW[0, 2] == -math.inf
    assert math.isnan(depth_HW[1, 0]) and np.isfinite(depth_HW[1, 1:]).all()


def test_distortion_is_never_ignored() -> None:
    depth_HW = np.ones((BARREL.height, BARREL.width), np.float32)
    for call in (
        lambda: ray_grid(BARREL),
        lambda: unproject(depth_HW, BARREL),
        lambda: project(np.ones((1, 3)), BARREL),
        lambda: range_to_depth(depth_HW, BARREL),
    ):
        with pytest.raises(CameraError, match="needs a rectified image"):
            call()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ImageError, match=r"shape \(3, 2\); its camera is \(2, 3\)"):
        unproject(np.ones((3, 2), np.float32), TINY)
    with pytest.raises(ImageError, match=r"shape \(2, 3, 1\)"):
        range_to_depth(np.ones((2, 3, 1), np.float32), TINY)
    with pytest.raises(ImageError, match=r"\(4, 2\)"):
        project(np.ones((4, 2)), TINY)
