"""The two things that pass through the pipeline: a camera's frame in, a depth frame out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from .camera import CameraModel
from .errors import ImageError


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One image as a camera delivered it.

    Parameters
    ----------
    image_HW3: (H, W, 3) uint8 RGB; may be a read-only view of the message's bytes.
    camera: its intrinsics at H x W, distorted if the image is raw; None if nothing is known of the camera.
    stamp_ns: time of acquisition [ns].
    frame_id: the camera's optical frame.

    Raises ImageError for another type or shape, CameraError if the camera is of another size.
    """

    image_HW3: npt.NDArray[np.uint8]
    camera: CameraModel | None
    stamp_ns: int
    frame_id: str

    def __post_init__(self) -> None:
        _check_rgb(self.image_HW3)
        if self.camera is not None:
            self.camera.check_image(self.image_HW3.shape[1], self.image_HW3.shape[0])


@dataclass(frozen=True, eq=False)
class DepthFrame:
    """The depth of one frame, with the image and the camera it belongs to, all of one size.

    Parameters
    ----------
    depth_HW: (H, W) float32 planar z in the optical frame [m]; NaN unknown, +Inf beyond range or sky, -Inf too near.
    image_HW3: (H, W, 3) uint8 RGB that the depth lies on: the rectified one if the raw image was distorted.
    camera: the pinhole camera of both; None if nothing is known of the camera.
    stamp_ns, frame_id: those of the camera's frame.
    timings_ms: time spent per stage [ms].
    assumed_camera: the metres rest on an assumed field of view, not on a calibration.

    Raises ImageError if types or sizes differ from this, CameraError for a camera of another size or with distortion.
    """

    depth_HW: npt.NDArray[np.float32]
    image_HW3: npt.NDArray[np.uint8]
    camera: CameraModel | None
    stamp_ns: int
    frame_id: str
    timings_ms: dict[str, float] = field(default_factory=dict)
    assumed_camera: bool = False

    def __post_init__(self) -> None:
        _check_rgb(self.image_HW3)
        if self.depth_HW.dtype != np.float32 or self.depth_HW.shape != self.image_HW3.shape[:2]:
            raise ImageError(
                f"depth is {self.depth_HW.dtype} of shape {self.depth_HW.shape};"
                f" accepted: float32 {self.image_HW3.shape[:2]}, as its image"
            )
        if self.camera is not None:
            self.camera.check_image(self.depth_HW.shape[1], self.depth_HW.shape[0])
            self.camera.require_undistorted("a depth frame")


def _check_rgb(image_HW3: npt.NDArray[np.uint8]) -> None:
    if image_HW3.dtype != np.uint8 or image_HW3.ndim != 3 or image_HW3.shape[2] != 3 or image_HW3.size == 0:
        raise ImageError(f"image is {image_HW3.dtype} of shape {image_HW3.shape}; accepted: uint8 (H, W, 3) RGB")
