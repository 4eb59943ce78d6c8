"""Virtual KITTI 2: centimetres, the far plane as sky, intrinsics by the text file, merged and separate archives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from training.sources.vkitti2 import open_samples

WIDTH, HEIGHT = 1242, 375
HEADER = "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n"


def write_frame(path: Path, variation: str, camera: str, frame: int, *, separate: bool = False) -> None:
    rgb = path / ("vkitti_2.0.3_rgb" if separate else "") / variation / "frames" / "rgb" / camera
    depth = path / ("vkitti_2.0.3_depth" if separate else "") / variation / "frames" / "depth" / camera
    rgb.mkdir(parents=True, exist_ok=True)
    depth.mkdir(parents=True, exist_ok=True)
    stored = np.full((HEIGHT, WIDTH), 1234, np.uint16)
    stored[0], stored[1] = 65535, 0
    cv2.imwrite(str(depth / f"depth_{frame:05d}.png"), stored)
    cv2.imwrite(str(rgb / f"rgb_{frame:05d}.jpg"), np.full((HEIGHT, WIDTH, 3), (10, 20, 200), np.uint8))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for scene in ("Scene01", "Scene20"):
        for variation in ("15-deg-left", "clone"):
            write_frame(tmp_path, f"{scene}/{variation}", "Camera_0", 3)
    write_frame(tmp_path, "Scene01/clone", "Camera_1", 3)
    return tmp_path


def test_depth_is_metres_with_sky_at_the_far_plane(dataset: Path) -> None:
    sample = open_samples(dataset, scenes="Scene01", variations="clone")[0]
    assert sample.source == "vkitti2/Scene01/clone/Camera_0/00003"
    assert sample.is_metric and sample.sky_HW is not None
    assert sample.sky_HW[0].all() and not sample.sky_HW[1:].any()
    assert np.isnan(sample.depth_HW[1]).all() and sample.depth_HW[2, 5] == pytest.approx(12.34)
    assert (sample.camera.fx, sample.camera.cx, sample.camera.cy) == (725.0087, 620.5, 187.0)
    assert sample.image_HW3[5, 5, 0] > 150


def test_intrinsics_are_those_of_the_frames_camera(dataset: Path) -> None:
    text = dataset / "Scene01" / "clone" / "intrinsic.txt"
    text.write_text(HEADER + "0 0 70 71 30 9\n0 1 80 81 31 8\n1 0 70 71 30 9\n")
    cameras = [open_samples(dataset, variations="clone", cameras=name)[0].camera for name in ("Camera_0", "Camera_1")]
    assert [(c.fx, c.fy, c.cx, c.cy) for c in cameras] == [(70, 71, 30, 9), (80, 81, 31, 8)]
    text.write_text(HEADER + "0 0 70 71 30 9\n1 0 75 71 30 9\n")
    with pytest.raises(SourceError, match=r"intrinsic\.txt: 2 different cameras for Camera_0"):
        open_samples(dataset)
    for line in ("0 0 70 71", "0 0 70 71 x 9"):
        text.write_text(HEADER + line)
        with pytest.raises(SourceError, match=f"line '{line}'; frame cameraID"):
            open_samples(dataset)


def test_archives_in_folders_of_their_own(tmp_path: Path) -> None:
    write_frame(tmp_path, "Scene02/rain", "Camera_0", 11, separate=True)
    text = tmp_path / "vkitti_2.0.3_textgt" / "Scene02" / "rain"
    text.mkdir(parents=True)
    (text / "intrinsic.txt").write_text(HEADER + "11 0 70 71 30 9\n")
    sample = open_samples(tmp_path)[0]
    assert sample.source.endswith("rain/Camera_0/00011") and sample.camera.fy == 71


def test_scenes_variations_and_cameras_are_chosen(dataset: Path) -> None:
    assert len(open_samples(dataset)) == 4
    assert len(open_samples(dataset, cameras="")) == 5
    assert len(open_samples(dataset, scenes="Scene20", variations="clone,15-deg-left")) == 2
    with pytest.raises(ConfigError, match="vkitti2 scene 'Scene21': did you mean Scene20"):
        open_samples(dataset, scenes="Scene21")
    with pytest.raises(ConfigError, match="vkitti2 variation 'clown': did you mean clone"):
        open_samples(dataset, variations="clown")
    with pytest.raises(ConfigError, match="vkitti2 camera '0'"):
        open_samples(dataset, cameras="0")


def test_a_list_with_foreign_roots_chooses(dataset: Path) -> None:
    line = "/other/disk/{0}/frames/rgb/Camera_0/rgb_00003.jpg /other/disk/{0}/frames/depth/Camera_0/depth_00003.png"
    (dataset / "train.txt").write_text("\n".join(line.format(name) for name in ("Scene01/clone", "Scene20/clone")))
    listed = str(dataset / "train.txt")
    samples = open_samples(dataset, files=listed)
    assert [samples.name(index) for index in range(2)] == [
        "Scene01/clone/Camera_0/00003",
        "Scene20/clone/Camera_0/00003",
    ]
    assert len(samples) == 2 and len(open_samples(dataset, files=listed, scenes="Scene20")) == 1
    (dataset / "train.txt").write_text("rgb_00003.jpg\n")
    with pytest.raises(SourceError, match=r"train\.txt: line 'rgb_00003\.jpg'; SceneXX/VARIATION"):
        open_samples(dataset, files=listed)


def test_wrong_layouts_and_files_say_what_is_expected(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder; SceneXX/VARIATION/frames"):
        open_samples(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"SceneXX/VARIATION/frames .* none was found"):
        open_samples(tmp_path / "empty")
    path = dataset / "Scene01" / "clone" / "frames" / "depth" / "Camera_0" / "depth_00003.png"
    samples = open_samples(dataset, scenes="Scene01", variations="clone")
    for stored in (np.zeros((HEIGHT, WIDTH), np.uint8), np.zeros((HEIGHT // 2, WIDTH // 2), np.uint16)):
        cv2.imwrite(str(path), stored)
        with pytest.raises(SourceError, match=r"depth_00003\.png: uint.* 16-bit centimetres \(375, 1242\)"):
            samples[0]
    path.unlink()
    with pytest.raises(SourceError, match=r"depth_00003\.png: no such file"):
        samples[0]
