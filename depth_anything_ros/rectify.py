"""Rectifier: a raw image of a distorted camera to the image its pinhole camera would have taken."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .calibration import EQUIDISTANT
from .camera import CameraModel
from .errors import CameraError, ImageError

# 7 bytes per pixel: four 1920x1080 cameras keep 58 MB. Of images beyond 4K only the last camera's maps are kept.
_CACHED_CAMERAS = 8
_CACHED_PIXELS = 3840 * 2160
_RADIUS_SAMPLES = 4096
# cv2.remap addresses pixels with 16 signed bits.
_MAX_SIDE = 32_000

_Maps = tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16], npt.NDArray[np.bool_]]


class Rectifier:
    """Rectifies images of one camera; the maps are computed once per camera and shared.

    Parameters
    ----------
    camera: the camera of the raw image. A camera without distortion is refused with CameraError: nothing is to be done.

    Attributes
    ----------
    raw_camera: the camera given.
    camera: the pinhole camera of the rectified image (same size and K).
    valid_HW: bool, read-only; False where the rectified image has no source: outside the raw image, or beyond the
        radius at which the lens polynomial turns back and would show the scene a second time.
    """

    def __init__(self, camera: CameraModel) -> None:
        if not camera.is_distorted:
            raise CameraError("this camera has no distortion: its image is rectified already")
        if max(camera.width, camera.height) > _MAX_SIDE:
            size = f"{camera.width}x{camera.height}"
            raise CameraError(f"image of {size} is too large to rectify; accepted: {_MAX_SIDE} pixels a side")
        self.raw_camera = camera
        self.camera = camera.undistorted()
        is_large = camera.width * camera.height > _CACHED_PIXELS
        maps = _cached_large_maps if is_large else _cached_maps
        self._map_xy, self._map_fraction, self.valid_HW = maps(camera)

    def __call__(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the rectified image, a new array of the input's shape and type; black where `valid_HW` is False.

        `image` is (H, W) or (H, W, C) of the raw camera's size, uint8, uint16 or float32. Linear interpolation: do not
        use it on depth with invalid pixels. Raises CameraError for another size, ImageError for another shape.
        """
        if image.ndim not in (2, 3):
            raise ImageError(f"image to rectify has shape {image.shape}; accepted: (H, W) or (H, W, C)")
        self.raw_camera.check_image(image.shape[1], image.shape[0])
        out = cv2.remap(image, self._map_xy, self._map_fraction, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return out.reshape(image.shape)

    def nearest(self, depth_HW: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the rectified depth [m], float32: each pixel a copy of its nearest source, NaN where there is none.

        For measured depth (H, W) of the raw camera: nothing is averaged over an edge or with an invalid pixel. It is
        planar z, so its values stay what they are. Raises CameraError for another size, ImageError for another shape.
        """
        if depth_HW.ndim != 2:
            raise ImageError(f"depth to rectify has shape {depth_HW.shape}; accepted: (H, W)")
        self.raw_camera.check_image(depth_HW.shape[1], depth_HW.shape[0])
        depth_HW = np.asarray(depth_HW, np.float32)
        # Rounded already: OpenCV must not add the fractions a second time.
        maps = self._nearest_map, np.empty((0, 0), np.uint16)
        out = cv2.remap(depth_HW, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))
        return np.asarray(out, np.float32)

    @cached_property
    def _nearest_map(self) -> npt.NDArray[np.int16]:
        # map_xy is the pixel up and left; the fractions are 5 bits each, u in the lower ones.
        fraction = self._map_fraction.astype(np.int16)
        step = np.stack([(fraction & 31) >= 16, (fraction >> 5) >= 16], axis=2)
        return self._map_xy + step.astype(np.int16)


def _build_maps(camera: CameraModel) -> _Maps:
    size = (camera.width, camera.height)
    K, D = camera.K, np.array(camera.D)
    lens = cv2.fisheye if camera.distortion_model == EQUIDISTANT else cv2
    map_u, map_v = lens.initUndistortRectifyMap(K, D, np.eye(3), K, size, cv2.CV_32FC1)
    valid = (map_u >= -0.5) & (map_u <= camera.width - 0.5) & (map_v >= -0.5) & (map_v <= camera.height - 0.5)
    x2 = (((np.arange(camera.width) - camera.cx) / camera.fx) ** 2).astype(np.float32)
    y2 = (((np.arange(camera.height) - camera.cy) / camera.fy) ** 2).astype(np.float32)
    valid &= x2[None, :] + y2[:, None] < _fold_radius(camera, float(np.sqrt(x2.max() + y2.max()))) ** 2
    # The outer half of a border pixel takes that pixel's colour instead of blending with the black outside.
    np.clip(map_u, 0.0, camera.width - 1, out=map_u)
    np.clip(map_v, 0.0, camera.height - 1, out=map_v)
    map_u[~valid] = -2.0
    map_xy, map_fraction = cv2.convertMaps(map_u, map_v, cv2.CV_16SC2)
    for array in (map_xy, map_fraction, valid):
        array.flags.writeable = False
    return map_xy, map_fraction, valid


_cached_maps = lru_cache(maxsize=_CACHED_CAMERAS)(_build_maps)
_cached_large_maps = lru_cache(maxsize=1)(_build_maps)


def _fold_radius(camera: CameraModel, largest: float) -> float:
    """Return the normalised radius up to which the lens function grows, at most somewhat over `largest`.

    A calibration holds where its pattern was seen; past the polynomial's first extremum a larger angle would land on a
    smaller radius of the raw image, so that the border of the rectified image repeated its inside.
    """
    radius = np.linspace(0.0, largest * 1.01 + 1e-9, _RADIUS_SAMPLES)
    if camera.distortion_model == EQUIDISTANT:
        theta = np.arctan(radius)
        distorted = theta * (1.0 + sum(k * theta ** (2 * i + 2) for i, k in enumerate(camera.D)))
    else:
        k1, k2, _, _, k3, k4, k5, k6 = (camera.D + (0.0,) * 8)[:8]
        r2 = radius**2
        denominator = 1.0 + r2 * (k4 + r2 * (k5 + r2 * k6))
        numerator = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
        distorted = radius * numerator / np.where(denominator > 0.0, denominator, np.nan)
    growing = np.diff(distorted) > 0.0
    return float(radius[-1] if growing.all() else radius[int(np.argmin(growing))])
