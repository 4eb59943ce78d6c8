"""NYU Depth V2: axes in reverse order, splits from 1, raw and filled depth, extracted frames, crops."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.sent import sent
from tests.training.sources.mat_files import mat_file, matrix
from training.sources import open_source
from training.sources.nyuv2 import LABELLED, open_samples

FRAMES = 3


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The .mat file's layout as HDF5 shows it, three frames, with a mark at row 100, column 300."""
    folder = tmp_path_factory.mktemp("nyu")
    images = np.zeros((FRAMES, 3, 640, 480), np.uint8)
    raw = np.full((FRAMES, 640, 480), 2.0, np.float32)
    for index in range(FRAMES):
        images[index, :, 300, 100] = (10, 20, 30 + index)
        raw[index, 300, 100] = 5 + index
        raw[index, 0, 0] = 0
    with h5py.File(folder / LABELLED, "w") as file:
        file["images"], file["rawDepths"], file["depths"] = images, raw, np.full_like(raw, 2.5)
    train, test = np.array([1.0, 3.0]), np.array([2.0])
    (folder / "splits.mat").write_bytes(mat_file(matrix("trainNdxs", train, "<"), matrix("testNdxs", test, "<")))
    return folder


def test_axes_splits_and_holes_of_the_labelled_file(labelled: Path) -> None:
    train, test = open_samples(labelled), open_samples(labelled, split="test")
    assert [sample.source for sample in (train[0], train[1], test[0])] == ["nyuv2/0000", "nyuv2/0002", "nyuv2/0001"]
    sample = test[0]
    assert sample.image_HW3.shape == (480, 640, 3) and sample.image_HW3[100, 300].tolist() == [10, 20, 31]
    assert sample.depth_HW[100, 300] == 6 and np.isnan(sample.depth_HW[0, 0])
    assert (sample.is_metric, sample.sky_known) == (True, False)
    assert sample.camera.fx == pytest.approx(518.857901) and sample.camera.cy == pytest.approx(253.736166)


def test_filled_depth_has_no_holes_and_all_has_every_frame(labelled: Path) -> None:
    samples = open_samples(labelled / LABELLED, split="all", depth="filled")
    assert len(samples) == FRAMES and bool((samples[2].depth_HW == 2.5).all())


def test_eigens_crop_hides_depth_and_the_frame_crop_cuts_the_image(labelled: Path) -> None:
    eigen = open_samples(labelled, split="test", crop="eigen")[0]
    assert eigen.image_HW3.shape == (480, 640, 3) and int(eigen.valid_HW.sum()) == (471 - 45) * (601 - 41)
    rows, columns = np.nonzero(eigen.valid_HW)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (45, 470, 41, 600)
    whole, frame = open_samples(labelled)[0], open_samples(labelled, crop="frame")[0]
    assert frame.image_HW3.shape == (467, 625, 3)
    assert frame.depth_HW[100 - 7, 300 - 7] == whole.depth_HW[100, 300] == 5
    assert frame.camera.cx == pytest.approx(whole.camera.cx - 7)


@pytest.mark.parametrize("numbers", [[0.0], [FRAMES + 1.0]])
def test_splits_that_do_not_count_from_one_are_refused(labelled: Path, tmp_path: Path, numbers: list[float]) -> None:
    (tmp_path / LABELLED).symlink_to(labelled / LABELLED)
    (tmp_path / "splits.mat").write_bytes(mat_file(matrix("trainNdxs", np.array(numbers), "<")))
    with pytest.raises(SourceError, match="trainNdxs is not of 1 to 3"):
        open_samples(tmp_path)


def test_the_list_of_splits_must_be_there(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / LABELLED).symlink_to(labelled / LABELLED)
    with pytest.raises(SourceError, match=r"splits\.mat: no such file"):
        open_samples(tmp_path)


def extracted(folder: Path) -> Path:
    (folder / "bathroom").mkdir(parents=True)
    for number in (45, 46):
        cv2.imwrite(str(folder / f"bathroom/rgb_{number:05d}.jpg"), np.full((480, 640, 3), 90, np.uint8))
        depth = np.full((480, 640), 1000 + number, np.uint16)
        depth[3, 4] = 0
        cv2.imwrite(str(folder / f"bathroom/sync_depth_{number:05d}.png"), depth)
    return folder


def test_extracted_folders_in_millimetres(tmp_path: Path) -> None:
    extracted(tmp_path / "test")
    samples = sent(open_samples(tmp_path, split="test"))
    assert [samples[index].source for index in range(2)] == [
        "nyuv2/bathroom/rgb_00045", "nyuv2/bathroom/rgb_00046",
    ]  # fmt: skip
    assert samples[1].depth_HW[0, 0] == pytest.approx(1.046) and np.isnan(samples[1].depth_HW[3, 4])
    with pytest.raises(SourceError, match="train: no such folder"):
        open_samples(tmp_path)


def test_lists_with_leading_slashes_and_focal_lengths(tmp_path: Path) -> None:
    extracted(tmp_path)
    files = tmp_path / "list.txt"
    files.write_text("/bathroom/rgb_00046.jpg /bathroom/sync_depth_00046.png 518.8579\n")
    samples = open_source("nyuv2", str(tmp_path), {"files": str(files)})
    assert len(samples) == 1 and samples[0].source == "nyuv2/bathroom/rgb_00046"
    files.write_text("bathroom/rgb_00046.jpg\n")
    with pytest.raises(SourceError, match=r"list\.txt:1: .*image and depth"):
        open_samples(tmp_path, files=str(files))


def test_wrong_options_sizes_and_folders_are_named(tmp_path: Path, labelled: Path) -> None:
    for options in ({"split": "val"}, {"depth": "inpainted"}, {"crop": "garg"}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            open_samples(labelled, **options)
    with pytest.raises(SourceError, match=r"nyu_depth_v2_labeled\.mat with splits\.mat, or folders"):
        open_samples(tmp_path / "absent")
    with pytest.raises(ConfigError, match="filled is in nyu_depth"):
        open_samples(tmp_path, depth="filled")
    with pytest.raises(SourceError, match="none was found"):
        open_samples(tmp_path, split="all")
    extracted(tmp_path)
    cv2.imwrite(str(tmp_path / "bathroom/rgb_00045.jpg"), np.zeros((240, 320, 3), np.uint8))
    with pytest.raises(SourceError, match="the intrinsics are of"):
        open_samples(tmp_path, split="all")[0]
