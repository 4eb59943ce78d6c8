"""Paired augmentation: whatever moves the image moves depth and intrinsics too. The only place where training does it.

Every random choice comes from the generator that is passed in, so that a sample is a function of its seed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.geometry import ray_axes
from depth_anything_ros.preprocess import resize_to_network

from .samples import DepthSample


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths; a value of 0 (or 1 for ``min_crop``) switches the part off."""

    crop: str = "view"
    """view (a virtual camera, turned and zoomed; see ``random_view``) or random (the papers' way, see ``random_crop``).
    """
    flip: float = 0.5
    """Probability of a horizontal flip."""
    min_crop: float = 0.6
    """Smallest share of the image's sides that a view or a crop looks at (its zoom)."""
    max_turn_deg: float = 3.0
    """How far a virtual camera's pitch and yaw may lead beyond the image, to where there is no depth."""
    max_roll_deg: float = 5.0
    """Largest rotation of the virtual camera about its optical axis."""
    jitter: float = 0.4
    """Strength of brightness, contrast, saturation and gamma."""
    hue: float = 0.05
    grey: float = 0.1
    """Probability of a grey image."""
    blur: float = 0.2
    """Probability of a Gaussian blur."""
    noise: float = 0.3
    """Probability of sensor noise."""

    @classmethod
    def paper(cls) -> AugmentConfig:
        """Depth Anything's weak augmentation: a random crop and a horizontal flip."""
        return cls(
            crop="random", min_crop=1.0, max_turn_deg=0, max_roll_deg=0, jitter=0, hue=0, grey=0, blur=0, noise=0
        )

    def __post_init__(self) -> None:
        if self.crop not in ("view", "random"):
            raise ConfigError(f"crop {self.crop!r}: view or random is accepted")
        if self.crop == "random" and (self.max_turn_deg or self.max_roll_deg):
            turn = f"max_turn_deg {self.max_turn_deg}, max_roll_deg {self.max_roll_deg}"
            raise ConfigError(f"{turn}: 0 is accepted with crop random, which does not turn")
        for name, low, high in (
            ("flip", 0, 1), ("min_crop", 0.05, 1), ("max_turn_deg", 0, 30), ("max_roll_deg", 0, 180), ("jitter", 0, 1),
            ("hue", 0, 0.5), ("grey", 0, 1), ("blur", 0, 1), ("noise", 0, 1),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} {getattr(self, name)}: a number from {low} to {high} is accepted")


def fit_sample(sample: DepthSample, *, height: int, width: int, interpolation: str) -> DepthSample:
    """Resize to the network's size as the node does; depth by the nearest pixel, intrinsics scaled.

    ``interpolation`` is the recipe's; the exported spec promises the same to the node.
    """
    # Not INTER_NEAREST: it takes the upper left pixel of a cell, half a network pixel beside the image.
    depth = cv2.resize(sample.depth_HW, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return sample.replace(
        image_HW3=resize_to_network(sample.image_HW3, (height, width), interpolation),
        depth_HW=np.asarray(depth, np.float32),
        camera=sample.camera.scaled_to(width=width, height=height),
    )


def augment(
    sample: DepthSample, config: AugmentConfig, rng: np.random.Generator, *, height: int, width: int, interpolation: str
) -> DepthSample:
    """A random variant of ``sample`` at the network's size (h, w); the camera stays true to its pixels.

    Only depth of a known camera can be seen by a turned one: an unknown shift of disparity would become a slope. Other
    samples are cropped where ``config`` asks for a view.
    """
    can_turn = sample.quantity == "depth" and sample.camera_known
    look = random_view if config.crop == "view" and can_turn else random_crop
    sample = look(sample, config, rng, aspect=width / height)
    if rng.random() < config.flip:
        sample = flip(sample)
    sample = fit_sample(sample, height=height, width=width, interpolation=interpolation)
    return sample.replace(image_HW3=perturb_colour(sample.image_HW3, config, rng))


def flip(sample: DepthSample) -> DepthSample:
    """Mirror left and right; the principal point moves with the pixels."""
    return sample.replace(
        image_HW3=np.ascontiguousarray(sample.image_HW3[:, ::-1]),
        depth_HW=np.ascontiguousarray(sample.depth_HW[:, ::-1]),
        camera=sample.camera.flipped_horizontally(),
    )


def random_crop(sample: DepthSample, config: AugmentConfig, rng: np.random.Generator, *, aspect: float) -> DepthSample:
    """The largest part of that shape (width to height), shrunk by up to ``config.min_crop``, at a random place.

    Resized to the network's size, a largest part is the papers' crop of an image whose short side has been brought to
    the network's; cropping first saves resizing what is thrown away. The principal point leaves the middle.
    """
    camera = sample.camera
    width_px = min(camera.width, camera.height * aspect) * float(rng.uniform(config.min_crop, 1.0))
    width = min(max(1, round(width_px)), camera.width)
    height = min(max(1, round(width_px / aspect)), camera.height)
    x, y = int(rng.integers(camera.width - width + 1)), int(rng.integers(camera.height - height + 1))
    part = np.s_[y : y + height, x : x + width]
    return sample.replace(
        image_HW3=np.ascontiguousarray(sample.image_HW3[part]),
        depth_HW=np.ascontiguousarray(sample.depth_HW[part]),
        camera=camera.cropped(x=x, y=y, width=width, height=height),
    )


def random_view(sample: DepthSample, config: AugmentConfig, rng: np.random.Generator, *, aspect: float) -> DepthSample:
    """What a camera at the same place, turned and zoomed at random, would have seen; width to height is ``aspect``.

    A crop alone would leave the principal point outside the picture's middle, which no robot's camera has and which a
    network cannot see; turning the camera keeps every view one of a centred pinhole.
    """
    camera = sample.camera
    share = float(rng.uniform(config.min_crop, 1.0))
    width = min(camera.width, camera.height * aspect) * share
    size = (max(2, round(width)), max(2, round(width / aspect)))
    view = CameraModel(
        width=size[0], height=size[1], fx=camera.fx, fy=camera.fy, cx=(size[0] - 1) / 2, cy=(size[1] - 1) / 2
    )
    free = np.array([camera.vfov_deg - view.vfov_deg, camera.hfov_deg - view.hfov_deg]) / 2
    limits = np.array([*(free.clip(0) + config.max_turn_deg), config.max_roll_deg])
    pitch, yaw, roll = np.radians(rng.uniform(-1, 1, 3) * limits)
    turn, about_axis = (cv2.Rodrigues(np.array(vector))[0] for vector in ([pitch, yaw, 0.0], [0.0, 0.0, roll]))
    return turned_view(sample, view, np.asarray(turn @ about_axis, np.float64))


def turned_view(sample: DepthSample, view: CameraModel, source_from_view: NDArray[np.float64]) -> DepthSample:
    """The sample through the camera ``view`` at the same place; exact, because the centre of projection stays.

    ``source_from_view`` (3, 3) rotates directions of the view's optical frame into the source's; every ray of the view
    must stay in front of the source. Depth is along the view's own optical axis; pixels outside the source mirror the
    image and have no depth.
    """
    # How far ahead of the source, along its axis, each ray of the view gets per metre along the view's own.
    right, down, forward = source_from_view[2].astype(np.float32)
    x_W, y_H = ray_axes(view)
    ahead = (right * x_W + forward)[None, :] + (down * y_H)[:, None]
    matrix = sample.camera.K @ source_from_view @ np.linalg.inv(view.K)
    size = (view.width, view.height)
    image = cv2.warpPerspective(
        sample.image_HW3, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
    )
    depth = cv2.warpPerspective(
        sample.depth_HW,
        matrix,
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float("nan"),
    )
    return sample.replace(
        image_HW3=np.asarray(image, np.uint8), depth_HW=np.asarray(depth / ahead, np.float32), camera=view
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
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.5))), np.float32)
    if rng.random() < config.noise:
        image = image + rng.normal(0, rng.uniform(0.005, 0.03), size=image.shape).astype(np.float32)
    return np.asarray(np.clip(image * 255.0 + 0.5, 0, 255), np.uint8)
