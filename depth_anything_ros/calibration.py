"""What a calibration says, read from a ``sensor_msgs/CameraInfo`` or a calibration YAML: plain numbers, checked.

:mod:`depth_anything_ros.camera` builds its :class:`~depth_anything_ros.camera.CameraModel` from the results. Messages
are duck-typed: ROS 2 (``k d r p``), ROS 1 (``K D R P``) and any object with these attributes are alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from .errors import CameraError

UNDISTORTED = "none"
PLUMB_BOB = "plumb_bob"
RATIONAL = "rational_polynomial"
EQUIDISTANT = "equidistant"

# Lengths OpenCV takes. Its polynomial model is one family: plumb_bob is rational_polynomial with its last terms at
# zero.
_POLYNOMIAL_LENGTHS = (4, 5, 8, 12, 14)
_EQUIDISTANT_LENGTH = 4
_MODEL_NAMES = {
    "": UNDISTORTED,
    "none": UNDISTORTED,
    "plumb_bob": PLUMB_BOB,
    "radtan": PLUMB_BOB,
    # librealsense's names. "Modified" differs from plumb_bob by products of radial and tangential terms, less than a
    # calibration resolves; "inverse" is another function and therefore absent.
    "brown_conrady": PLUMB_BOB,
    "modified_brown_conrady": PLUMB_BOB,
    "rational_polynomial": RATIONAL,
    "equidistant": EQUIDISTANT,
    "fisheye": EQUIDISTANT,
    "kannala_brandt4": EQUIDISTANT,
}
_ACCEPTED = "plumb_bob, rational_polynomial, equidistant"


def normalise_distortion(model: str, coefficients: Sequence[float]) -> tuple[str, tuple[float, ...]]:
    """Return the model's name and its coefficients in their shortest accepted length.

    plumb_bob has 5 (k1 k2 p1 p2 k3), rational_polynomial 8, 12 or 14 (OpenCV's order), equidistant 4 (k1 to k4). A
    polynomial model without a non-zero coefficient is ``("none", ())``. Zero coefficients leave an equidistant lens a
    fisheye, so they stay. Raises CameraError for an unknown model with coefficients, a wrong number of them, or one
    that is not finite.
    """
    values = tuple(float(c) for c in coefficients)
    if not all(math.isfinite(c) for c in values):
        raise CameraError(f"distortion coefficients D = {list(values)} are not all finite numbers")
    name = _MODEL_NAMES.get(model.strip().lower().replace(" ", "_").replace("-", "_"))
    used = max((i + 1 for i, c in enumerate(values) if c != 0.0), default=0)
    if name == EQUIDISTANT:
        if len(values) < _EQUIDISTANT_LENGTH or used > _EQUIDISTANT_LENGTH:
            raise CameraError(f"distortion model 'equidistant' takes 4 coefficients, D has {len(values)}")
        return EQUIDISTANT, values[:_EQUIDISTANT_LENGTH]
    if used == 0:
        return UNDISTORTED, ()
    if name is None or name == UNDISTORTED:
        raise CameraError(f"distortion model {model!r} with D = {list(values)} is unknown; accepted: {_ACCEPTED}")
    if len(values) not in _POLYNOMIAL_LENGTHS:
        raise CameraError(f"distortion model {name!r} takes 4, 5, 8, 12 or 14 coefficients, D has {len(values)}")
    length = min(n for n in _POLYNOMIAL_LENGTHS[1:] if n >= used)
    padded = (*values, 0.0) if len(values) < length else values[:length]
    return (PLUMB_BOB if length == 5 else RATIONAL), padded


def read_camera_info(info: Any, *, rectified: bool) -> dict[str, Any]:
    """Return the keyword arguments of the CameraModel of the image that travels with `info`.

    A raw image is described by K and D, a rectified one by P. The region of interest is subtracted first, then
    everything is divided by the binning, in the order and without the half-pixel term that CameraInfo prescribes.
    Raises CameraError.
    """
    K = _matrix(info, "k", 9)
    if K[0] == 0.0:
        raise CameraError("the camera is uncalibrated: K[0] = 0 in camera_info; calibrate it or give a calibration")
    if rectified:
        P = _matrix(info, "p", 12)
        if P[0] == 0.0:
            raise CameraError("P[0] = 0 in camera_info: it does not describe a rectified image; take the image as raw")
        fx, skew, cx, fy, cy, last_row = P[0], P[1], P[2], P[5], P[6], P[8:11]
        model = UNDISTORTED
        D: tuple[float, ...] = ()
    else:
        fx, skew, cx, fy, cy, last_row = K[0], K[1], K[2], K[4], K[5], K[6:9]
        model, D = _distortion(info)
    matrix = "P" if rectified else "K"
    if last_row != [0.0, 0.0, 1.0]:
        raise CameraError(f"the last row of {matrix} in camera_info is {last_row}, not [0, 0, 1] (row-major order)")
    if abs(skew) > 1e-6 * abs(fx):
        raise CameraError(f"{matrix}[1] = {skew} in camera_info is a skew; only cameras without skew are accepted")
    x, y, width, height = _region(info)
    bin_x, bin_y = (_count(info, name) or 1 for name in ("binning_x", "binning_y"))
    return {
        "width": width // bin_x,
        "height": height // bin_y,
        "fx": fx / bin_x,
        "fy": fy / bin_y,
        "cx": (cx - x) / bin_x,
        "cy": (cy - y) / bin_y,
        "distortion_model": model,
        "D": D,
    }


def read_calibration_yaml(path: Path) -> SimpleNamespace:
    """Return a CameraInfo-like object from a YAML file as ROS's camera_calibration writes it. Raises CameraError."""
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CameraError(f"calibration file {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise CameraError(f"calibration file {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, Mapping):
        raise CameraError(f"calibration file {path} has no camera_matrix; accepted: YAML of ROS camera_calibration")

    def data(key: str, default: list[float] | None = None) -> list[float]:
        block = content.get(key, default)
        values = block.get("data") if isinstance(block, Mapping) else block
        if not isinstance(values, list):
            raise CameraError(f"calibration file {path} has no list {key}.data")
        return values

    return SimpleNamespace(
        width=content.get("image_width"),
        height=content.get("image_height"),
        distortion_model=str(content.get("distortion_model") or PLUMB_BOB),
        d=data("distortion_coefficients", []),
        k=data("camera_matrix"),
        p=data("projection_matrix", [0.0] * 12),
    )


def _distortion(info: Any) -> tuple[str, tuple[float, ...]]:
    values = _floats(info, "d")
    # In a message zeros say "no distortion" whatever the model's name: drivers leave them beside images they rectified.
    if all(c == 0.0 for c in values):
        return UNDISTORTED, ()
    return normalise_distortion(str(getattr(info, "distortion_model", "")), values)


def _region(info: Any) -> tuple[int, int, int, int]:
    full_width, full_height = _count(info, "width"), _count(info, "height")
    roi = getattr(info, "roi", None)
    if roi is None:
        return 0, 0, full_width, full_height
    x, y, width, height = (_count(roi, name) for name in ("x_offset", "y_offset", "width", "height"))
    if not (x or y or width or height):
        return 0, 0, full_width, full_height
    if width == 0 or height == 0 or x + width > full_width or y + height > full_height:
        raise CameraError(
            f"camera_info's roi {width}x{height} at ({x}, {y}) is not a part of its {full_width}x{full_height} image"
        )
    return x, y, width, height


def _matrix(info: Any, name: str, length: int) -> list[float]:
    values = _floats(info, name)
    if len(values) != length:
        raise CameraError(f"{name.upper()} in camera_info has {len(values)} numbers, not {length}")
    if not all(math.isfinite(v) for v in values):
        raise CameraError(f"{name.upper()} in camera_info holds a value that is not a finite number: {values}")
    return values


def _floats(info: Any, name: str) -> list[float]:
    values = getattr(info, name, None)
    if values is None:
        values = getattr(info, name.upper(), None)
    if values is None:
        raise CameraError(f"camera_info has no field {name!r}")
    try:
        return [float(v) for v in values]
    except (TypeError, ValueError) as error:
        raise CameraError(f"{name.upper()} in camera_info is not a list of numbers: {values!r}") from error


def _count(message: Any, name: str) -> int:
    value = getattr(message, name, 0)
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise CameraError(f"{name} in camera_info is {value!r}, not a whole number") from error
    if count < 0 or count != value:
        raise CameraError(f"{name} in camera_info is {value!r}, not a whole number of pixels")
    return count
