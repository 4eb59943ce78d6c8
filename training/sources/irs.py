"""IRS, the Indoor Robotics Stereo set (Wang et al. 2021): 103,316 rendered stereo pairs, from HKBU-HPML/IRS.

Layout (README and lists/ of that repository):

    PATH/Home|Office|Restaurant|Store/SCENE/l_NNNNN.png      left image, 960x540
    PATH/Home|Office|Restaurant|Store/SCENE/d_NNNNN.exr      its disparity [px]

The cameras have fx = fy = 480 px and a baseline of 0.1 m, so depth = 48 / disparity [m]; the centre is that of the
image, as a renderer has it (the repository does not state it). The disparity is one channel called G (its own
loader); a disparity of 0 or less, or none, is unknown, and so is the sky behind the windows. Reading needs an OpenCV
with OpenEXR. The official split is in the repository's lists: give the file as ``files``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError

from ..samples import DepthSample
from .file_lists import ListedSamples, chosen, frame_keys, read_lines, require_folder, require_names
from .images import read_map, read_rgb

CAMERA = CameraModel(width=960, height=540, fx=480.0, fy=480.0, cx=479.5, cy=269.5)
BASELINE_M = 0.1
CATEGORIES = ("Home", "Office", "Restaurant", "Store")
_GREEN = 1
_EXPECTED = "Home|Office|Restaurant|Store/SCENE with l_NNNNN.png and d_NNNNN.exr"


@dataclass(frozen=True)
class IrsReader:
    """Reads a sample by its name ``CATEGORY/SCENE/NNNNN``."""

    root: Path

    def __call__(self, name: str) -> DepthSample:
        folder, _, frame = name.rpartition("/")
        image = read_rgb(self.root / folder / f"l_{frame}.png")
        path = self.root / folder / f"d_{frame}.exr"
        disparity = read_map(path, channel=_GREEN)
        if disparity.shape != (CAMERA.height, CAMERA.width):
            raise SourceError(f"{path}: size {disparity.shape}; {(CAMERA.height, CAMERA.width)} is accepted")
        return DepthSample(image, depth_from_disparity(disparity), CAMERA, f"irs/{name}", sky_known=False)


def depth_from_disparity(disparity: NDArray[np.floating]) -> NDArray[np.float32]:
    """Depth [m] of disparities [px]; NaN where they are not finite or not above 0."""
    usable = np.isfinite(disparity) & (disparity > 0)
    return (CAMERA.fx * BASELINE_M / np.where(usable, disparity, np.nan)).astype(np.float32)


def open_samples(path: Path, *, categories: str = "", files: str = "") -> ListedSamples:
    """The left images of ``path`` that have a disparity.

    Parameters
    ----------
    categories: which of Home, Office, Restaurant and Store, separated by commas; empty takes all.
    files: one of the repository's lists, a line naming the left image, the right one, the disparity and the normals;
        it chooses in place of all files on disk.
    """
    require_folder(path, _EXPECTED)
    wanted = chosen(categories, CATEGORIES, "irs category")
    if files:
        listed = Path(files)
        names = [name for line in read_lines(listed) if (name := _listed(listed, line)).split("/")[0] in wanted]
    else:
        names = [name for category in wanted for name in _on_disk(path, category)]
    return ListedSamples(require_names(names, path, _EXPECTED), IrsReader(path))


def _on_disk(root: Path, category: str) -> list[str]:
    names = []
    for folder, _, _ in os.walk(root / category):
        both = frame_keys(Path(folder), "l_", ".png") & frame_keys(Path(folder), "d_", ".exr")
        names += [f"{Path(folder).relative_to(root).as_posix()}/{frame}" for frame in both]
    return names


def _listed(path: Path, line: str) -> str:
    left, _, disparity = [*line.split(), "", "", ""][:3]
    folder, _, image = left.rpartition("/")
    frame = image[len("l_") : -len(".png")]
    if not folder or left != f"{folder}/l_{frame}.png" or disparity != f"{folder}/d_{frame}.exr":
        raise SourceError(f"{path}: line {line!r}; SCENE/l_N.png SCENE/r_N.png SCENE/d_N.exr is expected")
    return f"{folder}/{frame}"
