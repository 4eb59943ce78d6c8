"""``plane:``, an engine without weights: the exact depth of one plane, whatever the image shows.

It is there for geometry tests and camera checks only: it does not look at the image. Its depth is already in metres of
the camera, so no focal length is applied to it. An engine sees pixels and no intrinsics; where the plane is tilted, the
fields of view are therefore options.
"""

from __future__ import annotations

import math
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from ..engine import EngineInfo, check_images
from ..errors import ConfigError, EngineError
from ..spec import EngineSpec, Licence, ResizeRule

DESCRIPTION = "an exact plane that ignores the image: for geometry tests and camera checks only"
_WALL = ("z",)
_GROUND = ("height", "pitch", "hfov", "vfov")
_SYNTAX = "'plane:z=2.0' (wall at 2 m) or 'plane:height=1.2,pitch=10,hfov=60,vfov=47' (ground; metres and degrees)"


class PlaneEngine:
    """A ``DepthEngine``: a wall parallel to the image (``z``), or the ground under a camera.

    Parameters
    ----------
    z_m: distance of the wall along the optical axis [m]; None for the ground.
    height_m, pitch_deg: height of the camera over the ground [m], and how far it looks down [deg].
    hfov_deg, vfov_deg: fields of view of the whole image [deg], principal point in its middle; ``vfov_deg`` None means
        square pixels at the network's size. Sky and all else above the horizon is +Inf.
    """

    def __init__(
        self,
        *,
        z_m: float | None = 2.0,
        height_m: float = 1.2,
        pitch_deg: float = 0.0,
        hfov_deg: float = 60.0,
        vfov_deg: float | None = None,
    ) -> None:
        self._z_m = z_m
        self._height_m = height_m
        self._pitch_rad = math.radians(pitch_deg)
        self._hfov_rad = math.radians(hfov_deg)
        self._vfov_rad = None if vfov_deg is None else math.radians(vfov_deg)
        self._closed = False
        self.spec = EngineSpec(
            name="plane",
            description=DESCRIPTION,
            artifact="",
            artifact_sha256="",
            resize=ResizeRule(kind="long_side", side=518),
            max_batch=16,
            meaning="metric_fixed",
            min_depth_m=0.01,
            max_depth_m=1000.0,
            licence=Licence(id="Apache-2.0", category="permissive", source="no weights"),
        )
        self.info = EngineInfo(
            engine="plane",
            precision="exact",
            device="CPU",
            reason="asked for",
            version=f"numpy {np.__version__}",
            notes=(DESCRIPTION,),
        )

    def infer(self, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Depth (n, h, w) of the plane in metres; see ``DepthEngine.infer``."""
        if self._closed:
            raise EngineError("plane is closed")
        check_images(images_nhw3, self.spec)
        n, h, w = images_nhw3.shape[:3]
        if self._z_m is not None:
            return np.full((n, h, w), self._z_m, dtype=np.float32)
        return np.repeat(self._ground(h, w)[None], n, axis=0)

    def close(self) -> None:
        """No frame is taken after this."""
        self._closed = True

    def __enter__(self) -> PlaneEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ground(self, h: int, w: int) -> NDArray[np.float32]:
        """Depth (h, w) of the ground: the ray (x, y, 1) falls y cos(pitch) + sin(pitch) for every metre of depth."""
        focal_y = w / 2 / math.tan(self._hfov_rad / 2)
        if self._vfov_rad is not None:
            focal_y = h / 2 / math.tan(self._vfov_rad / 2)
        y_h = (np.arange(h) - (h - 1) / 2) / focal_y
        fall_h = y_h * math.cos(self._pitch_rad) + math.sin(self._pitch_rad)
        depth_h = np.full(h, np.inf)
        np.divide(self._height_m, fall_h, out=depth_h, where=fall_h > 1e-9)
        return np.repeat(depth_h.astype(np.float32)[:, None], w, axis=1)


def open_plane(options: str) -> PlaneEngine:
    """The engine for the text after ``plane:``; nothing means a wall at 2 m. Raises ConfigError for other text."""
    values: dict[str, float] = {}
    for item in filter(None, options.split(",")):
        key, _, text = item.partition("=")
        if key not in (*_WALL, *_GROUND) or key in values:
            raise ConfigError(f"plane option {item!r} is unknown or given twice; accepted: {_SYNTAX}")
        try:
            values[key] = float(text)
        except ValueError:
            raise ConfigError(f"plane option {item!r} is no number; accepted: {_SYNTAX}") from None
    is_wall, is_ground = set(values) <= set(_WALL), set(values) <= set(_GROUND) and "height" in values
    if not (is_wall or is_ground):
        raise ConfigError(f"plane options {options!r} describe neither a wall nor a ground; accepted: {_SYNTAX}")
    for key, value in values.items():
        low, high = {"pitch": (-90.0, 90.0), "hfov": (0.0, 180.0), "vfov": (0.0, 180.0)}.get(key, (0.0, math.inf))
        if not low < value < high:
            raise ConfigError(f"plane option {key}={value:g} is out of range; accepted: between {low:g} and {high:g}")
    if "height" not in values:
        return PlaneEngine(z_m=values.get("z", 2.0))
    return PlaneEngine(
        z_m=None,
        height_m=values["height"],
        pitch_deg=values.get("pitch", 0.0),
        hfov_deg=values.get("hfov", 60.0),
        vfov_deg=values.get("vfov"),
    )
