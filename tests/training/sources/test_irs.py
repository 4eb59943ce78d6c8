"""IRS: disparity in the green channel of EXR files, 48 px m of focal length times baseline, official lists."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.sources.exr_files import write_exr
from training.sources.irs import open_samples

SIZE = (540, 960)


def write_frame(path: Path, scene: str, frame: int, disparity: np.ndarray, channel: str = "G") -> None:
    (path / scene).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path / scene / f"l_{frame:05d}.png"), np.full((*SIZE, 3), (10, 20, 30), np.uint8))
    write_exr(path / scene / f"d_{frame:05d}.exr", {channel: disparity.astype(np.float32)})


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    disparity = np.full(SIZE, 24.0)
    disparity[0], disparity[1], disparity[2] = 0, -3, np.inf
    write_frame(tmp_path, "Home/ArchVizInterior03Data", 1, disparity)
    write_frame(tmp_path, "Home/ArchVizInterior03Data", 2, disparity)
    write_frame(tmp_path, "Store/ConvenienceStore", 1, disparity, "Y")
    return tmp_path


@pytest.mark.parametrize("index", [0, 2])
def test_depth_is_focal_length_times_baseline_over_disparity(dataset: Path, index: int) -> None:
    sample = open_samples(dataset)[index]
    assert sample.is_metric and not sample.sky_known and np.isnan(sample.depth_HW[:3]).all()
    np.testing.assert_allclose(sample.depth_HW[3:], 2.0)
    assert (sample.camera.fx, sample.camera.cx, sample.camera.cy) == (480, 479.5, 269.5)
    assert sample.image_HW3[0, 0].tolist() == [30, 20, 10]


def test_categories_and_pairs_on_disk(dataset: Path) -> None:
    (dataset / "Home" / "ArchVizInterior03Data" / "d_00002.exr").unlink()
    samples = open_samples(dataset)
    assert [samples.name(0), samples.name(1)] == ["Home/ArchVizInterior03Data/00001", "Store/ConvenienceStore/00001"]
    assert len(samples) == 2 and len(open_samples(dataset, categories="Store")) == 1
    with pytest.raises(ConfigError, match="irs category 'Homes': did you mean Home"):
        open_samples(dataset, categories="Homes")


def test_an_official_list_chooses(dataset: Path) -> None:
    scene = "Home/ArchVizInterior03Data"
    line = f"{scene}/l_00002.png {scene}/r_00002.png {scene}/d_00002.exr {scene}/n_00002.exr\n"
    (dataset / "irs_train.list").write_text(line + line.replace(scene, "Office/Large"))
    assert len(open_samples(dataset, files=str(dataset / "irs_train.list"))) == 2
    samples = open_samples(dataset, files=str(dataset / "irs_train.list"), categories="Home")
    assert len(samples) == 1 and samples[0].source == f"irs/{scene}/00002"
    (dataset / "irs_train.list").write_text(f"{scene}/l_00002.png {scene}/r_00002.png\n")
    with pytest.raises(SourceError, match=r"irs_train\.list: line .*; SCENE/l_N\.png"):
        open_samples(dataset, files=str(dataset / "irs_train.list"))


def test_wrong_layouts_and_files_say_what_is_expected(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such folder; Home\|Office"):
        open_samples(tmp_path / "none")
    with pytest.raises(SourceError, match=r"l_NNNNN\.png and d_NNNNN\.exr is expected, and none was found"):
        open_samples(dataset / "Home")
    write_exr(dataset / "Store" / "ConvenienceStore" / "d_00001.exr", {"G": np.ones((4, 5), np.float32)})
    with pytest.raises(SourceError, match=r"d_00001\.exr: size \(4, 5\); \(540, 960\)"):
        open_samples(dataset, categories="Store")[0]
