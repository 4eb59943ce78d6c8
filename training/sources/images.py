"""Pictures and float maps of data sets, read as they are stored: PNG, JPEG, PFM, OpenEXR."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import SourceError
from depth_anything_ros.media import read_image

EXR_SWITCH = "OPENCV_IO_ENABLE_OPENEXR"


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return the image (H, W, 3), RGB, not turned by its orientation tag: depth and intrinsics are those of the stored
    pixels. Raises ImageError, naming the file, for one that is absent, truncated or no image.
    """
    return read_image(path, upright=False)


def read_map(path: Path, *, channel: int | None = None) -> NDArray[Any]:
    """Return one channel (H, W) of a PNG, PFM or EXR file, in the type that it is stored in (uint8, uint16, float32).

    ``channel`` says which to take where there are several, in the order RGB(A); without it there must be one alone.
    The first row is the upper one, also of a PFM file. Raises SourceError, naming the file.
    """
    if not path.is_file():
        raise SourceError(f"{path}: no such file")
    if path.suffix.lower() == ".exr":
        # OpenCV looks once, when it meets the first EXR file.
        os.environ.setdefault(EXR_SWITCH, "1")
    try:
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        stored = None
    if stored is None:
        raise SourceError(f"{path}: OpenCV {cv2.__version__} cannot decode it{_exr_hint(path)}")
    if stored.ndim == 2:
        return np.asarray(stored)
    if channel is None or channel >= stored.shape[2]:
        wanted = "1 is accepted" if channel is None else f"there is no channel {channel}"
        raise SourceError(f"{path}: {stored.shape[2]} channels; {wanted}")
    return np.ascontiguousarray(stored[..., (2, 1, 0, 3)[channel]])


def _exr_hint(path: Path) -> str:
    if path.suffix.lower() != ".exr":
        return ""
    return f"; it needs OpenEXR in its build, and {EXR_SWITCH}=1 before the program opens its first EXR file"
