"""The files that data sets are made of: pictures, maps, arrays, lists; and errors that name the file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, ImageError, SourceError
from tests.training.sent import sent
from tests.training.sources.exr_files import write_exr
from training.samples import DepthSample
from training.sources.arrays import read_hdf5, read_npy
from training.sources.file_lists import ListedSamples, chosen, frame_keys, read_lines, read_table, require_names
from training.sources.images import read_map, read_rgb

ROOT = Path(__file__).parents[3]
MAP = np.arange(12, dtype=np.float32).reshape(3, 4)


def write_pfm(path: Path, values: np.ndarray, order: str) -> None:
    scale = "-1.0" if order == "<" else "1.0"
    height, width = values.shape
    path.write_bytes(f"Pf\n{width} {height}\n{scale}\n".encode() + values[::-1].astype(f"{order}f4").tobytes())


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pfm_of_either_byte_order_has_its_upper_row_first(tmp_path: Path, order: str) -> None:
    write_pfm(tmp_path / "a.pfm", MAP, order)
    np.testing.assert_array_equal(read_map(tmp_path / "a.pfm"), MAP)


def test_maps_keep_the_type_that_they_are_stored_in(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((3, 4), 65535, np.uint16))
    assert read_map(tmp_path / "a.png").dtype == np.uint16 and read_map(tmp_path / "a.png").max() == 65535
    write_exr(tmp_path / "a.exr", {"Y": MAP})
    assert read_map(tmp_path / "a.exr").dtype == np.float32


def test_a_channel_of_an_exr_is_chosen_in_the_order_red_green_blue(tmp_path: Path) -> None:
    write_exr(tmp_path / "rgb.exr", {"R": MAP, "G": MAP + 100, "B": MAP + 200})
    for channel in range(3):
        np.testing.assert_array_equal(read_map(tmp_path / "rgb.exr", channel=channel), MAP + 100 * channel)
    write_exr(tmp_path / "g.exr", {"G": MAP})
    np.testing.assert_array_equal(read_map(tmp_path / "g.exr", channel=1), MAP)
    with pytest.raises(SourceError, match=r"rgb\.exr: 3 channels; 1 is accepted"):
        read_map(tmp_path / "rgb.exr")


def test_an_opencv_without_openexr_says_what_it_needs(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", {"Y": MAP})
    script = "import sys, pathlib, training.sources.images as i; i.read_map(pathlib.Path(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.exr")],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OPENCV_IO_ENABLE_OPENEXR": "0"},
        cwd=ROOT,
    )
    assert result.returncode != 0
    assert "a.exr: OpenCV" in result.stderr and "OPENCV_IO_ENABLE_OPENEXR=1 before" in result.stderr


def test_images_are_rgb_and_not_turned(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((3, 4, 3), (10, 20, 30), np.uint8))
    assert read_rgb(tmp_path / "a.png")[0, 0].tolist() == [30, 20, 10]


@pytest.mark.parametrize("name", ["a.pfm", "a.png", "a.exr"])
def test_absent_and_broken_maps_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=rf"{name}: no such file"):
        read_map(tmp_path / name)
    (tmp_path / name).write_bytes(b"Pf\n4 3\n-1.0\n12")
    with pytest.raises(SourceError, match=rf"{name}: OpenCV .* cannot decode it"):
        read_map(tmp_path / name)
    with pytest.raises(ImageError, match=name):
        read_rgb(tmp_path / name)


def test_numpy_files_with_objects_or_cut_short_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MAP)
    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), MAP)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-4])
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    for name in ("cut.npy", "objects.npy"):
        with pytest.raises(SourceError, match=rf"{name}: not a whole \.npy file"):
            read_npy(tmp_path / name)
    with pytest.raises(SourceError, match="no such file"):
        read_npy(tmp_path / "none.npy")


def test_hdf5_files_are_read_in_part_and_say_what_they_have(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["depth"] = MAP
    np.testing.assert_array_equal(read_hdf5(tmp_path / "a.h5", "depth", 1), MAP[1])
    with pytest.raises(SourceError, match="no data set 'dataset' in it; it has depth"):
        read_hdf5(tmp_path / "a.h5", "dataset")
    (tmp_path / "cut.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:100])
    with pytest.raises(SourceError, match=r"cut\.h5: not a whole HDF5 file"):
        read_hdf5(tmp_path / "cut.h5", "depth")
    with pytest.raises(SourceError, match="no such file"):
        read_hdf5(tmp_path / "none.h5", "depth")


def test_lists_and_tables_name_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n\n1, 2\n")
    assert read_lines(tmp_path / "a.csv") == ["x,y", "1, 2"]
    assert read_table(tmp_path / "a.csv", ["x"])[0]["x"] == "1"
    with pytest.raises(SourceError, match=r"a\.csv: no column z"):
        read_table(tmp_path / "a.csv", ["x", "z"])
    with pytest.raises(SourceError, match="no such list"):
        read_lines(tmp_path / "none.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="not a text file"):
        read_lines(tmp_path / "bytes.txt")


def test_names_are_chosen_and_the_nearest_is_offered(tmp_path: Path) -> None:
    assert chosen("", ("Easy", "Hard"), "difficulty") == ["Easy", "Hard"]
    assert chosen("Hard, Easy", ("Easy", "Hard"), "difficulty") == ["Hard", "Easy"]
    assert chosen(["Hard"], ("Easy", "Hard"), "difficulty") == ["Hard"]
    with pytest.raises(ConfigError, match="difficulty 'Eazy': did you mean Easy"):
        chosen("Eazy", ("Easy", "Hard"), "difficulty")
    for name in ("l_1.png", "l_2.png", "r_1.png", "l_3.txt"):
        (tmp_path / name).touch()
    assert frame_keys(tmp_path, "l_", ".png") == {"1", "2"} and frame_keys(tmp_path / "none", "", "") == set()
    with pytest.raises(SourceError, match="frames is expected, and none was found"):
        require_names([], tmp_path, "frames")


def read_named(name: str) -> DepthSample:
    camera = CameraModel(4, 3, 2.0, 2.0, 1.5, 1.0)
    return DepthSample(np.zeros((3, 4, 3), np.uint8), MAP, camera, name, sky_known=False)


def test_listed_samples_travel_to_another_process() -> None:
    samples = ListedSamples(["a/1", "überall/22"], read_named)
    copy = sent(samples)
    assert len(copy) == 2 and copy.name(1) == "überall/22" and copy[0].source == "a/1"
    with pytest.raises(IndexError):
        copy[2]
