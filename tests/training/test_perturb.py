"""What the student sees: strengths, places of boxes, and nothing that moves a pixel."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_anything_ros.errors import ConfigError
from training.perturb import CutMixBox, PerturbConfig, cut_mix, draw_cutmix_box, jitter_colour, perturb_image

OFF = PerturbConfig(**{field.name: 0.0 for field in fields(PerturbConfig)})
IMAGE = np.random.default_rng(0).integers(0, 256, (42, 56, 3)).astype(np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_with_every_probability_0_the_image_is_the_same() -> None:
    seen = perturb_image(IMAGE, OFF, rng())
    np.testing.assert_array_equal(seen, IMAGE)
    assert not np.shares_memory(seen, IMAGE)


def test_with_every_strength_0_colour_jitter_changes_nothing() -> None:
    np.testing.assert_array_equal(perturb_image(IMAGE, replace(OFF, colour=1), rng()), IMAGE)


def test_the_image_is_a_function_of_the_seed_and_the_given_one_stays() -> None:
    before = IMAGE.copy()
    first, second, other = (perturb_image(IMAGE, PerturbConfig(colour=1), rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.uint8 and first.shape == IMAGE.shape and not np.array_equal(first, other)
    np.testing.assert_array_equal(IMAGE, before)


def test_parts_come_with_their_probabilities() -> None:
    def share(config: PerturbConfig) -> float:
        return float(np.mean([not np.array_equal(perturb_image(IMAGE, config, rng(n)), IMAGE) for n in range(300)]))

    assert share(replace(OFF, colour=0.8, brightness=0.5)) == pytest.approx(0.8, abs=0.08)
    assert share(replace(OFF, grey=0.2)) == pytest.approx(0.2, abs=0.08)


def test_brightness_multiplies() -> None:
    grey = np.full((4, 5, 3), 100, np.uint8)
    factors = [float(jitter_colour(grey, replace(OFF, brightness=0.5), rng(n)).mean()) / 100 for n in range(200)]
    assert 0.5 <= min(factors) < 0.55 and 1.45 < max(factors) <= 1.5


def test_contrast_turns_about_the_mean_and_clips() -> None:
    image = np.repeat(np.array([[0, 100, 230]], np.uint8)[..., None], 3, axis=2)
    seen = [jitter_colour(image, replace(OFF, contrast=0.5), rng(n)).astype(int)[0, :, 0] for n in range(100)]
    # The mean is 110.
    factors = [(110 - values[1]) / 10 for values in seen]
    assert 0.4 <= min(factors) <= 0.6 and 1.4 <= max(factors) <= 1.6
    spans = [values[2] - values[0] for values in seen]
    assert 115 <= min(spans) < 120 and max(spans) == 255


def test_saturation_keeps_the_brightness_and_grey_stays_grey() -> None:
    image = np.tile(np.array([120, 100, 90], np.uint8), (3, 3, 1))
    for n in range(20):
        seen = jitter_colour(image, replace(OFF, saturation=1.0), rng(n))
        assert np.dot(seen[0, 0], (0.299, 0.587, 0.114)) == pytest.approx(104.9, abs=1.5)
        flat = np.full_like(image, 77)
        np.testing.assert_array_equal(jitter_colour(flat, replace(OFF, saturation=1.0), rng(n)), flat)


def test_hue_turns_by_up_to_a_quarter_and_leaves_grey_and_value_alone() -> None:
    red = np.tile(np.array([200, 40, 40], np.uint8), (2, 2, 1))
    turns = []
    for n in range(200):
        seen = jitter_colour(red, replace(OFF, hue=0.25), rng(n))
        assert abs(int(seen.max()) - 200) <= 2
        hue = float(cv2.cvtColor(seen.astype(np.float32), cv2.COLOR_RGB2HSV)[0, 0, 0])
        turns.append((hue + 180) % 360 - 180)
    assert -93 < min(turns) < -80 and 80 < max(turns) < 93
    flat = np.full_like(red, 77)
    np.testing.assert_array_equal(jitter_colour(flat, replace(OFF, hue=0.5), rng()), flat)


def test_jitter_comes_in_random_order() -> None:
    """Brightness that clips before or after contrast gives different pixels; the amounts are the same each time."""
    config = PerturbConfig()
    seen = set()
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        generator = rng(5)
        generator = _Ordered(generator, order)
        seen.add(jitter_colour(IMAGE, config, generator).tobytes())  # type: ignore[arg-type]
    assert len(seen) == 2
    assert len({tuple(rng(n).permutation(4)) for n in range(50)}) > 10


class _Ordered:
    def __init__(self, generator: np.random.Generator, order: list[int]) -> None:
        self._generator, self._order = generator, order

    def uniform(self, low: float, high: float) -> float:
        return float(self._generator.uniform(low, high))

    def permutation(self, count: int) -> list[int]:
        return self._order


def test_grey_has_one_channel() -> None:
    seen = perturb_image(IMAGE, replace(OFF, grey=1), rng())
    assert (np.ptp(seen, axis=2) == 0).all()
    assert np.abs(seen[..., 0].astype(int) - cv2.cvtColor(IMAGE, cv2.COLOR_RGB2GRAY)).max() <= 1


def test_blur_is_relative_to_the_image_and_keeps_the_mean() -> None:
    """The same scene at half the size is blurred by half the pixels: as far from sharp, seen from where it is used."""
    rough = {}
    for side in (259, 518):
        dot = np.zeros((side, side, 3), np.uint8)
        dot[side // 2, side // 2] = 255
        peaks = [int(perturb_image(dot, replace(OFF, blur=1), rng(n)).max()) for n in range(30)]
        rough[side] = min(peaks)
    # The weight of a Gaussian's middle is about 1 / (2 pi sigma^2).
    assert rough[518] == pytest.approx(255 / (2 * np.pi * 4), rel=0.2)
    assert rough[259] == pytest.approx(255 / (2 * np.pi), rel=0.2)
    blurred = perturb_image(IMAGE, replace(OFF, blur=1), rng(3))
    assert blurred.mean() == pytest.approx(IMAGE.mean(), abs=1)


@given(seed=st.integers(0, 100_000), height=st.integers(1, 600), width=st.integers(1, 600))
@settings(max_examples=150, deadline=None)
def test_a_box_is_inside_the_image_never_empty_and_of_the_stated_size(seed: int, height: int, width: int) -> None:
    box = draw_cutmix_box(height, width, PerturbConfig(cutmix=1), rng(seed))
    assert 0 <= box.top < box.bottom <= height and 0 <= box.left < box.right <= width
    h, w = box.bottom - box.top, box.right - box.left
    assert h * w == box.inside_hw.sum()
    # One pixel of each side is rounding.
    assert (h - 1) * (w - 1) <= 0.4 * height * width and (h + 1) * (w + 1) >= 0.02 * height * width
    assert (h + 1) / height / ((w - 1) / width or 1e-9) >= 0.3 and (h - 1) / height / ((w + 1) / width) <= 1 / 0.3
    assert (box.inside_hw.mean() + (~box.inside_hw).mean()) == pytest.approx(1)


def test_boxes_of_an_image_the_network_is_fed() -> None:
    boxes = [draw_cutmix_box(518, 518, PerturbConfig(cutmix=1), rng(n)) for n in range(2000)]
    areas = np.array([box.inside_hw.mean() for box in boxes[:300]])
    assert areas.min() < 0.04 and areas.max() > 0.38 and areas.mean() == pytest.approx(0.21, abs=0.02)
    ratios = np.log([(box.bottom - box.top) / (box.right - box.left) for box in boxes])
    assert abs(np.mean(ratios)) < 0.05 and ratios.min() < np.log(0.33) and ratios.max() > np.log(3)
    assert min(box.top for box in boxes) == 0 and max(box.right for box in boxes) == 518


def test_cutmix_comes_with_its_probability() -> None:
    drawn = [draw_cutmix_box(98, 98, PerturbConfig(), rng(n)).inside_hw.any() for n in range(600)]
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.06)
    assert not draw_cutmix_box(98, 98, OFF, rng()).inside_hw.any()


def test_mixing_images_and_maps_with_one_box() -> None:
    box = CutMixBox(4, 5, 1, 2, 3, 4)
    for inside, outside in ((np.ones((4, 5, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)), (np.ones((4, 5)),) * 2):
        before = outside.copy()
        mixed = cut_mix(inside, outside, box)
        expected = np.where(box.inside_hw.reshape(4, 5, *[1] * (inside.ndim - 2)), inside, outside)
        np.testing.assert_array_equal(mixed, expected)
        np.testing.assert_array_equal(outside, before)
    none = CutMixBox(4, 5)
    np.testing.assert_array_equal(cut_mix(np.ones((4, 5)), np.zeros((4, 5)), none), np.zeros((4, 5)))
    assert box.inside_hw.sum() == 4 and none.inside_hw.sum() == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cutmix": 1.5}, "cutmix 1.5: a number from 0 to 1 is accepted"),
        ({"hue": 0.6}, "hue 0.6: a number from 0 to 0.5 is accepted"),
        ({"blur": float("nan")}, "blur nan: a number from 0 to 1 is accepted"),
    ],
)
def test_strengths_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PerturbConfig(**values)
