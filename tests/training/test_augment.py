"""Whatever augmentation does to the pixels, the camera must still describe them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, ImageError
from depth_anything_ros.geometry import ray_grid
from depth_anything_ros.preprocess import resize_to_network
from training.augment import (
    AugmentConfig,
    augment,
    fit_sample,
    flip,
    perturb_colour,
    random_crop,
    random_view,
    turned_view,
)
from training.samples import DepthSample

NORMAL = np.array([0.2, -0.7, 0.6])
NORMAL /= np.linalg.norm(NORMAL)


def plane_sample(camera: CameraModel, normal: np.ndarray = NORMAL, distance: float = 2.0) -> DepthSample:
    """A plane normal . X = distance, with its depth also written into the image."""
    facing = ray_grid(camera) @ normal
    depth = np.where(facing > 0.05, distance / np.where(facing > 0.05, facing, 1), np.nan).astype(np.float32)
    image = np.clip(np.nan_to_num(depth) * 20, 0, 255).astype(np.uint8)
    return DepthSample(image[..., None].repeat(3, axis=2), depth, camera, "plane", sky_known=True)


def assert_on_plane(sample: DepthSample, normal: np.ndarray, distance: float, tolerance: float) -> None:
    points = ray_grid(sample.camera) * sample.depth_HW[..., None]
    valid = sample.valid_HW
    assert valid.sum() > 20
    relative = np.abs(points[valid] @ normal - distance) / distance
    assert np.median(relative) < tolerance


SIZE: dict[str, Any] = {"height": 28, "width": 42, "interpolation": "area"}
CAMERA = CameraModel(width=80, height=60, fx=70.0, fy=70.0, cx=37.0, cy=31.0)


def test_flip_is_its_own_inverse_and_mirrors_the_plane() -> None:
    sample = plane_sample(CAMERA)
    mirrored = flip(sample)
    assert_on_plane(mirrored, NORMAL * [-1, 1, 1], 2.0, 1e-5)
    again = flip(mirrored)
    assert again.camera == sample.camera
    np.testing.assert_array_equal(again.depth_HW, sample.depth_HW)


@given(pitch=st.floats(-12, 12), yaw=st.floats(-12, 12), roll=st.floats(-30, 30))
@settings(max_examples=25, deadline=None)
def test_a_turned_view_sees_the_same_plane_from_the_same_place(pitch: float, yaw: float, roll: float) -> None:
    rotation = cv2.Rodrigues(np.radians([pitch, yaw, roll]))[0]
    view = CameraModel(width=64, height=48, fx=80.0, fy=80.0, cx=31.5, cy=23.5)
    turned = turned_view(plane_sample(CAMERA), view, rotation)
    assert turned.camera == view
    assert_on_plane(turned, rotation.T @ NORMAL, 2.0, 0.01)


def test_a_view_that_is_not_turned_is_the_sample_itself() -> None:
    sample = plane_sample(CAMERA)
    same = turned_view(sample, CAMERA, np.eye(3))
    np.testing.assert_array_equal(same.image_HW3, sample.image_HW3)
    np.testing.assert_array_equal(same.depth_HW, sample.depth_HW)


def test_looking_past_the_edge_sees_no_depth() -> None:
    view = CameraModel(width=80, height=60, fx=70.0, fy=70.0, cx=39.5, cy=29.5)
    wall = plane_sample(CAMERA, np.array([0.0, 0.0, 1.0]))
    right = turned_view(wall, view, cv2.Rodrigues(np.radians([0.0, 20.0, 0.0]))[0])
    assert np.isfinite(right.depth_HW[:, 0]).all()
    assert np.isnan(right.depth_HW[:, -1]).all()


@given(seed=st.integers(0, 1000), aspect=st.sampled_from([0.8, 4 / 3, 16 / 9]))
@settings(max_examples=25, deadline=None)
def test_random_views_are_centred_and_mostly_inside_the_image(seed: int, aspect: float) -> None:
    config = AugmentConfig(min_crop=0.5, max_turn_deg=2, max_roll_deg=3)
    wall = plane_sample(CAMERA, np.array([0.0, 0.0, 1.0]))
    view = random_view(wall, config, np.random.default_rng(seed), aspect=aspect)
    assert abs(view.camera.width / view.camera.height - aspect) < 0.08
    assert (view.camera.cx, view.camera.cy) == ((view.camera.width - 1) / 2, (view.camera.height - 1) / 2)
    assert np.isfinite(view.depth_HW).mean() > 0.75


def test_fit_scales_the_camera_with_the_pixels() -> None:
    assert_on_plane(fit_sample(plane_sample(CAMERA), height=28, width=42, interpolation="area"), NORMAL, 2.0, 0.02)


def test_shrunk_depth_lies_where_the_shrunk_image_does() -> None:
    """Regression: INTER_NEAREST takes the upper left pixel of every cell."""
    depth = np.tile(np.arange(1, 91, dtype=np.float32), (90, 1))
    camera = CameraModel(width=90, height=90, fx=90.0, fy=90.0, cx=44.5, cy=44.5)
    sample = DepthSample(np.repeat(depth[..., None], 3, axis=2).astype(np.uint8), depth, camera, "ramp", sky_known=True)
    small = fit_sample(sample, height=18, width=18, interpolation="area")
    np.testing.assert_array_equal(small.depth_HW, small.image_HW3[..., 0])


def test_augment_is_a_function_of_its_seed_and_leaves_depth_metric() -> None:
    sample = plane_sample(CameraModel(width=84, height=56, fx=70.0, fy=70.0, cx=41.5, cy=27.5))
    config = AugmentConfig(max_roll_deg=0, max_turn_deg=0, min_crop=1, flip=0)
    first, second = (augment(sample, config, np.random.default_rng(5), **SIZE) for _ in range(2))
    np.testing.assert_array_equal(first.image_HW3, second.image_HW3)
    assert_on_plane(first, NORMAL, 2.0, 0.03)
    other = augment(sample, config, np.random.default_rng(6), **SIZE)
    assert not np.array_equal(first.image_HW3, other.image_HW3)


@pytest.mark.parametrize("interpolation", ["area", "cubic", "cubic_or_area"])
def test_images_shrink_as_the_recipe_says(interpolation: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    sample = plane_sample(CAMERA).replace(image_HW3=noise)
    calm = replace(AugmentConfig.paper(), flip=0)
    small = augment(sample, calm, np.random.default_rng(0), height=15, width=20, interpolation=interpolation)
    np.testing.assert_array_equal(small.image_HW3, resize_to_network(noise, (15, 20), interpolation))


@given(seed=st.integers(0, 1000), aspect=st.sampled_from([0.5, 1.0, 4 / 3, 2.5]), min_crop=st.sampled_from([0.5, 1.0]))
@settings(max_examples=25, deadline=None)
def test_a_random_crop_is_a_part_of_the_image_that_its_camera_still_describes(
    seed: int, aspect: float, min_crop: float
) -> None:
    sample = plane_sample(CAMERA)
    config = replace(AugmentConfig.paper(), min_crop=min_crop)
    crop = random_crop(sample, config, np.random.default_rng(seed), aspect=aspect)
    camera = crop.camera
    assert abs(camera.width / camera.height / aspect - 1) < 0.05
    longest = max(camera.width / CAMERA.width, camera.height / CAMERA.height)
    assert longest == 1 if min_crop == 1 else min_crop - 0.02 <= longest <= 1
    x, y = round(CAMERA.cx - camera.cx), round(CAMERA.cy - camera.cy)
    np.testing.assert_array_equal(crop.depth_HW, sample.depth_HW[y : y + camera.height, x : x + camera.width])
    np.testing.assert_array_equal(crop.image_HW3, sample.image_HW3[y : y + camera.height, x : x + camera.width])
    assert_on_plane(crop, NORMAL, 2.0, 1e-5)


def test_random_crops_reach_both_ends_of_the_image_and_both_ends_of_the_zoom() -> None:
    def cameras(min_crop: float) -> list[CameraModel]:
        config = replace(AugmentConfig.paper(), min_crop=min_crop)
        sample = plane_sample(CAMERA)
        return [random_crop(sample, config, np.random.default_rng(seed), aspect=1.0).camera for seed in range(200)]

    assert {round(CAMERA.cx - camera.cx) for camera in cameras(1.0)} >= {0, 20}
    assert {camera.width for camera in cameras(0.5)} >= {31, 59}


def test_the_papers_way_only_crops_and_flips() -> None:
    sample = plane_sample(CAMERA)
    whole = {"height": 60, "width": 60, "interpolation": "cubic"}
    parts = {sample.image_HW3[:, x : x + 60].tobytes() for x in range(21)}
    mirrored = {sample.image_HW3[:, x : x + 60][:, ::-1].tobytes() for x in range(21)}
    seen = [
        augment(sample, AugmentConfig.paper(), np.random.default_rng(seed), **whole).image_HW3.tobytes()
        for seed in range(30)
    ]
    assert all(image in parts | mirrored for image in seen)
    assert 5 < sum(image in mirrored for image in seen) < 25


def test_disparity_and_unknown_cameras_are_cropped_and_not_turned() -> None:
    """Turning would add the unknown shift of disparity times a slope."""
    disparity = np.tile(np.arange(80, dtype=np.float32), (60, 1))
    relative = plane_sample(CAMERA).replace(depth_HW=disparity, is_metric=False, camera_known=False)
    for sample in (relative, relative.replace(quantity="disparity", camera_known=True)):
        config = AugmentConfig(flip=0, max_turn_deg=10, max_roll_deg=20, min_crop=0.5)
        seen = augment(sample, config, np.random.default_rng(3), **SIZE)
        assert (seen.quantity, seen.camera_known) == (sample.quantity, sample.camera_known)
        assert (seen.depth_HW == seen.depth_HW[0]).all() and (np.diff(seen.depth_HW[0]) > 0).all()
        mirrored = augment(sample, replace(config, flip=1), np.random.default_rng(3), **SIZE)
        assert (np.diff(mirrored.depth_HW[0]) < 0).all()


def test_depth_without_a_unit_is_turned_like_metres() -> None:
    seen = augment(plane_sample(CAMERA).replace(is_metric=False), AugmentConfig(), np.random.default_rng(1), **SIZE)
    metric = augment(plane_sample(CAMERA), AugmentConfig(), np.random.default_rng(1), **SIZE)
    np.testing.assert_array_equal(seen.depth_HW, metric.depth_HW)
    assert seen.camera.cx == pytest.approx(20.5) and not seen.is_metric


def test_sky_stays_sky() -> None:
    sample = plane_sample(CAMERA, np.array([0.0, 0.0, 1.0]))
    depth = sample.depth_HW.copy()
    depth[:30] = np.inf
    seen = augment(sample.replace(depth_HW=depth), AugmentConfig(max_turn_deg=0), np.random.default_rng(2), **SIZE)
    sky = seen.sky_HW
    assert sky is not None and 0.2 < sky.mean() < 0.8
    assert np.isfinite(seen.depth_HW[~sky]).mean() > 0.9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": "centre"}, "crop 'centre': view or random is accepted"),
        ({"crop": "random"}, r"max_turn_deg 3.0, max_roll_deg 5.0: 0 is accepted with crop random"),
        ({"flip": 1.5}, "flip 1.5: a number from 0 to 1 is accepted"),
        ({"min_crop": 0.0}, "min_crop 0.0: a number from 0.05 to 1 is accepted"),
        ({"jitter": float("nan")}, "jitter nan: a number from 0 to 1 is accepted"),
    ],
)
def test_strengths_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AugmentConfig(**values)


def test_colour_is_left_alone_when_every_strength_is_zero() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    off = AugmentConfig(jitter=0, hue=0, grey=0, blur=0, noise=0)
    np.testing.assert_array_equal(perturb_colour(image, off, np.random.default_rng(0)), image)
    changed = perturb_colour(image, AugmentConfig(), np.random.default_rng(0))
    assert changed.dtype == np.uint8 and not np.array_equal(changed, image)


def test_grey_takes_all_colour_away() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    grey = perturb_colour(image, AugmentConfig(grey=1, noise=0), np.random.default_rng(1))
    assert cv2.absdiff(grey[..., 0], grey[..., 2]).max() == 0


def test_a_sample_whose_depth_has_another_size_is_refused() -> None:
    with pytest.raises(ImageError, match=r"depth \(30, 40\)"):
        DepthSample(np.zeros((60, 80, 3), np.uint8), np.zeros((30, 40), np.float32), CAMERA, "odd", sky_known=False)
