"""Hypersim (Roberts et al. 2021): 77,400 rendered indoor images with ray lengths, from apple/ml-hypersim.

Layout, as the scenes' archives unpack (the README of that repository):

    PATH/ai_VVV_NNN/images/scene_cam_XX_final_preview/frame.IIII.tonemap.jpg
    PATH/ai_VVV_NNN/images/scene_cam_XX_geometry_hdf5/frame.IIII.depth_meters.hdf5
    PATH/metadata_camera_parameters.csv           (contrib/mikeroberts3000 in the repository)
    PATH/metadata_images_split_scene_v1.csv       (evermotion_dataset/analysis; needed for a split alone)

``depth_meters`` is the length of the ray [m], not depth along the axis (README; issue 9), NaN where there is no
geometry (issue 63). That is often the sky behind a window, and often not: sky is unknown here. The images are the
toolkit's own tone mapping, as in Depth Anything V2's metric training; the HDR images are not read.

Intrinsics come from ``M_cam_from_uv``, which takes (u, v, 1), u to the right and v upwards from -1 to 1 over the image,
to a ray in the camera's frame (x right, y up, z backwards). More than half of the scenes have a tilted or shifted lens:
the plane of the image is not at a right angle to the camera's z. Splitting the matrix into a rotation and an upper
triangle gives the pinhole camera whose axis is at a right angle to the image, and depth is taken along that axis; so
the points of image, K and depth are those of the scene, only turned. V2's trainer takes one focal length of 886.81 px
for all scenes. What K cannot hold is left out: the axes of 16 of the 482 scenes are sheared by 0.1 to 1.1 degrees,
which changes a depth by 0.4 % at most.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.geometry import range_to_depth

from ..samples import DepthSample
from .arrays import read_hdf5
from .file_lists import ListedSamples, chosen, frame_keys, read_table, require_folder, require_names, subfolders
from .images import read_rgb

CAMERAS = "metadata_camera_parameters.csv"
SPLITS = "metadata_images_split_scene_v1.csv"
PARTITIONS = ("train", "val", "test")
V2_FOCAL_PX = 886.81
V2_SIZE = (1024, 768)
_MATRIX = [[f"M_cam_from_uv_{row}{column}" for column in range(3)] for row in range(3)]
_SIZE = ("settings_output_img_width", "settings_output_img_height")
_EXPECTED = (
    "ai_VVV_NNN/images with scene_cam_XX_final_preview/frame.IIII.tonemap.jpg and"
    " scene_cam_XX_geometry_hdf5/frame.IIII.depth_meters.hdf5"
)


@dataclass(frozen=True)
class HypersimReader:
    """Reads a sample by its name ``ai_VVV_NNN/cam_XX/IIII``."""

    root: Path
    cameras: dict[str, CameraModel]
    """Per scene; under the empty name, the one for all scenes."""

    def __call__(self, name: str) -> DepthSample:
        scene, camera_name, frame = name.split("/")
        images = self.root / scene / "images"
        image = read_rgb(images / f"scene_{camera_name}_final_preview" / f"frame.{frame}.tonemap.jpg")
        path = images / f"scene_{camera_name}_geometry_hdf5" / f"frame.{frame}.depth_meters.hdf5"
        ray_length = read_hdf5(path, "dataset").astype(np.float32)
        ray_length[~(np.isfinite(ray_length) & (ray_length > 0))] = np.nan
        camera = self.cameras.get(scene) or self.cameras[""]
        if ray_length.shape != (camera.height, camera.width):
            raise SourceError(f"{path}: size {ray_length.shape}; {(camera.height, camera.width)} is accepted")
        return DepthSample(image, range_to_depth(ray_length, camera), camera, f"hypersim/{name}", sky_known=False)


def pinhole_camera(cam_from_uv: NDArray[np.float64], width: int, height: int) -> CameraModel:
    """The camera, its axis at a right angle to the image, whose rays are those of the (3, 3) matrix but for a turn."""
    # Pixel centres: u = (2 x + 1) / width - 1, v = 1 - (2 y + 1) / height; then y down and z forward.
    uv_from_pixel = np.array([[2 / width, 0, 1 / width - 1], [0, -2 / height, 1 - 1 / height], [0, 0, 1]])
    rays_from_pixel = np.diag([1.0, -1.0, -1.0]) @ cam_from_uv @ uv_from_pixel
    triangle = np.linalg.qr(rays_from_pixel)[1]
    k = np.linalg.inv(np.sign(np.diag(triangle))[:, None] * triangle)
    k /= k[2, 2]
    return CameraModel(width=width, height=height, fx=k[0, 0], fy=k[1, 1], cx=k[0, 2], cy=k[1, 2])


def read_cameras(path: Path) -> dict[str, CameraModel]:
    """The cameras of a ``metadata_camera_parameters.csv`` by scene. Raises SourceError, naming the file."""
    cameras = {}
    for row in read_table(path, ["scene_name", *_SIZE, *itertools.chain(*_MATRIX)]):
        try:
            width, height = (int(float(row[key])) for key in _SIZE)
            matrix = np.array([[float(row[key]) for key in keys] for keys in _MATRIX])
            cameras[row["scene_name"]] = pinhole_camera(matrix, width, height)
        except (ValueError, np.linalg.LinAlgError) as error:
            raise SourceError(f"{path}: scene {row['scene_name']} has no usable M_cam_from_uv ({error})") from None
    return cameras


def open_samples(path: Path, *, split: str = "", cameras: str = "", splits: str = "") -> ListedSamples:
    """The images of the scenes in ``path``.

    Parameters
    ----------
    split: train, val or test of the toolkit's list, which leaves out what its authors took back; empty: every image
        that has both files.
    cameras, splits: the two tables, if they are not in ``path``; ``cameras: fixed`` takes V2's one focal length for
        every scene, which is wrong for the tilted ones.
    """
    require_folder(path, _EXPECTED)
    if split:
        names = _split_names(path, chosen(split, PARTITIONS, "hypersim split"), Path(splits or path / SPLITS))
    elif splits:
        raise ConfigError(f"source hypersim {path}: splits {splits!r} without a split; {', '.join(PARTITIONS)}")
    else:
        names = _names_on_disk(path)
    names = require_names(names, path, _EXPECTED)
    return ListedSamples(names, HypersimReader(path, _cameras_of(names, path, cameras)))


def _cameras_of(names: list[str], path: Path, cameras: str) -> dict[str, CameraModel]:
    if cameras == "fixed":
        width, height = V2_SIZE
        return {"": CameraModel(width, height, V2_FOCAL_PX, V2_FOCAL_PX, (width - 1) / 2, (height - 1) / 2)}
    table = Path(cameras or path / CAMERAS)
    known = read_cameras(table)
    scenes = {name.split("/")[0] for name in names}
    if missing := sorted(scenes - known.keys()):
        raise SourceError(f"{table}: no camera of scene {missing[0]}, nor of {len(missing) - 1} others")
    return {scene: known[scene] for scene in scenes}


def _split_names(path: Path, partitions: list[str], table: Path) -> list[str]:
    """Images of a partition whose scene is on disk."""
    present = set(subfolders(path))
    columns = ["scene_name", "camera_name", "frame_id", "included_in_public_release", "split_partition_name"]
    return [
        f"{row['scene_name']}/{row['camera_name']}/{int(row['frame_id']):04d}"
        for row in read_table(table, columns)
        if row["included_in_public_release"] == "True"
        and row["split_partition_name"] in partitions
        and row["scene_name"] in present
    ]


def _names_on_disk(path: Path) -> list[str]:
    names = []
    for scene in subfolders(path):
        for folder in subfolders(path / scene / "images"):
            if folder.startswith("scene_cam_") and folder.endswith("_final_preview"):
                camera_name = folder[len("scene_") : -len("_final_preview")]
                images = frame_keys(path / scene / "images" / folder, "frame.", ".tonemap.jpg")
                depths = path / scene / "images" / f"scene_{camera_name}_geometry_hdf5"
                both = images & frame_keys(depths, "frame.", ".depth_meters.hdf5")
                names += [f"{scene}/{camera_name}/{frame}" for frame in both]
    return names
