"""DIML: the archives' four layouts, confidence, millimetres, cameras that are not known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, ImageError, SourceError
from tests.training.sent import sent
from training.sources.diml import open_samples


def write(folder: Path, image: str, depth: str, millimetres: int) -> None:
    for file in (image, depth):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / image), np.full((24, 32, 3), 50, np.uint8))
    values = np.full((24, 32), millimetres, np.uint16)
    values[0, 0] = 0
    cv2.imwrite(str(folder / depth), values)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    write(tmp_path, "indoor/2/16.02.02/1/col/in_1_c.png", "indoor/2/16.02.02/1/up_png/in_1_ud.png", 1000)
    write(tmp_path, "indoor/2/16.02.02/1/col/in_1_1_c.png", "indoor/2/16.02.02/1/up_png/in_1_1_ud.png", 1100)
    write(tmp_path, "outdoor/160319_C1/A/left/out_1_left.png", "outdoor/160319_C1/A/depth/out_1_depth.png", 20000)
    write(tmp_path, "sample/HR/Cafe/color/in_2_c.png", "sample/HR/Cafe/depth_filled/in_2_depth_filled.png", 3000)
    write(tmp_path, "sample/LR/A/outleft/7.png", "sample/LR/A/depthmap/7.png", 40000)
    confidence = np.full((24, 32), 255, np.uint8)
    confidence[:, 16:] = 102
    (tmp_path / "outdoor/160319_C1/A/conf").mkdir()
    cv2.imwrite(str(tmp_path / "outdoor/160319_C1/A/conf/out_1_conf.png"), confidence)
    return tmp_path


def test_all_layouts_are_found_and_paired_by_frame(frames: Path) -> None:
    samples = sent(open_samples(frames))
    depths = {samples[index].source: float(samples[index].depth_HW[1, 1]) for index in range(len(samples))}
    assert depths == {
        "diml/indoor/2/16.02.02/1/col/in_1_c": 1.0,
        "diml/indoor/2/16.02.02/1/col/in_1_1_c": pytest.approx(1.1),
        "diml/outdoor/160319_C1/A/left/out_1_left": 20.0,
        "diml/sample/HR/Cafe/color/in_2_c": pytest.approx(3.0),
        "diml/sample/LR/A/outleft/7": 40.0,
    }


def test_an_image_without_its_own_depth_is_left_out(frames: Path) -> None:
    (frames / "indoor/2/16.02.02/1/up_png/in_1_ud.png").unlink()
    samples = open_samples(frames, scenes="indoor")
    assert [samples[index].source[-8:] for index in range(len(samples))] == ["in_1_1_c", "r/in_2_c"]


@pytest.mark.parametrize(("min_confidence", "valid"), [(0.6, 24 * 16 - 1), (0.4, 24 * 32 - 1)])
def test_outdoor_depth_below_the_confidence_is_unknown(frames: Path, min_confidence: float, valid: int) -> None:
    sample = open_samples(frames / "outdoor", min_confidence=min_confidence)[0]
    assert int(sample.valid_HW.sum()) == valid and np.isnan(sample.depth_HW[0, 0])


def test_a_focal_length_makes_them_metric(frames: Path) -> None:
    relative, metric = open_samples(frames, scenes="outdoor")[0], open_samples(frames, focal_px=30)[0]
    assert (relative.is_metric, relative.camera_known, relative.sky_known) == (False, False, False)
    assert metric.is_metric and metric.camera.fx == 30 and metric.camera.cx == 15.5


def test_wrong_options_layouts_and_files_are_named(frames: Path, tmp_path: Path) -> None:
    for options in ({"scenes": "street"}, {"min_confidence": 2}, {"focal_px": -1}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            open_samples(frames, **options)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"col/\*\.png with up_png/\*\.png"):
        open_samples(tmp_path / "empty")
    depth = frames / "outdoor/160319_C1/A/depth/out_1_depth.png"
    cv2.imwrite(str(depth), np.zeros((24, 32), np.uint8))
    with pytest.raises(SourceError, match="uint8; 16-bit PNG"):
        open_samples(frames / "outdoor")[0]
    cv2.imwrite(str(frames / "sample/LR/A/depthmap/7.png"), np.zeros((5, 5), np.uint16))
    with pytest.raises(ImageError, match=r"diml/A/outleft/7: depth \(5, 5\)"):
        open_samples(frames / "sample" / "LR")[0]
