"""Hypersim: rays of tilted lenses become planar depth and a pinhole camera; splits, layout, a real depth file."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.geometry import range_to_depth, unproject
from training.sources.hypersim import open_samples, pinhole_camera

WIDTH, HEIGHT = 32, 24
FLIP = np.diag([1.0, -1.0, -1.0])


def rays(cam_from_uv: np.ndarray, width: int, height: int) -> np.ndarray:
    """(H, W, 3) rays as the toolkit's notebook casts them: u and v at pixel centres, v upwards."""
    u = (np.arange(width) + 0.5) / width * 2 - 1
    v = 1 - (np.arange(height) + 0.5) / height * 2
    uv = np.stack([*np.meshgrid(u, v), np.ones((height, width))], axis=-1)
    return uv @ cam_from_uv.T


def tilted(degrees: float, focal: float = 30.0) -> np.ndarray:
    """M_cam_from_uv of a lens tilted about x, its principal point moved."""
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    k = np.array([[focal, 0, WIDTH / 2 + 2], [0, focal, HEIGHT / 2 - 3], [0, 0, 1]])
    pixel_from_uv = np.array([[WIDTH / 2, 0, (WIDTH - 1) / 2], [0, -HEIGHT / 2, (HEIGHT - 1) / 2], [0, 0, 1]])
    return np.asarray(FLIP @ turn @ np.linalg.inv(k) @ pixel_from_uv)


def write_table(path: Path, matrices: dict[str, np.ndarray]) -> None:
    rows = [
        {
            "scene_name": scene,
            "settings_output_img_width": WIDTH,
            "settings_output_img_height": HEIGHT,
            **{f"M_cam_from_uv_{i}{j}": matrix[i, j] for i in range(3) for j in range(3)},
        }
        for scene, matrix in matrices.items()
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_frame(root: Path, scene: str, frame: int, ray_length: np.ndarray, camera: str = "cam_00") -> None:
    images = root / scene / "images"
    for folder in (f"scene_{camera}_final_preview", f"scene_{camera}_geometry_hdf5"):
        (images / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(
        str(images / f"scene_{camera}_final_preview" / f"frame.{frame:04d}.tonemap.jpg"),
        np.full((*ray_length.shape, 3), (10, 20, 200), np.uint8),
    )
    with h5py.File(images / f"scene_{camera}_geometry_hdf5" / f"frame.{frame:04d}.depth_meters.hdf5", "w") as file:
        file["dataset"] = ray_length.astype(np.float16)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    lengths = np.full((HEIGHT, WIDTH), 2.0)
    for scene in ("ai_001_001", "ai_001_002"):
        write_frame(tmp_path, scene, 0, lengths)
        write_frame(tmp_path, scene, 7, lengths)
    write_table(tmp_path / "metadata_camera_parameters.csv", {f"ai_001_00{n}": tilted(0) for n in (1, 2)})
    return tmp_path


@pytest.mark.parametrize("degrees", [0.0, 12.0, -40.0])
def test_the_points_are_those_of_the_scene_but_for_a_turn(degrees: float) -> None:
    matrix = tilted(degrees)
    rng = np.random.default_rng(1)
    lengths = rng.uniform(1, 5, (HEIGHT, WIDTH))
    directions = rays(matrix, WIDTH, HEIGHT)
    points = directions / np.linalg.norm(directions, axis=-1, keepdims=True) * lengths[..., None]
    camera = pinhole_camera(matrix, WIDTH, HEIGHT)
    assert (camera.fx, camera.fy) == (pytest.approx(30), pytest.approx(30))
    assert (camera.cx, camera.cy) == (pytest.approx(WIDTH / 2 + 2), pytest.approx(HEIGHT / 2 - 3))
    mine = unproject(range_to_depth(lengths, camera), camera)
    angle = np.radians(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(mine @ turn.T @ FLIP.T, points, atol=1e-5)


def test_the_straight_lens_of_most_scenes_is_v2s_constant() -> None:
    matrix = np.array([[0.577350, 0, 0], [0, 0.433013, 0], [0, 0, -1.0]])
    camera = pinhole_camera(matrix, 1024, 768)
    assert camera.fx == pytest.approx(886.81, abs=0.01) and camera.fy == pytest.approx(886.81, abs=0.01)
    assert (camera.cx, camera.cy) == (pytest.approx(511.5), pytest.approx(383.5))


def test_a_sample_has_planar_depth_and_no_known_sky(dataset: Path) -> None:
    lengths = np.full((HEIGHT, WIDTH), 2.0)
    lengths[0, :3] = [np.nan, np.inf, 0]
    write_frame(dataset, "ai_001_001", 0, lengths)
    sample = open_samples(dataset)[0]
    assert sample.source == "hypersim/ai_001_001/cam_00/0000"
    assert sample.is_metric and not sample.sky_known and np.isnan(sample.depth_HW[0, :3]).all()
    assert sample.image_HW3[0, 0, 0] > 150 > sample.image_HW3[0, 0, 2]
    x, y = (5 - sample.camera.cx) / 30, (9 - sample.camera.cy) / 30
    assert sample.depth_HW[9, 5] == pytest.approx(2 / np.sqrt(1 + x * x + y * y), rel=1e-5)


def test_images_without_a_depth_are_left_out(dataset: Path) -> None:
    images = dataset / "ai_001_001" / "images"
    (images / "scene_cam_00_geometry_hdf5" / "frame.0007.depth_meters.hdf5").unlink()
    names = [open_samples(dataset).name(index) for index in range(3)]
    assert names == ["ai_001_001/cam_00/0000", "ai_001_002/cam_00/0000", "ai_001_002/cam_00/0007"]


def test_a_split_is_the_tables_and_leaves_out_what_was_taken_back(dataset: Path) -> None:
    header = "scene_name,camera_name,frame_id,included_in_public_release,exclude_reason,split_partition_name\n"
    rows = [
        "ai_001_001,cam_00,0,True,,train",
        "ai_001_001,cam_00,7,False,CONTENT FLAGGED FOR REMOVAL,",
        "ai_001_002,cam_00,0,True,,val",
        "ai_009_009,cam_00,0,True,,train",
    ]
    (dataset / "metadata_images_split_scene_v1.csv").write_text(header + "\n".join(rows))
    assert [len(open_samples(dataset, split=split)) for split in ("train", "val", "train,val")] == [1, 1, 2]
    assert open_samples(dataset, split="train").name(0) == "ai_001_001/cam_00/0000"
    with pytest.raises(SourceError, match="none was found"):
        open_samples(dataset, split="test")
    with pytest.raises(ConfigError, match="hypersim split 'trian': did you mean train"):
        open_samples(dataset, split="trian")
    with pytest.raises(ConfigError, match="without a split"):
        open_samples(dataset, splits="other.csv")


def test_wrong_layouts_say_what_is_expected(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such folder; ai_VVV_NNN/images"):
        open_samples(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"ai_VVV_NNN/images .* none was found"):
        open_samples(tmp_path / "empty")
    with pytest.raises(SourceError, match=r"metadata_images_split_scene_v1\.csv: no such list"):
        open_samples(dataset, split="train")
    with pytest.raises(SourceError, match=r"absent\.csv: no such list"):
        open_samples(dataset, cameras="absent.csv")
    write_table(dataset / "metadata_camera_parameters.csv", {"ai_001_001": tilted(0)})
    with pytest.raises(SourceError, match="no camera of scene ai_001_002"):
        open_samples(dataset)
    write_table(dataset / "metadata_camera_parameters.csv", {"ai_001_001": np.zeros((3, 3))})
    with pytest.raises(SourceError, match="scene ai_001_001 has no usable M_cam_from_uv"):
        open_samples(dataset)


def test_a_depth_of_another_size_is_named(dataset: Path) -> None:
    with pytest.raises(SourceError, match=r"frame\.0000\.depth_meters\.hdf5: size \(24, 32\); \(768, 1024\)"):
        open_samples(dataset, cameras="fixed")[0]


def test_a_real_file_of_the_strangest_lens_keeps_all_distances(shared_data: Path, tmp_path: Path) -> None:
    sample_folder = shared_data / "hypersim_sample"
    if not sample_folder.is_dir():
        pytest.skip(f"{sample_folder} is absent")
    scene, name = "ai_037_002", "frame.0000.depth_meters.hdf5"
    found = next(sample_folder.rglob(name))
    with h5py.File(found) as file:
        lengths = np.asarray(file["dataset"], np.float64)
    write_frame(tmp_path, scene, 0, lengths)
    shutil.copy(found, tmp_path / scene / "images" / "scene_cam_00_geometry_hdf5" / name)
    table = sample_folder / "metadata_camera_parameters_ai_037_002.csv"
    sample = open_samples(tmp_path, cameras=str(table))[0]
    camera = sample.camera
    assert isinstance(camera, CameraModel) and (camera.width, camera.height) == (1024, 768)
    assert abs(camera.cx - 511.5) > 20 and abs(camera.cy - 383.5) > 20

    with table.open() as file_:
        row = next(csv.DictReader(file_))
    matrix = np.array([[float(row[f"M_cam_from_uv_{i}{j}"]) for j in range(3)] for i in range(3)])
    directions = rays(matrix, 1024, 768)
    points = directions / np.linalg.norm(directions, axis=-1, keepdims=True) * lengths[..., None]
    chosen = np.s_[50:768:133, 40:1024:171]
    theirs, mine = (array[chosen].reshape(-1, 3) for array in (points, unproject(sample.depth_HW, camera)))
    usable = np.isfinite(mine).all(axis=1)
    assert usable.sum() > 25
    distances = [
        np.linalg.norm(p[usable][:, None] - p[usable][None], axis=-1) for p in (theirs, mine.astype(np.float64))
    ]
    np.testing.assert_allclose(distances[1], distances[0], rtol=2e-3, atol=1e-3)
