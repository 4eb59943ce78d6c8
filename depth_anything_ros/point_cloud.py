"""Depth images to organised point clouds, laid out as the bytes of a sensor_msgs/PointCloud2.

One point per pixel, row by row, in the optical frame [m]: float32 x, y, z at bytes 0, 4 and 8 and the colour at 12 (16
bytes a point, half of PCL's padded layout and legal, because a cloud describes its own fields). A pixel without a depth
keeps its place as a point of NaN.
"""

from __future__ import annotations

import importlib
import math
from array import array
from dataclasses import dataclass, field
from types import ModuleType

import cv2
import numpy as np
import numpy.typing as npt

from .camera import CameraModel
from .errors import ConfigError, ImageError, MissingDependency
from .filters import check_depth
from .geometry import ray_grid
from .scratch import BufferPool, Scratch

OPEN3D_SYSTEM_PACKAGES = ("libegl1", "libx11-6", "libgl1", "libusb-1.0-0", "libudev1")
"""Debian and Ubuntu packages with the system libraries that Open3D's wheel links to but does not bring."""

MAX_POINTS = 80_000
"""Points of a cloud whose stride nobody chose: what a costmap on a robot's CPU takes without falling behind."""

_FLOAT32 = 7  # sensor_msgs/PointField.FLOAT32
# With alpha 0xff a red above 127 would make the colour's float a NaN, which readers that skip NaN would drop.
_WITHOUT_ALPHA = np.uint32(0x00FFFFFF)
# A cloud is filled band by band, so that its working arrays stay in the processor's cache.
_BAND_PIXELS = 120_000


@dataclass(frozen=True)
class PointField:
    """One field of a cloud, with the names of sensor_msgs/PointField; `offset` in bytes."""

    name: str
    offset: int
    datatype: int = _FLOAT32
    count: int = 1


@dataclass(frozen=True, eq=False)
class PointCloudData:
    """The fields of a sensor_msgs/PointCloud2 apart from its header.

    `data` is not written to again while anyone holds it or a view of it.
    """

    height: int
    width: int
    fields: tuple[PointField, ...]
    point_step: int
    row_step: int
    data: array[int] = field(repr=False)
    is_dense: bool = False
    is_bigendian: bool = False


class CloudBuilder:
    """Makes clouds of one camera's depth images, at the cost of little more than writing them.

    Parameters
    ----------
    camera: of the depth images; CameraError if it has distortion.
    stride: keeps every stride-th pixel of every stride-th row, from the first on; the points stay where they are.
    padded: the 32-byte layout of PCL with the colour at 16, for readers that insist on it.

    Raises ConfigError for a stride below 1. Not for use by two threads at once.
    """

    def __init__(self, camera: CameraModel, *, stride: int = 1, padded: bool = False) -> None:
        if stride < 1:
            raise ConfigError(f"cloud stride is {stride}; accepted: 1 (every pixel) and more")
        self.camera = camera
        self._stride = stride
        rays_HW3 = ray_grid(camera)[::stride, ::stride]
        self.height, self.width = rays_HW3.shape[:2]
        self.point_step = 32 if padded else 16
        self._colour_index = 4 if padded else 3
        self._fields = {has_colour: _fields(4 * self._colour_index if has_colour else None) for has_colour in (0, 1)}
        self._ray_planes = [np.ascontiguousarray(rays_HW3[..., axis]) for axis in (0, 1)]
        num_bands = -(-self.height * self.width // _BAND_PIXELS)
        self._band_rows = -(-self.height // num_bands)
        self._blank_HW = np.zeros((self._band_rows, self.width), np.float32)
        self._pool = BufferPool(self.height * self.width * self.point_step)
        self._scratch = Scratch()

    def build(
        self, depth_HW: npt.NDArray[np.float32], image_HW3: npt.NDArray[np.uint8] | None = None
    ) -> PointCloudData:
        """Return the cloud of a depth image (H, W) float32 [m], coloured by its RGB image (H, W, 3) uint8 if given.

        A depth that is not finite or not positive becomes NaN. Raises ImageError for another type, CameraError for
        another size than the camera's.
        """
        check_depth(depth_HW)
        self.camera.check_image(depth_HW.shape[1], depth_HW.shape[0])
        if image_HW3 is not None and (image_HW3.dtype != np.uint8 or image_HW3.shape != (*depth_HW.shape, 3)):
            raise ImageError(
                f"image is {image_HW3.dtype} of shape {image_HW3.shape}; accepted: uint8 {(*depth_HW.shape, 3)}"
            )
        if self._stride > 1:
            depth_HW = np.ascontiguousarray(depth_HW[:: self._stride, :: self._stride])
            image_HW3 = None if image_HW3 is None else self._thinned(image_HW3)
        # NaN needs no care, it makes all three coordinates NaN by itself: fmin and fmax pass over it.
        usable = bool(np.fmin.reduce(depth_HW, axis=None) > 0.0 and np.fmax.reduce(depth_HW, axis=None) < np.inf)
        data, view = self._pool.take()
        points_HWC = view.reshape(self.height, self.width, -1)
        for first in range(0, self.height, self._band_rows):
            band = slice(first, first + self._band_rows)
            z_HW = depth_HW[band] if usable else self._with_nan_for_unusable(depth_HW[band])
            self._fill(points_HWC[band], z_HW, band, None if image_HW3 is None else image_HW3[band])
        return PointCloudData(
            height=self.height,
            width=self.width,
            fields=self._fields[image_HW3 is not None],
            point_step=self.point_step,
            row_step=self.width * self.point_step,
            data=data,
        )

    def _thinned(self, image_HW3: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Every stride-th pixel of every stride-th row."""
        H, W = image_HW3.shape[:2]
        if H % self._stride or W % self._stride:
            return np.ascontiguousarray(image_HW3[:: self._stride, :: self._stride])
        # The very same pixels, where the size divides: six times as fast as NumPy's copy of three bytes each.
        size = (W // self._stride, H // self._stride)
        return np.asarray(cv2.resize(image_HW3, size, interpolation=cv2.INTER_NEAREST), np.uint8)

    def _fill(
        self,
        points_HWC: npt.NDArray[np.float32],
        z_HW: npt.NDArray[np.float32],
        band: slice,
        image_HW3: npt.NDArray[np.uint8] | None,
    ) -> None:
        shape, array_of = z_HW.shape, self._scratch.array
        x_HW = cv2.multiply(z_HW, self._ray_planes[0][band], dst=array_of("x", shape))
        y_HW = cv2.multiply(z_HW, self._ray_planes[1][band], dst=array_of("y", shape))
        blank_HW = self._blank_HW[: shape[0]]
        planes = [x_HW, y_HW, z_HW] + [blank_HW] * (points_HWC.shape[2] - 3)
        if image_HW3 is not None:
            bgra_HW4 = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGRA, dst=array_of("bgra", (*shape, 4), np.uint8))
            packed_HW = bgra_HW4.view(np.uint32)[..., 0]
            np.bitwise_and(packed_HW, _WITHOUT_ALPHA, out=packed_HW)
            planes[self._colour_index] = packed_HW.view(np.float32)
        cv2.merge(planes, points_HWC)

    def _with_nan_for_unusable(self, depth_HW: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        z_HW = self._scratch.array("z", depth_HW.shape)
        with np.errstate(invalid="ignore"):
            # Inf - Inf is NaN, everything else is 0: three times as fast as masks.
            np.subtract(depth_HW, depth_HW, out=z_HW)
            np.add(z_HW, depth_HW, out=z_HW)
            if np.fmin.reduce(z_HW, axis=None) <= 0.0:
                z_HW[z_HW <= 0.0] = np.nan
        return z_HW


def default_stride(camera: CameraModel) -> int:
    """Return the smallest stride that gives at most ``MAX_POINTS`` points of a camera's image."""
    return max(1, math.ceil(math.sqrt(camera.width * camera.height / MAX_POINTS)))


def finite_points(cloud: PointCloudData) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8] | None]:
    """Return the points of a cloud that have a place: (N, 3) float32 [m] and their RGB (N, 3) uint8, None without
    colour."""
    points_NC = np.frombuffer(cloud.data, np.float32).reshape(-1, cloud.point_step // 4)
    points_NC = points_NC[np.isfinite(points_NC[:, 2])]
    offsets = {entry.name: entry.offset for entry in cloud.fields}
    if "rgb" not in offsets:
        return points_NC[:, :3].copy(), None
    bytes_NB = points_NC.view(np.uint8).reshape(len(points_NC), cloud.point_step)
    bgr_N3 = bytes_NB[:, offsets["rgb"] : offsets["rgb"] + 3]
    return points_NC[:, :3].copy(), bgr_N3[:, ::-1].copy()


def pack_points(points_N3: npt.NDArray[np.float32], rgb_N3: npt.NDArray[np.uint8] | None = None) -> PointCloudData:
    """Return an unorganised cloud (one row, 16 bytes a point) of (N, 3) float32 points [m] and RGB (N, 3) uint8.

    All points must be finite: the cloud says that it is dense. Raises ImageError for arrays that do not fit each other.
    """
    num_points = len(points_N3)
    if points_N3.shape != (num_points, 3) or (rgb_N3 is not None and rgb_N3.shape != points_N3.shape):
        shapes = f"points {points_N3.shape}, colours {None if rgb_N3 is None else rgb_N3.shape}"
        raise ImageError(f"{shapes}; accepted: (N, 3) each")
    data = array("B", bytes(16 * num_points))
    if num_points:
        packed_N4 = np.frombuffer(data, np.float32).reshape(num_points, 4)
        packed_N4[:, :3] = points_N3
        if rgb_N3 is not None:
            packed_N4.view(np.uint8)[:, 12:15] = rgb_N3[:, ::-1]
    return PointCloudData(
        height=1,
        width=num_points,
        fields=_fields(None if rgb_N3 is None else 12),
        point_step=16,
        row_step=16 * num_points,
        data=data,
        is_dense=True,
    )


def _fields(colour_offset: int | None) -> tuple[PointField, ...]:
    xyz = tuple(PointField(name, offset) for name, offset in (("x", 0), ("y", 4), ("z", 8)))
    return xyz if colour_offset is None else (*xyz, PointField("rgb", colour_offset))


def load_open3d() -> ModuleType:
    """Return the module :mod:`depth_anything_ros.open3d_cloud`; MissingDependency if Open3D cannot be imported."""
    try:
        return importlib.import_module("depth_anything_ros.open3d_cloud")
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "open3d", "cloud") from error
    except (ImportError, OSError) as error:
        missing = MissingDependency("open3d", "cloud")
        packages = " ".join(OPEN3D_SYSTEM_PACKAGES)
        missing.msg = f"open3d is installed but does not import ({error}); on Debian and Ubuntu it needs {packages}"
        raise missing from error
