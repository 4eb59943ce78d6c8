"""KITTI raw drives with the annotated depth of the 2017 benchmark, by the usual lists of Eigen's split.

Layout (KITTI's devkits): images ``2011_09_26/2011_09_26_drive_0002_sync/image_02/data/0000000069.png`` with
``2011_09_26/calib_cam_to_cam.txt``, below ``path``, ``path/raw`` or ``path/raw_data``; depth
``2011_09_26_drive_0002_sync/proj_depth/groundtruth/image_02/0000000069.png`` below ``path``, ``path/gts``,
``path/data_depth_annotated`` or one of their folders ``train`` and ``val``. Depth is 16-bit PNG, metres x 256, 0 for
none. The intrinsics are those of ``P_rect_02`` (or 03), for the rectified size ``S_rect_02``. Sky is not known: a LiDAR
gets nothing back from it, and from much else.

Lists: ``image depth focal`` on each line (BTS, ZoeDepth, Depth Anything; ``None`` for a frame without depth, which is
left out: 652 of 697 test frames remain), or monodepth's ``date/drive number l|r`` (frames without a depth file are left
out: the first and last five of a drive have none).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError

from ..samples import DepthSample
from .crops import check_crop, kb_slices, keep_kitti
from .file_lists import ListedSamples, read_lines, require_folder, require_names
from .images import read_map, read_rgb

DEPTH_UNITS_PER_METRE = 256
IMAGE_FOLDERS = ("", "raw", "raw_data")
DEPTH_FOLDERS = tuple(
    f"{folder}/{split}".strip("/") for folder in ("", "gts", "data_depth_annotated") for split in ("", "train", "val")
)
CAMERAS = {"l": "image_02", "r": "image_03"}
CALIBRATION = "calib_cam_to_cam.txt"


def open_samples(path: Path, *, files: str, kb_crop: bool = False, crop: str = "none") -> ListedSamples:
    """The frames that the list ``files`` names, below ``path`` (see the module's text).

    ``kb_crop`` cuts images, depth and intrinsics to the benchmark's 1216x352. ``crop``: none, garg or eigen (depth
    outside that evaluation crop is unknown; taken after ``kb_crop``).
    """
    check_crop(crop, ("none", "garg", "eigen"))
    require_folder(path, "KITTI's drives (2011_09_26, ...)")
    pairs = [_pair(line, f"{files}:{number}") for number, line in enumerate(read_lines(Path(files)), 1)]
    kept = [
        f"{image}\t{depth}" for image, depth, listed in pairs
        if depth != "None" and (listed or _below(path, DEPTH_FOLDERS, depth) is not None)
    ]  # fmt: skip
    require_names(kept, Path(files), f"an image with annotated depth below {path}")
    return ListedSamples(kept, _Frame(path, kb_crop, crop))


def _pair(line: str, place: str) -> tuple[str, str, bool]:
    """Image, depth (both relative), and whether the list itself says that there is depth."""
    parts = [part.lstrip("/") for part in line.split()]
    if len(parts) == 3 and parts[2] in CAMERAS and parts[1].isdigit():
        camera, name = CAMERAS[parts[2]], f"{int(parts[1]):010d}.png"
        drive = parts[0].rpartition("/")[2]
        return f"{parts[0]}/{camera}/data/{name}", f"{drive}/proj_depth/groundtruth/{camera}/{name}", False
    if len(parts) < 2 or "/data/" not in parts[0]:
        raise SourceError(f"{place}: {line!r}; 'image depth focal' or 'date/drive number l|r' is expected")
    return parts[0], parts[1], True


def _below(root: Path, folders: tuple[str, ...], name: str) -> Path | None:
    return next((root / folder / name for folder in folders if (root / folder / name).is_file()), None)


@dataclass(frozen=True)
class _Frame:
    root: Path
    kb_crop: bool
    crop: str

    def __call__(self, name: str) -> DepthSample:
        image_name, depth_name = name.split("\t")
        image_file = self._file(IMAGE_FOLDERS, image_name)
        image, raw = read_rgb(image_file), read_map(self._file(DEPTH_FOLDERS, depth_name))
        if raw.dtype != np.uint16:
            raise SourceError(f"{depth_name}: {raw.dtype}; 16-bit PNG is expected")
        depth = np.where(raw > 0, raw / np.float32(DEPTH_UNITS_PER_METRE), np.nan).astype(np.float32)
        camera = read_camera(image_file.parents[3] / CALIBRATION, image_file.parents[1].name)
        if (camera.height, camera.width) != image.shape[:2] or depth.shape != image.shape[:2]:
            raise SourceError(
                f"{image_file}: image {image.shape[:2]}, depth {depth.shape}, calibration "
                f"{(camera.height, camera.width)}; one size is expected"
            )
        if self.kb_crop:
            rows, columns = kb_slices(depth.shape[0], depth.shape[1], image_name)
            camera = camera.cropped(
                x=columns.start, y=rows.start, width=columns.stop - columns.start, height=rows.stop - rows.start
            )
            image, depth = np.ascontiguousarray(image[rows, columns]), np.ascontiguousarray(depth[rows, columns])
        if self.crop != "none":
            depth = keep_kitti(depth, self.crop)
        return DepthSample(image, depth, camera, f"kitti/{image_name.rpartition('.')[0]}", sky_known=False)

    def _file(self, folders: tuple[str, ...], name: str) -> Path:
        found = _below(self.root, folders, name)
        if found is None:
            tried = ", ".join(folder or "." for folder in folders)
            raise SourceError(f"{self.root}: no {name} below any of {tried}")
        return found


@functools.lru_cache(maxsize=64)
def read_camera(calibration: Path, camera: str) -> CameraModel:
    """The rectified camera ``image_02`` or ``image_03`` of a ``calib_cam_to_cam.txt``. Raises SourceError."""
    values = dict(line.split(":", 1) for line in read_lines(calibration) if ":" in line)
    number = camera[-2:]
    try:
        projection = [float(value) for value in values[f"P_rect_{number}"].split()]
        width, height = (round(float(value)) for value in values[f"S_rect_{number}"].split())
        fx, cx, fy, cy = projection[0], projection[2], projection[5], projection[6]
    except (KeyError, ValueError, IndexError):
        raise SourceError(f"{calibration}: no P_rect_{number} (12 numbers) and S_rect_{number} (2) in it") from None
    return CameraModel(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)
