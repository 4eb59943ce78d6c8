"""Between depth images and points: the only place with the pinhole formula.

Points are in the optical frame (x right, y down, z forward) [m]; depth is the planar z, not the length of the ray.
Every function refuses a distorted camera with CameraError: its image is rectified first.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .camera import CameraModel
from .errors import ImageError

# A ray grid takes 12 bytes per pixel, 25 MB at 1920x1080; beyond 4K it is computed anew at each call.
_CACHED_CAMERAS = 4
_CACHED_PIXELS = 3840 * 2160

HIDDEN_SHARE = 0.01
HIDDEN_RATIO = 1.25
"""A point of a cloud is hidden from the camera where another within HIDDEN_SHARE of the image's width is nearer by this
factor: the LiDAR looks past the edges of things that the camera sees."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def ray_grid(camera: CameraModel) -> Float32:
    """Return the (H, W, 3) float32 rays (x, y, 1) through the pixel centres; read-only, cached per camera."""
    camera.require_undistorted("a ray grid")
    return (_cached_rays if camera.width * camera.height <= _CACHED_PIXELS else _build_rays)(camera)


def unproject(depth_HW: npt.NDArray[Any], camera: CameraModel) -> Float32:
    """Return the (H, W, 3) float32 points [m] of a depth image [m].

    A depth that is not finite or not positive becomes a point of three NaN. Raises ImageError for another size than the
    camera's.
    """
    camera.require_undistorted("unprojection")
    depth_HW = _checked(depth_HW, camera).astype(np.float32, copy=False)
    with np.errstate(invalid="ignore"):
        z_HW = np.where((depth_HW > 0.0) & (depth_HW < np.inf), depth_HW, np.float32(np.nan))
    x_W, y_H = ray_axes(camera)
    points_HW3 = np.empty((*z_HW.shape, 3), np.float32)
    np.multiply(z_HW, x_W[None, :], out=points_HW3[..., 0])
    np.multiply(z_HW, y_H[:, None], out=points_HW3[..., 1])
    points_HW3[..., 2] = z_HW
    return points_HW3


def project(points_N3: npt.NDArray[Any], camera: CameraModel) -> tuple[Float64, Float64]:
    """Return the pixels (..., 2) [px] and depths (...) [m], float64, of points (..., 3) [m].

    Points at or behind the camera (z <= 0) and points that are not finite have NaN pixels; their z is returned as it
    is.
    """
    camera.require_undistorted("projection")
    points = np.asarray(points_N3, np.float64)
    if points.ndim < 1 or points.shape[-1] != 3:
        raise ImageError(f"points have shape {points.shape}; accepted: (..., 3)")
    z_N = points[..., 2]
    with np.errstate(invalid="ignore"):
        usable = (z_N > 0.0) & np.isfinite(points).all(axis=-1)
    divisor = np.where(usable, z_N, np.nan)
    u_N = camera.fx * points[..., 0] / divisor + camera.cx
    v_N = camera.fy * points[..., 1] / divisor + camera.cy
    return np.stack([u_N, v_N], axis=-1), z_N


def range_to_depth(range_HW: npt.NDArray[Any], camera: CameraModel) -> Float32:
    """Return the (H, W) float32 planar depth [m] of an image of ray lengths [m].

    NaN and the infinities stay what they are; a length of 0, which says that nothing was measured, becomes NaN.
    """
    camera.require_undistorted("ray length to depth")
    range_HW = _checked(range_HW, camera).astype(np.float32, copy=False)
    x_W, y_H = ray_axes(camera, np.float64)
    cosine_HW = (1.0 / np.sqrt(1.0 + x_W[None, :] ** 2 + y_H[:, None] ** 2)).astype(np.float32)
    return np.where(range_HW == 0.0, np.float32(np.nan), range_HW * cosine_HW).astype(np.float32, copy=False)


def depth_of_points(points_N3: npt.NDArray[Any], camera: CameraModel) -> Float32:
    """Return the (H, W) float32 depth image [m] of points (N, 3) [m] in the optical frame, NaN where there is none.

    The nearest point of a pixel counts, and none that is hidden behind its surroundings.
    """
    uv_N2, z_N = project(points_N3, camera)
    with np.errstate(invalid="ignore"):
        inside_N = np.all((uv_N2 > -0.5) & (uv_N2 < [camera.width - 0.5, camera.height - 0.5]), axis=1)
    u_N, v_N = np.rint(uv_N2[inside_N]).astype(np.intp).T
    depth_HW = np.full((camera.height, camera.width), np.inf, np.float32)
    np.minimum.at(depth_HW, (v_N, u_N), z_N[inside_N].astype(np.float32))
    reach = 2 * max(1, round(HIDDEN_SHARE * camera.width)) + 1
    nearest_HW = cv2.erode(depth_HW, np.ones((reach, reach), np.uint8), borderType=cv2.BORDER_REPLICATE)
    depth_HW[depth_HW > np.float32(HIDDEN_RATIO) * nearest_HW] = np.nan
    depth_HW[np.isinf(depth_HW)] = np.nan
    return depth_HW


def _checked(image_HW: npt.NDArray[Any], camera: CameraModel) -> npt.NDArray[Any]:
    image_HW = np.asarray(image_HW)
    if image_HW.shape != (camera.height, camera.width):
        raise ImageError(f"depth has shape {image_HW.shape}; its camera is ({camera.height}, {camera.width})")
    return image_HW


def ray_axes(camera: CameraModel, dtype: Any = np.float32) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return x (W,) of the rays (x, y, 1) through every column of pixel centres and y (H,) through every row."""
    camera.require_undistorted("ray axes")
    # Computed in float64: u - cx in float32 would lose the digits that a far point's position depends on.
    x_W = (np.arange(camera.width, dtype=np.float64) - camera.cx) / camera.fx
    y_H = (np.arange(camera.height, dtype=np.float64) - camera.cy) / camera.fy
    return x_W.astype(dtype), y_H.astype(dtype)


def _build_rays(camera: CameraModel) -> Float32:
    x_W, y_H = ray_axes(camera)
    rays_HW3 = np.empty((camera.height, camera.width, 3), np.float32)
    rays_HW3[..., 0] = x_W[None, :]
    rays_HW3[..., 1] = y_H[:, None]
    rays_HW3[..., 2] = 1.0
    rays_HW3.flags.writeable = False
    return rays_HW3


_cached_rays = lru_cache(maxsize=_CACHED_CAMERAS)(_build_rays)
