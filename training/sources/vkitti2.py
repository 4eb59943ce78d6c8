"""Virtual KITTI 2 (Cabon et al. 2020): 21,260 rendered street scenes per camera, 5 scenes in 10 variations each.

Layout, as the archives of version 2.0.3 unpack, into one folder or each into one of its archive's name:

    PATH[/vkitti_2.0.3_rgb]/SceneXX/VARIATION/frames/rgb/Camera_C/rgb_NNNNN.jpg
    PATH[/vkitti_2.0.3_depth]/SceneXX/VARIATION/frames/depth/Camera_C/depth_NNNNN.png
    PATH[/vkitti_2.0.3_textgt]/SceneXX/VARIATION/intrinsic.txt

The depth PNG is 16 bit, in centimetres along the axis; its largest value, 655.35 m, is the far plane, where the sky is
(README of Virtual KITTI 1.3.1, whose encoding version 2 keeps). ``intrinsic.txt`` has lines ``frame cameraID K[0,0]
K[1,1] K[0,2] K[1,2]``, the centre of the first pixel at 0; every line of the release says 725.0087 725.0087 620.5 187,
which is taken where the file is absent. There is no official split; Depth Anything V2 trains on Camera_0 of all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError

from ..samples import DepthSample
from .file_lists import ListedSamples, chosen, frame_keys, read_lines, require_folder, require_names, subfolders
from .images import read_map, read_rgb

SKY = 65535
SIZE = (375, 1242)
K = (725.0087, 725.0087, 620.5, 187.0)
CAMERA_NAMES = ("Camera_0", "Camera_1")
_ARCHIVES = {"rgb": "vkitti_2.0.3_rgb", "depth": "vkitti_2.0.3_depth", "text": "vkitti_2.0.3_textgt"}
_LISTED = re.compile(r"(Scene\d\d/[^/]+)/frames/rgb/(Camera_\d)/rgb_(\d+)\.jpg")
_COLUMNS = "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]"
_EXPECTED = (
    "SceneXX/VARIATION/frames with rgb/Camera_C/rgb_NNNNN.jpg and depth/Camera_C/depth_NNNNN.png, or the same"
    f" in folders {_ARCHIVES['rgb']} and {_ARCHIVES['depth']},"
)


@dataclass(frozen=True)
class VirtualKittiReader:
    """Reads a sample by its name ``SceneXX/VARIATION/Camera_C/NNNNN``."""

    root: Path
    intrinsics: dict[str, tuple[float, float, float, float]]
    """fx, fy, cx, cy [px] by ``SceneXX/VARIATION/Camera_C``."""

    def __call__(self, name: str) -> DepthSample:
        scene, variation, camera_name, frame = name.split("/")
        frames = Path(scene, variation, "frames")
        image = read_rgb(part(self.root, "rgb") / frames / "rgb" / camera_name / f"rgb_{frame}.jpg")
        path = part(self.root, "depth") / frames / "depth" / camera_name / f"depth_{frame}.png"
        stored = read_map(path)
        if stored.dtype != np.uint16 or stored.shape != SIZE:
            raise SourceError(f"{path}: {stored.dtype} {stored.shape}; 16-bit centimetres {SIZE} are accepted")
        camera = CameraModel(SIZE[1], SIZE[0], *self.intrinsics[f"{scene}/{variation}/{camera_name}"])
        return DepthSample(image, depth_from_centimetres(stored), camera, f"vkitti2/{name}", sky_known=True)


def depth_from_centimetres(stored: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Depth [m] of the PNG's values: +Inf where sky, NaN where 0."""
    depth = stored.astype(np.float32) / np.float32(100)
    depth[stored == SKY] = np.inf
    depth[stored == 0] = np.nan
    return depth


def part(root: Path, archive: str) -> Path:
    """Where what came in an ``archive`` (rgb, depth or text) is: its own folder if there is one, else ``root``."""
    own = root / _ARCHIVES[archive]
    return own if own.is_dir() else root


def read_intrinsics(path: Path, camera_name: str) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy [px] of a camera in an ``intrinsic.txt``; the release's constant where there is no such file.

    Raises SourceError for other columns and for a camera that is not the same in all frames.
    """
    if not path.is_file():
        return K
    found = set()
    for line in read_lines(path)[1:]:
        try:
            _, camera_id, fx, fy, cx, cy = map(float, line.split())
        except ValueError:
            raise SourceError(f"{path}: line {line!r}; {_COLUMNS} is expected") from None
        if camera_id == CAMERA_NAMES.index(camera_name):
            found.add((fx, fy, cx, cy))
    if len(found) != 1:
        raise SourceError(f"{path}: {len(found)} different cameras for {camera_name}; 1 for all frames is expected")
    return found.pop()


def open_samples(
    path: Path, *, scenes: str = "", variations: str = "", cameras: str = "Camera_0", files: str = ""
) -> ListedSamples:
    """The images of ``path`` that have a depth.

    Parameters
    ----------
    scenes, variations, cameras: which, separated by commas; empty takes all. Camera_1 is the right one of the pair.
    files: a text file with the path of one image at the beginning of each line, whatever stands before SceneXX, as
        Depth Anything V2's own lists have it; it chooses in place of all files on disk.
    """
    images = part(require_folder(path, _EXPECTED), "rgb")
    known_scenes = [name for name in subfolders(images) if name.startswith("Scene")]
    require_names(known_scenes, path, _EXPECTED)
    wanted_scenes = chosen(scenes, known_scenes, "vkitti2 scene")
    known_variations = sorted({name for scene in wanted_scenes for name in subfolders(images / scene)})
    wanted_variations = chosen(variations, known_variations, "vkitti2 variation")
    wanted_cameras = chosen(cameras, CAMERA_NAMES, "vkitti2 camera")
    groups = [
        f"{scene}/{variation}/{camera}"
        for scene in wanted_scenes
        for variation in wanted_variations
        for camera in wanted_cameras
        if (images / scene / variation).is_dir()
    ]
    if files:
        names = [name for name in _listed(Path(files)) if name.rpartition("/")[0] in groups]
    else:
        names = [name for group in groups for name in _on_disk(path, group)]
    names = require_names(names, path, _EXPECTED)
    used = sorted({name.rpartition("/")[0] for name in names})
    text = part(path, "text")
    intrinsics = {
        group: read_intrinsics(text / group.rpartition("/")[0] / "intrinsic.txt", group.rpartition("/")[2])
        for group in used
    }
    return ListedSamples(names, VirtualKittiReader(path, intrinsics))


def _on_disk(root: Path, group: str) -> list[str]:
    variation, _, camera_name = group.rpartition("/")
    images = frame_keys(part(root, "rgb") / variation / "frames" / "rgb" / camera_name, "rgb_", ".jpg")
    depths = frame_keys(part(root, "depth") / variation / "frames" / "depth" / camera_name, "depth_", ".png")
    return [f"{group}/{frame}" for frame in images & depths]


def _listed(path: Path) -> list[str]:
    names = []
    for line in read_lines(path):
        match = _LISTED.search(line)
        if match is None:
            raise SourceError(f"{path}: line {line!r}; SceneXX/VARIATION/frames/rgb/Camera_C/rgb_N.jpg is expected")
        names.append("/".join(match.groups()))
    return names
