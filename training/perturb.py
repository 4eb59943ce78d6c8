"""Strong perturbations of the images that a student sees (Depth Anything V1): colour jitter, blur, CutMix.

Every random choice comes from the generator that is passed in; images are RGB uint8.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import ConfigError

_LUMA = (0.299, 0.587, 0.114)
_BLUR_SIGMA_PX = (0.1, 2.0)
_BLUR_SIDE_PX = 518
_BOX_AREA = (0.02, 0.4)
_BOX_ASPECT = (0.3, 1 / 0.3)


@dataclass(frozen=True, kw_only=True)
class PerturbConfig:
    """Strengths. V1 states none but CutMix's probability; these are UniMatch's, by the same first author."""

    colour: float = 0.8
    """Probability of the colour jitter."""
    brightness: float = 0.5
    """The image is multiplied by 1 - brightness to 1 + brightness; contrast and saturation likewise."""
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 0.25
    """Largest turn of the hue, in full turns."""
    grey: float = 0.2
    """Probability of a grey image."""
    blur: float = 0.5
    """Probability of a Gaussian blur with a sigma between 0.1 and 2.0 px of a 518 px image."""
    cutmix: float = 0.5
    """Probability of CutMix for a pair of images (stated by V1)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, high = getattr(self, field.name), 0.5 if field.name == "hue" else 1
            if not 0 <= value <= high:
                raise ConfigError(f"{field.name} {value}: a number from 0 to {high} is accepted")


@dataclass(frozen=True)
class CutMixBox:
    """The part of an image of ``height`` x ``width`` px that comes from another image; an empty one is no CutMix."""

    height: int
    width: int
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    @property
    def inside_hw(self) -> NDArray[np.bool_]:
        """True in the box."""
        mask = np.zeros((self.height, self.width), np.bool_)
        mask[self.top : self.bottom, self.left : self.right] = True
        return mask


def perturb_image(image_HW3: NDArray[np.uint8], config: PerturbConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Colour jitter, then grey, then blur, each with its probability; a new image, the given one is left alone."""
    image = image_HW3.copy()
    if rng.random() < config.colour:
        image = jitter_colour(image, config, rng)
    if rng.random() < config.grey:
        image = _saturate(image, 0.0)
    if rng.random() < config.blur:
        # By the image's size, so that small networks are taught the same robustness and not blindness.
        sigma = float(rng.uniform(*_BLUR_SIGMA_PX)) * min(image.shape[:2]) / _BLUR_SIDE_PX
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
    return image


def jitter_colour(image_HW3: NDArray[np.uint8], config: PerturbConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, saturation and hue, each by a random amount, in random order; clipped after each."""
    light, contrast, saturation = (
        float(rng.uniform(1 - strength, 1 + strength))
        for strength in (config.brightness, config.contrast, config.saturation)
    )
    turn = float(rng.uniform(-config.hue, config.hue))
    image = image_HW3
    for step in rng.permutation(4):
        if step == 0:
            image = _linear(image, light, 0.0)
        elif step == 1:
            mean = float(np.dot(cv2.mean(image)[:3], _LUMA))
            image = _linear(image, contrast, (1 - contrast) * mean)
        elif step == 2:
            image = _saturate(image, saturation)
        else:
            image = _turn_hue(image, turn)
    return image


def draw_cutmix_box(height: int, width: int, config: PerturbConfig, rng: np.random.Generator) -> CutMixBox:
    """A box of 2 to 40 % of the image at a random place, with probability ``config.cutmix``; else an empty one.

    Area uniform; height to width between 0.3 and 1 / 0.3 of the image's own, uniform in its logarithm among the values
    that fit (UniMatch draws the ratio uniformly, so mostly tall boxes, and draws again until one fits).
    """
    if rng.random() >= config.cutmix:
        return CutMixBox(height, width)
    area = float(rng.uniform(*_BOX_AREA))
    low, high = max(_BOX_ASPECT[0], area), min(_BOX_ASPECT[1], 1 / area)
    ratio = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    h, w = (max(1, round(side * share**0.5)) for side, share in ((height, area * ratio), (width, area / ratio)))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    return CutMixBox(height, width, top, left, top + h, left + w)


def cut_mix(inside: NDArray, outside: NDArray, box: CutMixBox) -> NDArray:  # type: ignore[type-arg]
    """``outside`` (h, w, ...) with the box's part of ``inside``: images, and the teacher's maps with the same box."""
    mixed = outside.copy()
    part = np.s_[box.top : box.bottom, box.left : box.right]
    mixed[part] = inside[part]
    return mixed


def _linear(image: NDArray[np.uint8], gain: float, offset: float) -> NDArray[np.uint8]:
    table = np.clip(np.rint(np.arange(256) * gain + offset), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _saturate(image: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """``share`` of the colour and the rest grey; above 1 stronger colours."""
    matrix = share * np.eye(3) + (1 - share) * np.tile(_LUMA, (3, 1))
    return np.asarray(cv2.transform(image, matrix), np.uint8)


def _turn_hue(image: NDArray[np.uint8], turn: float) -> NDArray[np.uint8]:
    # 256 steps are the full turn, so that the byte's overflow is the circle's.
    steps = round(turn * 256) % 256
    if steps == 0:
        return image
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(steps)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), np.uint8)
