"""``DepthSample``: the one contract between a source of training data and everything that uses it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ImageError

QUANTITIES = ("depth", "disparity")


@dataclass(frozen=True)
class DepthSample:
    """One image with its depth and camera."""

    image_HW3: NDArray[np.uint8]
    """RGB."""
    depth_HW: NDArray[np.float32]
    """Where ``quantity`` is depth: along the optical axis, in metres (in any unit where not ``is_metric``), NaN where
    unknown and +Inf where sky. Where it is disparity: larger is nearer, up to scale and shift, NaN where unknown."""
    camera: CameraModel
    """Without distortion, for this very size; where not ``camera_known``, assumed, and used by augmentation alone."""
    source: str
    """Where the sample comes from: data set and frame."""
    sky_known: bool
    """Whether a depth that is not +Inf is known not to be sky (a renderer knows; a sensor that returns nothing does
    not). False leaves every pixel without a measurement out of the sky loss."""
    is_metric: bool = True
    quantity: str = "depth"
    camera_known: bool = True

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        if self.image_HW3.shape != (*size, 3) or self.image_HW3.dtype != np.uint8:
            raise ImageError(
                f"{self.source}: image {self.image_HW3.shape} {self.image_HW3.dtype}, uint8 {(*size, 3)} is accepted"
            )
        if self.depth_HW.shape != size or self.depth_HW.dtype != np.float32:
            raise ImageError(
                f"{self.source}: depth {self.depth_HW.shape} {self.depth_HW.dtype}, float32 {size} is accepted"
            )
        if self.camera.is_distorted:
            raise ImageError(f"{self.source}: a distorted camera; rectify the sample first")
        if self.quantity not in QUANTITIES:
            raise ImageError(f"{self.source}: quantity {self.quantity!r}; {' or '.join(QUANTITIES)} is accepted")
        if self.is_metric and (self.quantity != "depth" or not self.camera_known):
            raise ImageError(f"{self.source}: metric depth needs quantity depth and a known camera")

    def replace(self, **changes: Any) -> DepthSample:
        """A copy with other pixels, depth or camera."""
        return dataclasses.replace(self, **changes)

    @property
    def valid_HW(self) -> NDArray[np.bool_]:
        """Where there is a finite depth above zero, or a finite disparity."""
        finite = np.isfinite(self.depth_HW)
        return finite & (self.depth_HW > 0) if self.quantity == "depth" else finite

    @property
    def sky_HW(self) -> NDArray[np.bool_] | None:
        """Where there is sky; None where the source does not tell sky from no measurement."""
        return np.isposinf(self.depth_HW) if self.sky_known else None

    @property
    def disparity_HW(self) -> NDArray[np.float32]:
        """1 / depth with 0 where sky (Depth Anything's rule), or the disparity as it is; NaN where unknown."""
        if self.quantity == "disparity":
            return self.depth_HW
        with np.errstate(divide="ignore", invalid="ignore"):
            disparity = np.where(self.depth_HW > 0, np.float32(1) / self.depth_HW, np.float32("nan"))
        return np.asarray(disparity, np.float32)


class SampleSource(Protocol):
    """Samples by position, in a stable order; safe to read from several threads and to send to another process."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> DepthSample: ...
