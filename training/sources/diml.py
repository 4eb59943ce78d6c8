"""DIML/CVL RGB-D: rooms by Kinect v2, outdoor scenes by stereo cameras (Cho et al., arXiv 2110.11590).

Layouts, found at any level below ``path`` (the full set's archives as nndepth describes them, the sample set's as
ZoeDepth reads it): a folder of images and beside it one of depth.

==========  =============================  ==========================================
images      depth                          part
==========  =============================  ==========================================
``col``     ``up_png`` (holes filled)      full set, indoor: ``NAME_c.png``
``left``    ``depth``, with ``conf``       full set, outdoor: ``NAME_left.png``
``color``   ``depth_filled``               sample set, indoor: ``NAME_c.png``
``outleft`` ``depthmap``                   sample set, outdoor: the same name in both
==========  =============================  ==========================================

Depth is 16-bit PNG in millimetres, 0 for none; ``conf`` is the stereo matching's confidence, 0 to 255. The intrinsics
come as MATLAB objects beside the outdoor images, which only MATLAB reads, and not at all for the rooms: without
``focal_px`` the camera counts as unknown and the samples as relative. Sky is not known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError

from ..samples import DepthSample
from .file_lists import ListedSamples, require_folder, require_names
from .images import read_map, read_rgb

LAYOUTS = {"col": "up_png", "left": "depth", "color": "depth_filled", "outleft": "depthmap"}
OUTDOOR = ("left", "outleft")
CONFIDENCE = "conf"
IMAGE_ENDINGS = ("_c", "_left")
METRES_PER_UNIT = 0.001
EXPECTED = ", ".join(f"{image}/*.png with {depth}/*.png" for image, depth in LAYOUTS.items())


def open_samples(path: Path, *, scenes: str = "", min_confidence: float = 0.6, focal_px: float = 0.0) -> ListedSamples:
    """The frames below ``path`` (see the module's text).

    ``scenes``: indoor, outdoor, or both where empty. ``min_confidence``: 0 to 1; outdoor depth below it is unknown (0.6
    is nndepth's choice). ``focal_px``: focal length at the size of the stored images, 0 where it is not known.
    """
    if scenes not in ("", "indoor", "outdoor"):
        raise ConfigError(f"scenes {scenes!r}: indoor or outdoor is accepted, or nothing for both")
    if not 0 <= min_confidence <= 1:
        raise ConfigError(f"min_confidence {min_confidence}: a number from 0 to 1 is accepted")
    if not 0 <= focal_px < float("inf"):
        raise ConfigError(f"focal_px {focal_px}: a number from 0 is accepted")
    require_folder(path, f"DIML's folders of {EXPECTED}")
    wanted = [name for name in LAYOUTS if scenes == "" or (name in OUTDOOR) == (scenes == "outdoor")]
    return ListedSamples(
        require_names(list(_pairs(path, wanted)), path, EXPECTED), _Frame(path, float(min_confidence), float(focal_px))
    )


def _pairs(root: Path, wanted: list[str]) -> Iterator[str]:
    """``image<TAB>depth`` of every frame, relative to ``root``."""
    for folder, inner, files in os.walk(root):
        here = Path(folder)
        inner[:] = [name for name in inner if name not in LAYOUTS.values()]
        depth = here.parent / LAYOUTS.get(here.name, "")
        if here.name not in wanted or not depth.is_dir():
            continue
        depths = _by_frame(depth)
        for name in files:
            frame = _frame(Path(name).stem)
            if name.endswith(".png") and frame in depths:
                image = (here / name).relative_to(root)
                yield f"{image}\t{(depth / depths[frame]).relative_to(root)}"


def _frame(stem: str) -> str:
    ending = next((ending for ending in IMAGE_ENDINGS if stem.endswith(ending)), "")
    return stem.removesuffix(ending)


def _by_frame(folder: Path) -> dict[str, str]:
    """Frame to name of its depth file."""
    names = (entry.name for entry in folder.glob("*.png"))
    return {_depth_frame(folder.name, name.rpartition(".")[0]): name for name in names}


def _depth_frame(folder: str, stem: str) -> str:
    if folder == "depthmap":
        return stem
    if folder == "depth_filled":
        return stem.removesuffix("_depth_filled")
    # One more word follows the frame's name; which one differs between the archives.
    return stem.rpartition("_")[0]


@dataclass(frozen=True)
class _Frame:
    root: Path
    min_confidence: float
    focal_px: float

    def __call__(self, name: str) -> DepthSample:
        image_name, depth_name = name.split("\t")
        image, raw = read_rgb(self.root / image_name), read_map(self.root / depth_name)
        if raw.dtype != np.uint16:
            raise SourceError(f"{self.root / depth_name}: {raw.dtype}; 16-bit PNG in millimetres is expected")
        known = raw > 0
        confidence_file = self._confidence_file(image_name)
        if confidence_file is not None:
            confidence = read_map(confidence_file, channel=0)
            if confidence.shape != raw.shape:
                raise SourceError(f"{confidence_file}: {confidence.shape} beside depth {raw.shape}")
            known &= confidence >= self.min_confidence * 255
        height, width = image.shape[:2]
        focal = self.focal_px
        camera = (
            CameraModel(width=width, height=height, fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2)
            if focal
            else CameraModel.with_assumed_fov(width, height)
        )
        return DepthSample(
            image,
            np.where(known, raw * np.float32(METRES_PER_UNIT), np.nan).astype(np.float32),
            camera,
            f"diml/{image_name.rpartition('.')[0]}",
            sky_known=False,
            is_metric=bool(focal),
            camera_known=bool(focal),
        )

    def _confidence_file(self, image_name: str) -> Path | None:
        image = self.root / image_name
        file = image.parent.parent / CONFIDENCE / f"{_frame(image.stem)}_conf.png"
        return file if file.is_file() else None
