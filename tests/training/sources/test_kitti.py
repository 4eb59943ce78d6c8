"""KITTI: Eigen's lists in both ways of writing, frames without depth, calibration, crops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.sent import sent
from training.sources.kitti import open_samples

WIDTH, HEIGHT = 1242, 375
DATE, DRIVE = "2011_09_26", "2011_09_26_drive_0002_sync"
CALIBRATION = """calib_time: 09-Jan-2012 13:57:47
S_rect_02: 1.242000e+03 3.750000e+02
P_rect_02: 7.215377e+02 0.000000e+00 6.095593e+02 4.485728e+01 0.0 7.215377e+02 1.728540e+02 2.163791e-01 0 0 1 2.7e-03
"""


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames with depth and one without, in the folders of the official archives."""
    root = tmp_path_factory.mktemp("kitti")
    images = root / "raw" / DATE / DRIVE / "image_02" / "data"
    depths = root / "data_depth_annotated" / "val" / DRIVE / "proj_depth" / "groundtruth" / "image_02"
    images.mkdir(parents=True)
    depths.mkdir(parents=True)
    (root / "raw" / DATE / "calib_cam_to_cam.txt").write_text(CALIBRATION)
    for number in (5, 6, 7):
        cv2.imwrite(str(images / f"{number:010d}.png"), np.full((HEIGHT, WIDTH, 3), number, np.uint8))
    for number in (5, 6):
        depth = np.full((HEIGHT, WIDTH), 256 * number, np.uint16)
        depth[200, 600] = 0
        depth[HEIGHT - 1, 13] = 640
        cv2.imwrite(str(depths / f"{number:010d}.png"), depth)
    return root


def line(number: int, *, depth: bool = True) -> str:
    image = f"{DATE}/{DRIVE}/image_02/data/{number:010d}.png"
    truth = f"{DRIVE}/proj_depth/groundtruth/image_02/{number:010d}.png" if depth else "None"
    return f"{image} {truth} 721.5377"


def write_list(folder: Path, *lines: str) -> str:
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    return str(folder / "list.txt")


def test_frames_in_the_order_of_the_list_without_those_that_have_no_depth(drives: Path, tmp_path: Path) -> None:
    samples = open_samples(drives, files=write_list(tmp_path, line(6), line(7, depth=False), line(5)))
    samples = sent(samples)
    assert len(samples) == 2
    sample = samples[0]
    assert sample.source == f"kitti/{DATE}/{DRIVE}/image_02/data/0000000006" and not sample.sky_known
    assert sample.depth_HW[0, 0] == 6 and np.isnan(sample.depth_HW[200, 600]) and sample.depth_HW[-1, 13] == 2.5
    camera = sample.camera
    assert (camera.fx, camera.cx, camera.cy) == pytest.approx((721.5377, 609.5593, 172.854))
    assert samples[1].depth_HW[0, 0] == 5


def test_monodepths_lists_leave_out_frames_without_a_depth_file(drives: Path, tmp_path: Path) -> None:
    files = write_list(tmp_path, *(f"{DATE}/{DRIVE} {number} l" for number in (5, 7)))
    samples = open_samples(drives, files=files)
    assert len(samples) == 1 and samples[0].depth_HW[0, 0] == 5


def test_the_benchmarks_crop_moves_the_principal_point(drives: Path, tmp_path: Path) -> None:
    files = write_list(tmp_path, line(5))
    whole, cut = open_samples(drives, files=files)[0], open_samples(drives, files=files, kb_crop=True)[0]
    assert cut.image_HW3.shape == (352, 1216, 3)
    assert cut.camera.cx == pytest.approx(whole.camera.cx - 13) and cut.camera.cy == pytest.approx(
        whole.camera.cy - (HEIGHT - 352)
    )
    assert cut.depth_HW[-1, 0] == whole.depth_HW[-1, 13] == 2.5


@pytest.mark.parametrize(("crop", "rows"), [("garg", (153, 370)), ("eigen", (124, 341))])
def test_evaluation_crops_hide_depth_outside(drives: Path, tmp_path: Path, crop: str, rows: tuple[int, int]) -> None:
    sample = open_samples(drives, files=write_list(tmp_path, line(5)), crop=crop)[0]
    valid_rows, valid_columns = np.nonzero(sample.valid_HW)
    assert sample.image_HW3.shape[:2] == (HEIGHT, WIDTH)
    assert (valid_rows.min(), valid_rows.max()) == rows
    assert (valid_columns.min(), valid_columns.max()) == (44, 1196)


def test_missing_files_lists_and_calibrations_are_named(drives: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such list"):
        open_samples(drives, files=str(tmp_path / "absent.txt"))
    with pytest.raises(SourceError, match=r"list\.txt:1: .*'image depth focal'"):
        open_samples(drives, files=write_list(tmp_path, "image.png"))
    with pytest.raises(SourceError, match="an image with annotated depth"):
        open_samples(drives, files=write_list(tmp_path, line(5, depth=False)))
    with pytest.raises(SourceError, match=r"no .*0000000007\.png below any of \., train, val, gts"):
        open_samples(drives, files=write_list(tmp_path, line(7)))[0]
    with pytest.raises(ConfigError, match="crop 'frame': none, garg or eigen"):
        open_samples(drives, files=write_list(tmp_path, line(5)), crop="frame")
    copy = tmp_path / "kitti" / DATE / DRIVE / "image_02" / "data"
    copy.mkdir(parents=True)
    (copy / "0000000005.png").symlink_to(drives / "raw" / DATE / DRIVE / "image_02" / "data" / "0000000005.png")
    (tmp_path / "kitti" / "data_depth_annotated").symlink_to(drives / "data_depth_annotated")
    (tmp_path / "kitti" / DATE / "calib_cam_to_cam.txt").write_text("P_rect_02: 1 2 3\n")
    with pytest.raises(SourceError, match="no P_rect_02"):
        open_samples(tmp_path / "kitti", files=write_list(tmp_path, line(5)))[0]
