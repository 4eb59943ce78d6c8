"""What is known of a scene, as a depth image of each frame: taped distances, measured depth, a LiDAR's cloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ..camera import CameraModel
from ..depth_codec import millimetres_to_depth
from ..errors import ConfigError, ImageError, SourceError
from ..geometry import depth_of_points, range_to_depth
from ..rectify import Rectifier
from ..source_frame import SourceFrame
from ..source_kind import list_folder

Float32 = NDArray[np.float32]

WINDOW_SHARE = 0.01
"""A taped distance counts for the pixels around its own up to this share of the image's width."""
_ENDINGS = re.compile(r"[-_.](rgb|colou?r|image|img|depth)$", re.IGNORECASE)


class Reference(Protocol):
    """A kind of reference.

    ``description`` says what it is; ``min_pixels`` of a frame must be known for it to count; ``why_none`` says why the
    last frame had none.
    """

    description: str
    min_pixels: int
    why_none: str

    def depth_of(self, item: SourceFrame, camera: CameraModel) -> Float32 | None:
        """Planar depth (H, W) [m] on ``camera``, the pinhole camera of the frame's (rectified) image, NaN unknown.

        None where nothing is known of this frame.
        """
        ...


@dataclass(frozen=True)
class TapedDistance:
    """``metres``: length of a straight line from the camera to what is seen at pixel (u, v) of the image as delivered
    [px]; without a pixel, at its centre."""

    metres: float
    u: float | None = None
    v: float | None = None


class TapedReference:
    """Taped distances, which hold for every frame: neither the camera nor what they lead to moves."""

    def __init__(self, distances: Sequence[TapedDistance]) -> None:
        self._distances = tuple(distances)
        self.min_pixels = 1
        self.why_none = ""
        words = [
            f"{one.metres:g} m at " + ("the centre" if one.u is None else f"({one.u:g}, {one.v:g})")
            for one in self._distances
        ]
        self.description = f"taped distances: {', '.join(words)}"

    def depth_of(self, item: SourceFrame, camera: CameraModel) -> Float32 | None:
        """See Reference. Raises ConfigError for a pixel outside the image."""
        range_HW = np.full((camera.height, camera.width), np.nan, np.float32)
        reach = max(2, round(WINDOW_SHARE * camera.width))
        for one in self._distances:
            u = (camera.width - 1) / 2 if one.u is None else one.u
            v = (camera.height - 1) / 2 if one.v is None else one.v
            if not (0 <= u <= camera.width - 1 and 0 <= v <= camera.height - 1):
                size = f"{camera.width}x{camera.height}"
                raise ConfigError(f"the pixel of a distance is ({u:g}, {v:g}); accepted: inside the {size} image")
            column, row = round(u), round(v)
            range_HW[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = one.metres
        return range_to_depth(_on_rectified(range_HW, item), camera)


class RecordedReference:
    """Depth of a recording that is registered to its images."""

    def __init__(self, topic: str) -> None:
        self.min_pixels = 50
        self.why_none = f"{topic} has no depth image of its time"
        self.description = f"depth on {topic}"

    def depth_of(self, item: SourceFrame, camera: CameraModel) -> Float32 | None:
        """See Reference."""
        return None if item.reference_HW is None else _on_rectified(item.reference_HW, item)


class FolderReference:
    """Depth images in a folder, each registered to the frame of the same name.

    Parameters
    ----------
    folder: holds 16-bit PNG images (0 = unknown) and float arrays [m] (.npy, (H, W)).
    unit_m: what 1 of a PNG image stands for [m].
    images: folder of the frames; where it is the same, the depth images are no frames.

    Endings as _rgb, _color and _depth do not count as part of a name. Raises SourceError for a folder without them.
    """

    def __init__(self, folder: Path, unit_m: float = 0.001, images: Path | None = None) -> None:
        self._unit_m = unit_m
        self._is_shared = images is not None and images.resolve() == folder.resolve()
        self._files = {
            _ENDINGS.sub("", file.stem): file
            for file in list_folder(folder)
            if file.suffix.lower() in (".png", ".npy") and not re.search(r"[-_.](rgb|colou?r)$", file.stem.lower())
        }
        if not self._files:
            raise SourceError(f"{folder} holds no depth; accepted: 16-bit PNG and .npy, named as the frames")
        self.min_pixels = 50
        self.why_none = ""
        self._folder = folder
        self.description = f"depth in the folder {folder.resolve().name}"

    def depth_of(self, item: SourceFrame, camera: CameraModel) -> Float32 | None:
        """See Reference. Raises SourceError for a file that is no depth image or not of the frame's size."""
        file = self._files.get(_ENDINGS.sub("", item.name))
        if file is None:
            self.why_none = f"{self._folder} has no {item.name}.png or .npy"
            return None
        if self._is_shared and item.name == file.stem:
            self.why_none = f"{file.name} is a depth image itself"
            return None
        depth_HW = self._read(file)
        if depth_HW.shape != item.frame.image_HW3.shape[:2]:
            height, width = depth_HW.shape
            size = f"{item.frame.image_HW3.shape[1]}x{item.frame.image_HW3.shape[0]}"
            raise SourceError(f"{file} is {width}x{height}, its image {size}; accepted: depth registered to the image")
        return _on_rectified(depth_HW, item)

    def _read(self, file: Path) -> Float32:
        try:
            if file.suffix.lower() == ".npy":
                pixels = np.load(file, allow_pickle=False)
            else:
                pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
        except (OSError, ValueError, EOFError, cv2.error) as error:
            raise SourceError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
        if isinstance(pixels, np.ndarray) and pixels.ndim == 2 and pixels.size:
            if pixels.dtype == np.uint16:
                return millimetres_to_depth(pixels) * np.float32(self._unit_m * 1000.0)
            if pixels.dtype.kind == "f":
                return pixels.astype(np.float32)
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else "no image"
        raise SourceError(f"{file} is {found}; accepted: 16-bit grey PNG, or .npy of floats (H, W) in metres")


class CloudReference:
    """Points of another sensor, projected into the image.

    Parameters
    ----------
    points_of: gives the points (N, 3) [m] of a frame in the optical frame of its image, or says why it has none.
    description: what they are.
    """

    def __init__(self, points_of: Callable[[SourceFrame], NDArray[Any] | str], description: str) -> None:
        self._points_of = points_of
        self.min_pixels = 50
        self.why_none = ""
        self.description = description

    def depth_of(self, item: SourceFrame, camera: CameraModel) -> Float32 | None:
        """See Reference. Raises ConfigError for a frame without intrinsics."""
        if item.frame.camera is None:
            raise ConfigError("a cloud needs the camera's intrinsics to lie on its image; see --camera-info FILE.yaml")
        points_N3 = self._points_of(item)
        if isinstance(points_N3, str):
            self.why_none = points_N3
            return None
        return depth_of_points(points_N3, camera)


def _on_rectified(depth_HW: Float32, item: SourceFrame) -> Float32:
    """Depth of the image as delivered, on its rectified view."""
    camera = item.frame.camera
    if camera is None or not camera.is_distorted:
        return depth_HW
    if depth_HW.shape != item.frame.image_HW3.shape[:2]:
        raise ImageError(f"the reference is {depth_HW.shape}, the image {item.frame.image_HW3.shape[:2]}")
    return _rectifier(camera).nearest(depth_HW)


@lru_cache(maxsize=2)
def _rectifier(camera: CameraModel) -> Rectifier:
    return Rectifier(camera)
