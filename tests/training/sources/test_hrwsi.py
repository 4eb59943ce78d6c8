"""HR-WSI: disparity, valid masks, splits, errors."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.sent import sent
from tests.training.sources.hrwsi_files import write_hrwsi
from training.sources.hrwsi import open_samples


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_hrwsi(tmp_path)


def test_disparity_where_the_mask_is_valid(images: Path) -> None:
    samples = sent(open_samples(images))
    sample = samples[0]
    assert len(samples) == 1 and sample.source == "hrwsi/train/b"
    assert (sample.quantity, sample.is_metric, sample.camera_known, sample.sky_known) == (
        "disparity", False, False, False,
    )  # fmt: skip
    assert sample.disparity_HW[0, 7] == 7 and sample.disparity_HW[0, 0] == 0
    assert np.isnan(sample.disparity_HW[:, 5]).all() and int(sample.valid_HW.sum()) == 30 * 19


def test_splits_and_wrong_layouts_are_named(images: Path) -> None:
    assert open_samples(images, split="val")[0].source == "hrwsi/val/b"
    with pytest.raises(ConfigError, match="split 'test'"):
        open_samples(images, split="test")
    cv2.imwrite(str(images / "val" / "valid_masks" / "b.png"), np.zeros((3, 2), np.uint8))
    with pytest.raises(SourceError, match="differ in size"):
        open_samples(images, split="val")[0]
    (images / "val" / "gts").rename(images / "val" / "depths")
    with pytest.raises(SourceError, match=r"gts: no such folder; HR-WSI's imgs/\*\.jpg"):
        open_samples(images, split="val")
    (images / "train" / "imgs" / "b.jpg").unlink()
    with pytest.raises(SourceError, match="none was found"):
        open_samples(images)
