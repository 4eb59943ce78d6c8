"""Which frames are left out: blurred among their neighbours, or the same as the last one kept."""

from __future__ import annotations

import cv2
import numpy as np

from depth_anything_ros.fingerprint import image_dhash
from training.sources.frame_selection import BLURRED, DUPLICATE, blurred, near_duplicates, reasons, sharpness


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (240, 320, 3), np.uint8)


def test_blur_lowers_sharpness_and_the_size_hardly_counts() -> None:
    image = cv2.resize(noise()[:24, :32], (320, 240), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(image, (0, 0), 6)
    assert sharpness(soft) < 0.3 * sharpness(image)
    large = cv2.resize(image, (1280, 960), interpolation=cv2.INTER_CUBIC)
    assert 0.7 < sharpness(large) / sharpness(image) < 1.4


def test_a_frame_is_blurred_among_its_neighbours_not_among_all() -> None:
    bare_wall = [10.0] * 40
    values = [100.0, 100.0, 30.0, 100.0] * 10 + bare_wall
    found = blurred(values, 0.5)
    assert found[:36].tolist() == [False, False, True, False] * 9
    assert not found[60:].any()
    assert not blurred(values, 0.0).any()


def test_duplicates_are_of_the_last_frame_kept() -> None:
    # 1 bit further each time: every neighbour is near, the first and the fourth are not.
    creeping = [f"dhash:{(1 << count) - 1:016x}" for count in range(7)]
    assert near_duplicates(creeping, 2).tolist() == [False, True, True, False, True, True, False]
    assert not near_duplicates(creeping, -1).any()


def test_a_blurred_frame_does_not_stand_in_for_the_sharp_one_after_it() -> None:
    same = image_dhash(noise(1))
    found = reasons([1.0, 1.0, 0.1, 1.0], [image_dhash(noise(2)), same, same, same], min_sharpness=0.5, max_same_bits=2)
    assert found == ["", "", BLURRED, DUPLICATE]
