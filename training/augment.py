"""Paired augmentation: whatever moves the image moves depth and intrinsics too. The only place where training does it.

Every random choice comes from the generator that is passed in, so that a sample is a function of its seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.preprocess import resize_to_network

from .samples import DepthSample


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths; a value of 0 (or 1 for ``min_crop``) switches the part off."""

    flip: float = 0.5
    """Probability of a horizontal flip."""
    min_crop: float = 0.6
    """Smallest share of each side that a random crop keeps."""
    max_roll_deg: float = 5.0
    """Largest rotation about the optical axis, which leaves planar depth unchanged."""
    jitter: float = 0.4
    """Strength of brightness, contrast, saturation and gamma."""
    hue: float = 0.05
    grey: float = 0.1
    """Probability of a grey image."""
    blur: float = 0.2
    """Probability of a Gaussian blur."""
    noise: float = 0.3
    """Probability of sensor noise."""


INTERPOLATION = "area"
"""How training shrinks images; the exported spec promises the same to the node."""


def fit_sample(sample: DepthSample, *, height: int, width: int) -> DepthSample:
    """Resize to the network's size as the node does; depth by the nearest pixel, intrinsics scaled."""
    image = resize_to_network(sample.image_HW3, (height, width), INTERPOLATION)
    depth = cv2.resize(sample.depth_HW, (width, height), interpolation=cv2.INTER_NEAREST)
    return _with(sample, image, depth, sample.camera.scaled_to(width=width, height=height))


def augment(
    sample: DepthSample, config: AugmentConfig, rng: np.random.Generator, *, height: int, width: int
) -> DepthSample:
    """A random variant of ``sample`` at the network's size (h, w); the camera stays true to its pixels."""
    if config.max_roll_deg > 0:
        sample = roll(sample, float(rng.uniform(-1, 1)) * config.max_roll_deg)
    sample = random_crop(sample, config.min_crop, rng, aspect=width / height)
    if rng.random() < config.flip:
        sample = flip(sample)
    sample = fit_sample(sample, height=height, width=width)
    return _with(sample, perturb_colour(sample.image_HW3, config, rng), sample.depth_HW, sample.camera)


def flip(sample: DepthSample) -> DepthSample:
    """Mirror left and right; the principal point moves with the pixels."""
    return _with(
        sample,
        np.ascontiguousarray(sample.image_HW3[:, ::-1]),
        np.ascontiguousarray(sample.depth_HW[:, ::-1]),
        sample.camera.flipped_horizontally(),
    )


def roll(sample: DepthSample, angle_deg: float) -> DepthSample:
    """Rotate about the principal point; exact for square pixels. Uncovered pixels mirror the image, without depth."""
    camera = sample.camera
    matrix = cv2.getRotationMatrix2D((camera.cx, camera.cy), angle_deg, 1.0)
    size = (camera.width, camera.height)
    image = cv2.warpAffine(sample.image_HW3, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    depth = cv2.warpAffine(
        sample.depth_HW, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
    )
    return _with(sample, image, depth, camera)


def random_crop(sample: DepthSample, min_crop: float, rng: np.random.Generator, *, aspect: float) -> DepthSample:
    """Cut a random window of the given width to height ratio, as large as the image allows times a share in
    [min_crop, 1].
    """
    camera = sample.camera
    share = float(rng.uniform(min_crop, 1.0))
    width = min(camera.width, camera.height * aspect) * share
    height = width / aspect
    crop_w, crop_h = max(2, min(camera.width, round(width))), max(2, min(camera.height, round(height)))
    x, y = int(rng.integers(0, camera.width - crop_w + 1)), int(rng.integers(0, camera.height - crop_h + 1))
    window = (slice(y, y + crop_h), slice(x, x + crop_w))
    cropped = camera.cropped(x=x, y=y, width=crop_w, height=crop_h)
    return _with(
        sample, np.ascontiguousarray(sample.image_HW3[window]), np.ascontiguousarray(sample.depth_HW[window]), cropped
    )


def perturb_colour(image_HW3: NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation, hue, gamma, grey, blur and noise; RGB uint8 in and out."""
    image = image_HW3.astype(np.float32) / 255.0
    strength = config.jitter
    if strength > 0:
        image = image * rng.uniform(1 - strength, 1 + strength)
        mean = float(image.mean())
        image = (image - mean) * rng.uniform(1 - strength, 1 + strength) + mean
        grey = image.mean(axis=2, keepdims=True)
        image = grey + (image - grey) * rng.uniform(1 - strength, 1 + strength)
        image = np.clip(image, 0, 1) ** rng.uniform(1 - strength / 2, 1 + strength / 2)
    if config.hue > 0:
        image = image * rng.uniform(1 - 2 * config.hue, 1 + 2 * config.hue, size=3).astype(np.float32)
        hsv = cv2.cvtColor(np.clip(image, 0, 1).astype(np.float32), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-360, 360) * config.hue) % 360
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if rng.random() < config.grey:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    if rng.random() < config.blur:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.5)))
    if rng.random() < config.noise:
        image = image + rng.normal(0, rng.uniform(0.005, 0.03), size=image.shape).astype(np.float32)
    return np.asarray(np.clip(image * 255.0 + 0.5, 0, 255), np.uint8)


def _with(
    sample: DepthSample, image: NDArray[np.uint8], depth: NDArray[np.float32], camera: CameraModel
) -> DepthSample:
    return DepthSample(image, depth, camera, sample.source, sample.sky_known, sample.is_metric)
