"""The images come from the whole recording, and those that measure are not those that calibrate."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.quantize.images import load_images
from depth_anything_ros.spec import ResizeRule

RULE = ResizeRule(kind="short_side", side=28)


def write_images(folder: Path, number: int, *, width: int = 64, height: int = 48) -> Path:
    """Images that are all of one grey: their number."""
    folder.mkdir(exist_ok=True)
    for index in range(number):
        cv2.imwrite(str(folder / f"{index:03d}.png"), np.full((height, width, 3), index, np.uint8))
    return folder


@pytest.mark.parametrize(("number", "asked"), [(8, 64), (40, 64), (100, 10), (37, 12), (21, 8)])
def test_they_are_spread_evenly_over_the_recording(tmp_path: Path, number: int, asked: int) -> None:
    found = load_images(write_images(tmp_path / "images", number), RULE, max_images=asked)
    numbers = sorted(int(image.mean().round()) for image in (*found.calibration, *found.held_out))
    expected = min(number, asked)
    assert expected / 2 <= len(set(numbers)) == len(numbers) <= expected
    assert numbers[0] == 0 and np.diff(numbers).max() <= 2 * -(-number // len(numbers))
    assert number - numbers[-1] <= 2 * -(-number // len(numbers))


def test_a_quarter_is_kept_back_and_all_are_of_the_networks_size(tmp_path: Path) -> None:
    found = load_images(write_images(tmp_path / "images", 16), RULE, max_images=64)
    assert [int(image[0, 0, 0]) for image in found.held_out] == [3, 7, 11, 15]
    assert len(found.calibration) == 12
    assert {image.shape for image in (*found.calibration, *found.held_out)} == {(28, 42, 3)}


def test_images_of_several_sizes_each_keep_their_aspect(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 8)
    for index in range(8, 12):
        cv2.imwrite(str(folder / f"{index:03d}.png"), np.full((64, 64, 3), index, np.uint8))
    found = load_images(folder, RULE, max_images=64)
    assert {image.shape[:2] for image in found.calibration} == {(28, 42), (28, 28)}


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="gives 7 usable images; accepted: at least 8"):
        load_images(write_images(tmp_path / "images", 7), RULE, max_images=64)


def test_fewer_than_are_needed_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--max-images 4; accepted: at least 8"):
        load_images(write_images(tmp_path / "images", 8), RULE, max_images=4)
