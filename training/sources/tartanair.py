"""TartanAir (Wang et al. 2020): 306,637 rendered images of 18 environments, from castacks/tartanair_tools (version 1).

Layout (README and data_type.md of that repository); the archives may unpack the environment's name twice:

    PATH/ENV[/ENV]/Easy|Hard/PNNN/image_left/NNNNNN_left.png
    PATH/ENV[/ENV]/Easy|Hard/PNNN/depth_left/NNNNNN_left_depth.npy

Depth is in metres along the axis (issue 67: DepthPlanar). The camera is the same everywhere: 640x480, 90 degrees wide,
fx = fy = 320; the stated centre (320, 240) counts from the corner of the first pixel, which is (319.5, 239.5) from its
centre, as here. The sky is a sphere "at a large distance (e.g. 10000)"; how large is not stated, nor is what the
farthest object has. From ``sky_from`` on, 1000 m, it is sky: our choice, that of most trainers on this set. In
``amusement`` a nearer, invisible dome stands before the sky (issue 46), so its sky has a wrong depth; that environment
is left out unless it is asked for by name, and then its sky is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError

from ..samples import DepthSample
from .arrays import read_npy
from .file_lists import ListedSamples, chosen, frame_keys, require_folder, require_names, subfolders
from .images import read_rgb

CAMERA = CameraModel(width=640, height=480, fx=320.0, fy=320.0, cx=319.5, cy=239.5)
DIFFICULTIES = ("Easy", "Hard")
CAMERA_NAMES = ("left", "right")
WRONG_SKY = "amusement"
_EXPECTED = "ENV/Easy|Hard/PNNN with image_left/NNNNNN_left.png and depth_left/NNNNNN_left_depth.npy"


@dataclass(frozen=True)
class TartanAirReader:
    """Reads a sample by its name ``ENV[/ENV]/Easy|Hard/PNNN/left|right/NNNNNN``."""

    root: Path
    sky_from: float

    def __call__(self, name: str) -> DepthSample:
        trajectory, camera_name, frame = name.rsplit("/", 2)
        image = read_rgb(self.root / trajectory / f"image_{camera_name}" / f"{frame}_{camera_name}.png")
        path = self.root / trajectory / f"depth_{camera_name}" / f"{frame}_{camera_name}_depth.npy"
        stored = read_npy(path)
        if stored.shape != (CAMERA.height, CAMERA.width) or stored.dtype.kind != "f":
            raise SourceError(
                f"{path}: {stored.dtype} {stored.shape}; floats {(CAMERA.height, CAMERA.width)} are accepted"
            )
        sky_known = not name.startswith(f"{WRONG_SKY}/")
        depth = depth_with_sky(stored, self.sky_from, sky_known)
        return DepthSample(image, depth, CAMERA, f"tartanair/{name}", sky_known=sky_known)


def depth_with_sky(stored: NDArray[np.floating], sky_from: float, sky_known: bool) -> NDArray[np.float32]:
    """Depth [m]: from ``sky_from`` on +Inf, or NaN where the sky is not known; NaN where it is not above 0."""
    depth = stored.astype(np.float32)
    depth[depth >= sky_from] = np.inf if sky_known else np.nan
    depth[~(depth > 0)] = np.nan
    return depth


def open_samples(
    path: Path, *, environments: str = "", difficulties: str = "", cameras: str = "left", sky_from: float = 1000.0
) -> ListedSamples:
    """The images of ``path`` that have a depth.

    Parameters
    ----------
    environments, difficulties, cameras: which, separated by commas; empty takes all, but not the environment
        ``amusement``. Difficulties are Easy and Hard, cameras left and right.
    sky_from: what is this far or farther is sky [m].
    """
    if not sky_from > 0:
        raise ConfigError(f"source tartanair {path}: sky_from {sky_from}; above 0 m is accepted")
    known = subfolders(require_folder(path, _EXPECTED))
    usual = [name for name in known if name != WRONG_SKY]
    names = []
    for environment in chosen(environments, known, "tartanair environment") if environments else usual:
        nested = f"{environment}/{environment}"
        base = nested if (path / nested).is_dir() else environment
        for difficulty in chosen(difficulties, DIFFICULTIES, "tartanair difficulty"):
            for trajectory in subfolders(path / base / difficulty):
                for camera in chosen(cameras, CAMERA_NAMES, "tartanair camera"):
                    names += _frames(path, f"{base}/{difficulty}/{trajectory}", camera)
    return ListedSamples(require_names(names, path, _EXPECTED), TartanAirReader(path, sky_from))


def _frames(root: Path, trajectory: str, camera: str) -> list[str]:
    images = frame_keys(root / trajectory / f"image_{camera}", "", f"_{camera}.png")
    depths = frame_keys(root / trajectory / f"depth_{camera}", "", f"_{camera}_depth.npy")
    return [f"{trajectory}/{camera}/{frame}" for frame in images & depths]
