"""BlendedMVS: PFM depth without a known unit, MVSNet's camera files, lists of projects."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import SourceError
from training.sources.blendedmvs import open_samples

PROJECTS = ("5c1f33f1d33e1f2e4aa6dda4", "5bfe5ae0fe0ea555e6a969ca")
CAMERA = """extrinsic
-0.990307 -0.138896 0.000753455 -2.85708
-0.0992137 0.703562 -0.703675 61.5539
0.0972074 -0.696928 -0.710522 160.384
0.0 0.0 0.0 1.0

intrinsic
575.955 0.0 384.0675
0.0 576.5 288.286875
0.0 0.0 1.0

-58.6333 1.46043515625 128.0 0
"""


def write_frame(path: Path, project: str, frame: int, depth: np.ndarray) -> None:
    for folder in ("blended_images", "rendered_depth_maps", "cams"):
        (path / project / folder).mkdir(parents=True, exist_ok=True)
    image = np.full((*depth.shape, 3), (10, 20, 200), np.uint8)
    for name in (f"{frame:08d}.jpg", f"{frame:08d}_masked.jpg"):
        cv2.imwrite(str(path / project / "blended_images" / name), image)
    height, width = depth.shape
    (path / project / "rendered_depth_maps" / f"{frame:08d}.pfm").write_bytes(
        f"Pf\n{width} {height}\n-1\n".encode() + depth[::-1].astype("<f4").tobytes()
    )
    (path / project / "cams" / f"{frame:08d}_cam.txt").write_text(CAMERA)
    (path / project / "cams" / "pair.txt").write_text("1\n0\n1 3 7.5\n")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    depth = np.full((576, 768), 61.25)
    depth[0] = 0
    for project in PROJECTS:
        write_frame(tmp_path, project, 0, depth)
    write_frame(tmp_path, PROJECTS[0], 3, depth)
    return tmp_path


def test_a_sample_has_depth_of_no_known_unit_and_the_files_camera(dataset: Path) -> None:
    samples = open_samples(dataset)
    assert len(samples) == 3
    sample = samples[0]
    assert sample.source == f"blendedmvs/{PROJECTS[1]}/00000000"
    assert not sample.is_metric and sample.camera_known and not sample.sky_known and sample.quantity == "depth"
    assert np.isnan(sample.depth_HW[0]).all() and (sample.depth_HW[1:] == 61.25).all()
    camera = sample.camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (575.955, 576.5, 384.0675, 288.286875)
    assert (camera.width, camera.height) == (768, 576) and sample.image_HW3[9, 9, 0] > 150


def test_an_empty_rendering_is_a_sample_without_valid_pixels(dataset: Path) -> None:
    write_frame(dataset, PROJECTS[0], 3, np.zeros((576, 768)))
    assert not open_samples(dataset)[2].valid_HW.any()


def test_a_list_of_projects_chooses_those_on_disk(dataset: Path) -> None:
    (dataset / "validation_list.txt").write_text(f"{PROJECTS[1]}\n000000000000000000000007")
    samples = open_samples(dataset, projects=str(dataset / "validation_list.txt"))
    assert [samples.name(index) for index in range(len(samples))] == [f"{PROJECTS[1]}/00000000"]
    with pytest.raises(SourceError, match=r"none\.txt: no such list"):
        open_samples(dataset, projects="none.txt")


def test_wrong_layouts_and_files_say_what_is_expected(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder; PID with blended_images"):
        open_samples(tmp_path / "none")
    with pytest.raises(SourceError, match=r"PID with blended_images/.* none was found"):
        open_samples(dataset / PROJECTS[0])
    path = dataset / PROJECTS[1] / "cams" / "00000000_cam.txt"
    samples = open_samples(dataset)
    for text in ("extrinsic\n1 0 0 0\n", "intrinsic\n575 0 384\n", "intrinsic\n575 0 384 a b c 0 0 1\n"):
        path.write_text(text)
        with pytest.raises(SourceError, match=r"00000000_cam\.txt: the word intrinsic and 3x3 numbers"):
            samples[0]
