"""TartanAir: metres in .npy files, its one camera, sky from a distance on, the environment whose sky is wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from training.sources.tartanair import open_samples


def write_frame(path: Path, trajectory: str, frame: int, depth: np.ndarray, camera: str = "left") -> None:
    folder = path / trajectory
    for kind in ("image", "depth"):
        (folder / f"{kind}_{camera}").mkdir(parents=True, exist_ok=True)
    image = np.full((480, 640, 3), (10, 20, 30), np.uint8)
    cv2.imwrite(str(folder / f"image_{camera}" / f"{frame:06d}_{camera}.png"), image)
    np.save(folder / f"depth_{camera}" / f"{frame:06d}_{camera}_depth.npy", depth)


def some_depth() -> np.ndarray:
    depth = np.full((480, 640), 7.5, np.float32)
    depth[0], depth[1], depth[2], depth[3] = 10000.0, 999.0, 0.0, np.nan
    return depth


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_frame(tmp_path, "hospital/Easy/P000", 0, some_depth())
    write_frame(tmp_path, "hospital/Easy/P000", 0, some_depth(), "right")
    write_frame(tmp_path, "hospital/Hard/P037", 12, some_depth())
    write_frame(tmp_path, "office2/office2/Easy/P001", 5, some_depth())
    write_frame(tmp_path, "amusement/Easy/P001", 9, some_depth())
    return tmp_path


def test_depth_sky_and_the_one_camera(dataset: Path) -> None:
    sample = open_samples(dataset, environments="hospital", difficulties="Easy")[0]
    assert sample.source == "tartanair/hospital/Easy/P000/left/000000" and sample.is_metric
    assert sample.sky_HW is not None and sample.sky_HW[0].all() and not sample.sky_HW[1:].any()
    assert sample.depth_HW[1, 0] == 999 and np.isnan(sample.depth_HW[2:4]).all() and sample.depth_HW[4, 0] == 7.5
    assert sample.camera.hfov_deg == pytest.approx(90) and sample.camera.cx == 319.5 and sample.camera.cy == 239.5
    assert sample.image_HW3[0, 0].tolist() == [30, 20, 10]


def test_where_the_sky_begins_is_an_option(dataset: Path) -> None:
    sky = open_samples(dataset, sky_from=900.0)[0].sky_HW
    assert sky is not None and sky[:2].all() and not sky[2:].any()
    with pytest.raises(ConfigError, match=r"sky_from -1\.0; above 0 m"):
        open_samples(dataset, sky_from=-1.0)


def test_the_environment_with_the_wrong_sky_comes_by_name_alone_and_without_sky(dataset: Path) -> None:
    samples = open_samples(dataset)
    assert not any(samples.name(index).startswith("amusement") for index in range(len(samples)))
    sample = open_samples(dataset, environments="amusement")[0]
    assert sample.sky_HW is None and np.isnan(sample.depth_HW[0]).all()


def test_trajectories_and_cameras_are_chosen(dataset: Path) -> None:
    samples = open_samples(dataset)
    assert [samples.name(index) for index in range(len(samples))] == [
        "hospital/Easy/P000/left/000000",
        "hospital/Hard/P037/left/000012",
        "office2/office2/Easy/P001/left/000005",
    ]
    assert samples[2].depth_HW[9, 9] == 7.5
    assert (
        len(open_samples(dataset, cameras="left,right")) == 4 and len(open_samples(dataset, difficulties="Hard")) == 1
    )
    with pytest.raises(ConfigError, match="tartanair environment 'hospitals': did you mean hospital"):
        open_samples(dataset, environments="hospitals")
    with pytest.raises(ConfigError, match="tartanair difficulty 'hard': did you mean Hard"):
        open_samples(dataset, difficulties="hard")


def test_wrong_layouts_and_files_say_what_is_expected(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder; ENV/Easy"):
        open_samples(tmp_path / "none")
    with pytest.raises(SourceError, match=r"ENV/Easy\|Hard/PNNN .* none was found"):
        open_samples(dataset / "hospital")
    write_frame(dataset, "hospital/Easy/P000", 0, np.zeros((480, 640, 4), np.uint8))
    with pytest.raises(SourceError, match=r"000000_left_depth\.npy: uint8 \(480, 640, 4\); floats \(480, 640\)"):
        open_samples(dataset)[0]
