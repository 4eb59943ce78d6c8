"""CameraModel: the intrinsics of one image as it was delivered, and how they move when the image is resized or cut.

Pixel coordinates are those of ROS and OpenCV: the centre of the first pixel is (0, 0), u to the right, v down; the
optical frame has x right, y down, z forward.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .calibration import UNDISTORTED, normalise_distortion, read_calibration_yaml, read_camera_info
from .errors import CameraError

ASSUMED_HFOV_DEG = 60.0


@dataclass(frozen=True)
class CameraModel:
    """Pinhole intrinsics with lens distortion; hashable, so that ray grids and maps are cached by it.

    Parameters
    ----------
    width, height: size of the image [px].
    fx, fy, cx, cy: focal lengths and principal point [px].
    distortion_model: none, plumb_bob, rational_polynomial or equidistant.
    D: its coefficients in the order of CameraInfo; empty for none.

    Raises CameraError for a size below 1, a focal length that is not positive, any number that is not finite, an
    unknown model or a wrong number of coefficients.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = UNDISTORTED
    D: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, operator.index(value))
            except TypeError:
                raise CameraError(f"camera {name} is {value!r}, not a whole number of pixels") from None
            if value < 1:
                raise CameraError(f"camera {name} is {value}; a camera has at least 1 pixel each way")
        for name in ("fx", "fy", "cx", "cy"):
            value = float(getattr(self, name))
            object.__setattr__(self, name, value)
            if not math.isfinite(value):
                raise CameraError(f"camera {name} is {value}, not a finite number")
        if self.fx <= 0.0 or self.fy <= 0.0:
            raise CameraError(f"camera focal lengths fx = {self.fx}, fy = {self.fy} must be positive")
        model, D = normalise_distortion(self.distortion_model, self.D)
        object.__setattr__(self, "distortion_model", model)
        object.__setattr__(self, "D", D)

    @classmethod
    def from_camera_info(cls, info: Any, *, rectified: bool = False) -> CameraModel:
        """Return the camera of the image delivered with a CameraInfo message (ROS 1, ROS 2 or look-alike).

        `rectified` says what the image is: a raw image takes K and D, a rectified one P. Binning and region of
        interest are applied, so width and height are those of the image itself. Raises CameraError: uncalibrated (K[0]
        = 0), NaN, a distortion model that is not known.
        """
        return cls(**read_camera_info(info, rectified=rectified))

    @classmethod
    def from_yaml(cls, path: str | Path, *, rectified: bool = False) -> CameraModel:
        """Return the camera of a calibration YAML as ROS's camera_calibration writes it. Raises CameraError."""
        info = read_calibration_yaml(Path(path))
        try:
            return cls.from_camera_info(info, rectified=rectified)
        except CameraError as error:
            raise CameraError(f"calibration file {path}: {error}") from error

    @classmethod
    def with_assumed_fov(cls, width: int, height: int, hfov_deg: float = ASSUMED_HFOV_DEG) -> CameraModel:
        """Return a centred camera with square pixels and the given horizontal field of view [deg]: an assumption, for
        images that come without any calibration. Depth made with it has the shape of the scene but not its scale."""
        if not 0.0 < hfov_deg < 180.0:
            raise CameraError(f"assumed horizontal field of view is {hfov_deg} deg; accepted: above 0, below 180")
        focal = width / 2.0 / math.tan(math.radians(hfov_deg) / 2.0)
        return cls(width, height, focal, focal, (width - 1) / 2.0, (height - 1) / 2.0)

    @property
    def K(self) -> npt.NDArray[np.float64]:
        """(3, 3) intrinsic matrix [px]."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def is_distorted(self) -> bool:
        """Whether the image must be rectified before a pinhole formula holds for it."""
        return self.distortion_model != UNDISTORTED

    @property
    def focal_px(self) -> float:
        """Mean of fx and fy [px]: the focal length that metric scale is computed with."""
        return (self.fx + self.fy) / 2.0

    @property
    def hfov_deg(self) -> float:
        """Horizontal field of view from the left edge to the right edge [deg], without regard to distortion."""
        return _fov_deg(self.width, self.fx, self.cx)

    @property
    def vfov_deg(self) -> float:
        """Vertical field of view from the upper edge to the lower edge [deg], without regard to distortion."""
        return _fov_deg(self.height, self.fy, self.cy)

    def scaled_to(self, *, width: int, height: int) -> CameraModel:
        """Return the camera of the whole image resized to width x height [px], pixel areas kept aligned (half-pixel
        rule).

        Distortion acts on normalised coordinates, so D stays.
        """
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def cropped(self, *, x: int, y: int, width: int, height: int) -> CameraModel:
        """Return the camera of the part of width x height whose first pixel is (x, y).

        Raises CameraError outside the image.
        """
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > self.width or y + height > self.height:
            size = f"{self.width}x{self.height}"
            raise CameraError(f"crop {width}x{height} at ({x}, {y}) is not a part of the {size} image")
        return replace(self, width=width, height=height, cx=self.cx - x, cy=self.cy - y)

    def flipped_horizontally(self) -> CameraModel:
        """Return the camera of the mirrored image. Raises CameraError for a distorted camera: rectify first."""
        self.require_undistorted("mirroring")
        return replace(self, cx=self.width - 1 - self.cx)

    def undistorted(self) -> CameraModel:
        """Return the pinhole camera that a rectified image belongs to: the same size and K, no distortion."""
        return replace(self, distortion_model=UNDISTORTED, D=())

    def check_image(self, width: int, height: int) -> None:
        """Raise CameraError unless an image of width x height [px] is of this camera's size."""
        if (width, height) != (self.width, self.height):
            raise CameraError(f"the image is {width}x{height} but its camera is {self.width}x{self.height}")

    def require_undistorted(self, what: str) -> None:
        """Raise CameraError, naming `what` was asked, if this camera has lens distortion: it is never ignored."""
        if self.is_distorted:
            raise CameraError(f"{what} needs a rectified image, this camera has {self.distortion_model} distortion")

    def to_info_fields(self) -> dict[str, Any]:
        """Return width, height, distortion_model, d, k, r, p as a CameraInfo message of this image holds them.

        Without distortion that is plumb_bob with five zeros, as image_geometry expects of a rectified image.
        """
        fx, fy, cx, cy = self.fx, self.fy, self.cx, self.cy
        return {
            "width": self.width,
            "height": self.height,
            "distortion_model": self.distortion_model if self.is_distorted else "plumb_bob",
            "d": list(self.D) if self.is_distorted else [0.0] * 5,
            "k": [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
            "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            "p": [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        }


def _fov_deg(size: int, focal: float, centre: float) -> float:
    return math.degrees(math.atan((centre + 0.5) / focal) + math.atan((size - 0.5 - centre) / focal))
