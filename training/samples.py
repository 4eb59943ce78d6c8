"""``DepthSample``: the one contract between a source of training data and everything that uses it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ImageError


@dataclass(frozen=True)
class DepthSample:
    """One image with its depth and camera.

    ``image_HW3`` is RGB uint8; ``depth_HW`` float32 metres along the optical axis, NaN where unknown and +Inf where
    sky; ``camera`` a camera without distortion for this very size; ``sky_known`` tells whether a NaN depth is known not
    to be sky (a renderer knows; a sensor that returns nothing does not). ``source`` names where it comes from.
    """

    image_HW3: NDArray[np.uint8]
    depth_HW: NDArray[np.float32]
    camera: CameraModel
    source: str
    sky_known: bool
    is_metric: bool = True

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

    @property
    def valid_HW(self) -> NDArray[np.bool_]:
        """Where the depth is a finite number of metres above zero."""
        return np.isfinite(self.depth_HW) & (self.depth_HW > 0)
