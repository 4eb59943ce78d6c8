"""BlendedMVS and BlendedMVG (Yao et al. 2020): 17,000 to 115,000 blended images with rendered depth.

Layout (README of YoYo000/BlendedMVS; BlendedMVS, + and ++ unpacked into one folder are BlendedMVG):

    PATH/PID/blended_images/NNNNNNNN.jpg
    PATH/PID/rendered_depth_maps/NNNNNNNN.pfm
    PATH/PID/cams/NNNNNNNN_cam.txt

The depth is along the axis, 0 where the mesh has nothing: unknown, be it sky or a hole. Its unit is the metre only
where the photos had GPS, and nobody says where they had (issue 7): the samples are not metric. A ``cam.txt`` is
MVSNet's: the word ``extrinsic`` and 4x4 numbers, the word ``intrinsic`` and K, then the range of depths, which may be
nonsense (README) and is not read. K is taken as it stands. A whole image may be empty (README): no pixel is valid then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError

from ..samples import DepthSample
from .file_lists import ListedSamples, frame_keys, read_lines, require_folder, require_names, subfolders
from .images import read_map, read_rgb

_EXPECTED = "PID with blended_images/NNNNNNNN.jpg, rendered_depth_maps/NNNNNNNN.pfm and cams/NNNNNNNN_cam.txt"


@dataclass(frozen=True)
class BlendedMvsReader:
    """Reads a sample by its name ``PID/NNNNNNNN``."""

    root: Path

    def __call__(self, name: str) -> DepthSample:
        project, _, frame = name.rpartition("/")
        image = read_rgb(self.root / project / "blended_images" / f"{frame}.jpg")
        depth = read_map(self.root / project / "rendered_depth_maps" / f"{frame}.pfm").astype(np.float32)
        depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
        fx, fy, cx, cy = read_intrinsics(self.root / project / "cams" / f"{frame}_cam.txt")
        camera = CameraModel(depth.shape[1], depth.shape[0], fx, fy, cx, cy)
        return DepthSample(image, depth, camera, f"blendedmvs/{name}", sky_known=False, is_metric=False)


def read_intrinsics(path: Path) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy [px] of a ``cam.txt``. Raises SourceError, naming the file, for another format."""
    fields = " ".join(read_lines(path)).split()
    try:
        start = fields.index("intrinsic") + 1
        k = [float(value) for value in fields[start : start + 9]]
        return k[0], k[4], k[2], k[5]
    except (ValueError, IndexError):
        raise SourceError(f"{path}: the word intrinsic and 3x3 numbers are expected") from None


def open_samples(path: Path, *, projects: str = "") -> ListedSamples:
    """The images of ``path`` that have a depth and a camera.

    ``projects`` is a text file with one PID per line, as the repository's BlendedMVS_training.txt and
    validation_list.txt; those that are not on disk are left out. Without it all are taken.
    """
    present = subfolders(require_folder(path, _EXPECTED))
    taken = set(read_lines(Path(projects))) & set(present) if projects else present
    names = [f"{project}/{frame}" for project in taken for frame in _frames(path / project)]
    return ListedSamples(require_names(names, path, _EXPECTED), BlendedMvsReader(path))


def _frames(project: Path) -> set[str]:
    images = frame_keys(project / "blended_images", "", ".jpg")
    depths = frame_keys(project / "rendered_depth_maps", "", ".pfm")
    return images & depths & frame_keys(project / "cams", "", "_cam.txt")
