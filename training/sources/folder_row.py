"""``Row``: what a manifest, or the options of a folder, say about one frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, SourceError

from ..config_tree import nearest
from ..samples import QUANTITIES


@dataclass(frozen=True)
class Row:
    """One frame; see ``folder.open_samples`` for what the values mean."""

    image: str
    depth: str
    quantity: str = "depth"
    metric: bool = True
    depth_scale: float = 0.0
    invalid: float = 0.0
    sky_from_m: float = 0.0
    fx: float = 0.0
    fy: float = 0.0
    cx: float = -1.0
    cy: float = -1.0
    hfov_deg: float = 0.0
    K: tuple[float, ...] = ()
    D: tuple[float, ...] = ()
    distortion_model: str = "plumb_bob"
    mask: str = ""
    sky_mask: str = ""

    @property
    def camera_known(self) -> bool:
        """Whether there are intrinsics or a field of view."""
        return self.fx > 0 or bool(self.K) or self.hfov_deg > 0

    def camera(self, width: int, height: int) -> CameraModel:
        """The camera of the stored image; assumed where it is not known. Raises CameraError."""
        if not self.camera_known:
            return CameraModel.with_assumed_fov(width, height)
        if self.K:
            fx, fy, cx, cy = self.K[0], self.K[4], self.K[2], self.K[5]
        elif self.fx > 0:
            fx, fy = self.fx, self.fy or self.fx
            cx = (width - 1) / 2 if self.cx < 0 else self.cx
            cy = (height - 1) / 2 if self.cy < 0 else self.cy
        else:
            return CameraModel.with_assumed_fov(width, height, self.hfov_deg)
        model = self.distortion_model if any(self.D) else "none"
        return CameraModel(width, height, fx, fy, cx, cy, model, self.D if any(self.D) else ())


_NAMES = tuple(field.name for field in fields(Row))
_INTRINSICS = ("fx", "fy", "cx", "cy")
_NUMBERS = tuple(field.name for field in fields(Row) if field.type == "float")


def parse_row(values: dict[str, Any], place: str, defaults: dict[str, Any] | None = None) -> Row:
    """The row of a mapping of JSON values or of texts, over ``defaults``; what it says of its camera in one way takes
    the place of what they say in the other. Raises SourceError, naming ``place``.
    """
    defaults = dict(defaults or {})
    if "hfov_deg" in values:
        defaults = {name: value for name, value in defaults.items() if name not in _INTRINSICS}
    elif "fx" in values or "K" in values:
        defaults.pop("hfov_deg", None)
    values = {**defaults, **values}
    parsed: dict[str, Any] = {}
    for name, value in values.items():
        if name not in _NAMES:
            raise SourceError(f"{place}: column {name!r}; {nearest(str(name), list(_NAMES))}")
        if name in _NUMBERS:
            parsed[name] = _number(value, name, place)
        elif name in ("K", "D"):
            parsed[name] = _numbers(value, name, place)
        elif name == "metric":
            parsed[name] = _flag(value, place)
        elif isinstance(value, str):
            parsed[name] = value
        else:
            raise SourceError(f"{place}: {name} {value!r}; a text is expected")
    missing = [name for name in ("image", "depth") if name not in parsed]
    if missing:
        raise SourceError(f"{place}: no {' and no '.join(missing)}; both are expected")
    row = Row(**parsed)
    if row.quantity not in QUANTITIES:
        raise SourceError(f"{place}: quantity {row.quantity!r}; {' or '.join(QUANTITIES)} is accepted")
    for name in ("depth_scale", "sky_from_m", "fx", "fy", "hfov_deg"):
        if getattr(row, name) < 0:
            raise SourceError(f"{place}: {name} {getattr(row, name)}; a number from 0 is accepted")
    if len(row.K) not in (0, 9):
        raise SourceError(f"{place}: K of {len(row.K)} numbers; 9 (row by row) are accepted")
    if row.hfov_deg > 0 and (row.fx > 0 or row.K):
        given = "K" if row.K else f"fx {row.fx:g}"
        raise SourceError(f"{place}: hfov_deg {row.hfov_deg:g} beside {given}; one of the two is accepted")
    try:
        row.camera(640, 480)
    except CameraError as error:
        raise SourceError(f"{place}: {error}") from None
    return row


def _number(value: Any, name: str, place: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise SourceError(f"{place}: {name} {value!r}; a finite number is expected")
    return number


def _numbers(value: Any, name: str, place: str) -> tuple[float, ...]:
    items = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(items, (list, tuple)):
        raise SourceError(f"{place}: {name} {value!r}; a list of numbers is expected")
    return tuple(_number(item, name, place) for item in items)


def _flag(value: Any, place: str) -> bool:
    flag = {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())
    if flag is None:
        raise SourceError(f"{place}: metric {value!r}; true or false is accepted")
    return flag
