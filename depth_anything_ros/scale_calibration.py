"""ScaleCalibration: what ``calibrate-scale`` measured, in a YAML file that ``run`` and the node take."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from .camera import CameraModel
from .errors import ConfigError
from .scale import network_focal_px
from .spec import EngineSpec

FORMAT_VERSION = 1
METRES = "metres"
QUANTITIES = (METRES, "depth", "disparity")
FOCAL_TOLERANCE = 0.02
"""A focal length at the network that differs by more is said to be another camera's."""
# Nothing is as near or as far as this or its inverse, and both are float32 numbers.
_TINY = np.float32(1e-30)


@dataclass(frozen=True, kw_only=True)
class ScaleCalibration:
    """How one network's output becomes metres of one camera, and on what evidence.

    A metric network's metres are multiplied by ``scale``. A relative network's output x gives the quantity
    ``scale`` x + ``shift``: depth [m] or disparity [1/m]. Raises ConfigError where a value is not acceptable.
    """

    format_version: int = FORMAT_VERSION
    network: str
    """Name of the network."""
    artifact_sha256: str
    """Hash of its file; "" for an engine without weights."""
    quantity: str
    """What ``scale`` makes: metres, of a metric network; depth or disparity, of a relative one."""
    scale: float
    shift: float = 0.0
    camera_width: int
    camera_height: int
    camera_fx: float
    camera_fy: float
    """Size and focal lengths of the (rectified) images that it was measured with [px]."""
    network_width: int
    network_height: int
    """Size of the network's input then [px]."""
    reference: str
    """What it was compared with."""
    method: str
    num_frames: int
    num_pixels: int
    abs_rel: float
    """Mean over the frames of abs(metres - reference) / reference, after the fit."""
    abs_rel_before: float | None = None
    """The same without the calibration; None for a relative network, which had no metres."""
    frame_spread: float
    """By how much the frames disagree: standard deviation of the logarithm of the scale that fits each alone."""
    date: str

    def __post_init__(self) -> None:
        _require(self.quantity in QUANTITIES, "quantity", self.quantity, ", ".join(QUANTITIES))
        _require(0.0 < self.scale < math.inf, "scale", self.scale, "a positive number")
        is_shifted = math.isfinite(self.shift) and (self.shift == 0.0 or self.quantity != METRES)
        _require(is_shifted, "shift", self.shift, "a finite number; 0 for a metric network")
        fits = re.fullmatch(r"([0-9a-f]{64})?", self.artifact_sha256) is not None
        _require(fits, "artifact_sha256", self.artifact_sha256, "64 hexadecimal digits, or none")
        for name in ("camera_width", "camera_height", "network_width", "network_height"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1 pixel")
        for name in ("camera_fx", "camera_fy"):
            _require(0.0 < getattr(self, name) < math.inf, name, getattr(self, name), "a positive number of pixels")
        for name in ("num_frames", "num_pixels", "abs_rel", "frame_spread"):
            _require(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "a number of at least 0")
        before = self.abs_rel_before
        _require(before is None or 0 <= before < math.inf, "abs_rel_before", before, "a number of at least 0, or null")

    @property
    def is_relative(self) -> bool:
        """Whether it gives a relative network its metres."""
        return self.quantity != METRES

    @cached_property
    def network_focal_px(self) -> float:
        """Focal length of the images it was measured with, at the network [px]."""
        camera = CameraModel(self.camera_width, self.camera_height, self.camera_fx, self.camera_fy, 0.0, 0.0)
        return network_focal_px(camera, self.network_height, self.network_width)

    def require_network(self, spec: EngineSpec) -> None:
        """Raise ConfigError unless this was measured with that very network."""
        same_name = bool(spec.artifact) or spec.name == self.network
        if spec.artifact_sha256 != self.artifact_sha256 or not same_name or quantity_of(spec) != self.quantity:
            raise ConfigError(
                f"the scale calibration is of the network {self.network!r} ({self.artifact_sha256[:12] or 'no file'}),"
                f" this one is {spec.name!r} ({spec.artifact_sha256[:12] or 'no file'}); accepted: a calibration of"
                " this network (depth_anything_ros calibrate-scale)"
            )

    def camera_note(self, camera: CameraModel, size_hw: tuple[int, int]) -> str:
        """In words, that images of ``camera`` resized to (h, w) have another focal length; "" where they do not."""
        measured_px = self.network_focal_px
        found_px = network_focal_px(camera, *size_hw)
        if abs(found_px / measured_px - 1.0) <= FOCAL_TOLERANCE:
            return ""
        return (
            f"the scale calibration was measured with a focal length of {measured_px:.1f} px at the network"
            f" ({self.camera_width}x{self.camera_height} images), now it is {found_px:.1f} px"
            f" ({camera.width}x{camera.height}): its metres may not hold, calibrate this camera"
        )

    def to_metres(self, output_hw: NDArray[np.float32]) -> None:
        """Turn a relative network's output (h, w) into metres, in place.

        +Inf (sky) stays; a disparity of zero or less is farther than any range, a depth of zero or less nearer.
        """
        has_sky = np.isposinf(np.max(output_hw))
        sky_hw = np.isposinf(output_hw) if has_sky else None
        np.multiply(output_hw, np.float32(self.scale), out=output_hw)
        np.add(output_hw, np.float32(self.shift), out=output_hw)
        if self.quantity == "disparity":
            np.maximum(output_hw, _TINY, out=output_hw)
            np.reciprocal(output_hw, out=output_hw)
        if sky_hw is not None:
            output_hw[sky_hw] = np.inf

    def describe(self) -> str:
        """One line for people: the formula, what it was measured against, and how well it fits."""
        sign = "-" if self.shift < 0 else "+"
        formula = f"scale {self.scale:.4g}"
        if self.is_relative:
            formula = f"{self.quantity} = {self.scale:.4g} x {sign} {abs(self.shift):.4g}"
        before = "" if self.abs_rel_before is None else f" (before: {self.abs_rel_before:.3f})"
        frames = f"{self.num_frames} frame{'' if self.num_frames == 1 else 's'}"
        spread = f", which differ by {self.frame_spread:.1%}" if self.num_frames > 1 else ""
        return (
            f"{formula}, calibrated {self.date} against {self.reference}, {frames}{spread}; abs_rel"
            f" {self.abs_rel:.3f}{before}"
        )


def quantity_of(spec: EngineSpec) -> str:
    """What a calibration of this network makes: metres, or the quantity of a relative one."""
    return spec.quantity if spec.meaning == "relative" else METRES


def unit_calibration(spec: EngineSpec) -> ScaleCalibration | None:
    """The calibration that changes nothing, with which a relative network can be run and looked at; None for another,
    which needs none."""
    if spec.meaning != "relative":
        return None
    return ScaleCalibration(
        network=spec.name,
        artifact_sha256=spec.artifact_sha256,
        quantity=quantity_of(spec),
        scale=1.0,
        camera_width=1,
        camera_height=1,
        camera_fx=1.0,
        camera_fy=1.0,
        network_width=1,
        network_height=1,
        reference="none",
        method="none",
        num_frames=0,
        num_pixels=0,
        abs_rel=0.0,
        frame_spread=0.0,
        date="never",
    )


def calibration_to_yaml(calibration: ScaleCalibration) -> str:
    """The text of a calibration file."""
    import yaml

    text: str = yaml.safe_dump(dataclasses.asdict(calibration), sort_keys=False, allow_unicode=True, width=1000)
    return f"# Written by depth_anything_ros calibrate-scale.\n{text}"


def load_calibration(path: str | Path) -> ScaleCalibration:
    """Read a calibration file. Raises ConfigError where it is absent or says what this version does not understand."""
    import yaml

    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"scale calibration {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"scale calibration {path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        return _from_dict(data)
    except ConfigError as error:
        raise ConfigError(f"scale calibration {path}: {error}") from None


def _from_dict(data: object) -> ScaleCalibration:
    if not isinstance(data, dict):
        raise ConfigError("it is no mapping; accepted: a file that calibrate-scale wrote")
    version = data.get("format_version")
    _require(type(version) is int and version == FORMAT_VERSION, "format_version", version, str(FORMAT_VERSION))
    fields, hints = dataclasses.fields(ScaleCalibration), get_type_hints(ScaleCalibration)
    unknown = sorted(str(key) for key in data.keys() - {field.name for field in fields})
    if unknown:
        raise ConfigError(f"unknown key {unknown[0]}; accepted: {', '.join(field.name for field in fields)}")
    missing = [field.name for field in fields if field.default is dataclasses.MISSING and field.name not in data]
    if missing:
        raise ConfigError(f"the key {missing[0]} is missing")
    return ScaleCalibration(**{key: _checked(hints[key], value, key) for key, value in data.items()})


def _checked(hint: Any, value: Any, key: str) -> Any:
    if hint in (float, float | None) and type(value) in (int, float):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{key} has more than 308 digits; accepted: a number") from None
    fits = (hint in (int, str) and type(value) is hint) or (hint == float | None and value is None)
    words = {int: "a whole number", str: "text", float: "a number"}
    _require(fits, key, value, words.get(hint, "a number or null"))
    return value


def _require(condition: bool, key: str, value: object, accepted: str) -> None:
    if not condition:
        raise ConfigError(f"{key} is {value!r}; accepted: {accepted}")
