"""What a recording gives, frame by frame: an image with what is known of it, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .camera import CameraModel
from .depth_frame import CameraFrame
from .errors import CameraError

# Causes of dropped frames.
CORRUPT_IMAGE = "corrupt image"
OTHER_SIZE = "image size differs from its camera's"
UNDECODABLE_MESSAGE = "undecodable message"
UNSUPPORTED_ENCODING = "unsupported encoding"


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One frame of a recording.

    Parameters
    ----------
    frame: image, camera, stamp and frame id.
    index: position among all images of the recording, dropped ones included; from 0.
    name: unique in the recording and fit for a file name.
    reference_HW: (H, W) float32 depth registered to the image as recorded [m], NaN unknown; None if there is none. It
        lies on the raw image: rectify it with the image if the camera is distorted.
    """

    frame: CameraFrame
    index: int
    name: str
    reference_HW: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class DroppedFrame:
    """A frame that could not be used.

    Parameters
    ----------
    index: position among all images of the recording, from 0.
    stamp_ns: time of acquisition, of recording if that is unknown [ns].
    cause: short and the same for all frames of one kind, to count by; one of this module's constants.
    detail: what exactly was wrong with this one.
    """

    index: int
    stamp_ns: int
    cause: str
    detail: str


def check_calibration(camera: CameraModel, name: str, width: int, height: int) -> None:
    """Raise CameraError, naming the calibration file, unless its camera is of the images' size [px]."""
    try:
        camera.check_image(width, height)
    except CameraError as error:
        raise CameraError(f"calibration file {name}: {error}") from error


@runtime_checkable
class Source(Protocol):
    """A recording, opened; it can be iterated over more than once. A context manager.

    ``description`` says what it is, ``camera_note`` where the intrinsics come from or why there are none,
    ``num_frames`` how many images there should be (None if unknown), ``notes`` what else the user should know; the
    notes grow while frames are read.
    """

    description: str
    num_frames: int | None
    camera_note: str
    notes: list[str]

    def __iter__(self) -> Iterator[SourceFrame | DroppedFrame]: ...

    def __enter__(self) -> Source: ...

    def __exit__(self, *exc_info: object) -> None: ...

    def close(self) -> None:
        """Release files; the source cannot be read afterwards."""
