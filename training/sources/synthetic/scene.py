"""A scene: primitives, materials and lights, and the builder that generators place things with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from .materials import Material
from .primitives import BOX, FRUSTUM, PLANE, SPHERE, PrimitiveSet, pack_primitives

Option = TypeVar("Option")


@dataclass(frozen=True)
class Light:
    """One light. ``position`` [m] of a lamp, or for ``sun`` the unit direction towards it; linear ``colour``.

    ``size`` is the radius of a lamp [m], or the angular radius of the sun [rad]: it sets how soft shadows are.
    """

    position: tuple[float, float, float]
    colour: tuple[float, float, float]
    sun: bool = False
    size: float = 0.1
    shadow: bool = True


@dataclass(frozen=True)
class Sky:
    """Colours (linear RGB) of the sky at the horizon and overhead, and how cloudy it is (0..1)."""

    horizon: tuple[float, float, float]
    zenith: tuple[float, float, float]
    cloud: float
    seed: float


@dataclass(frozen=True)
class Viewpoint:
    """Where cameras of a scene may stand: box [m], eye heights [m], and optional points worth looking at."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    targets: tuple[tuple[float, float, float], ...]
    pitch_deg: tuple[float, float]
    roll_deg: float
    hfov_deg: tuple[float, float]
    aim: bool = False
    distance: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """Everything needed to render: rows of primitives, materials, lights, ambient light and where cameras may be."""

    kind: str
    seed: int
    rows: list[dict]
    materials: list[Material]
    lights: list[Light]
    ambient: tuple[float, float, float]
    sky: Sky | None
    viewpoint: Viewpoint
    packed: dict[str, PrimitiveSet] = field(default_factory=dict, compare=False)

    def primitives(self, device: str = "cpu") -> PrimitiveSet:
        """The primitives as tensors on ``device``, packed once."""
        if device not in self.packed:
            self.packed[device] = pack_primitives(self.rows, device)
        return self.packed[device]

    def inside(self, point: np.ndarray, margin: float) -> bool:
        """Whether a world point lies within ``margin`` metres of (or in) a solid."""
        for row in self.rows:
            local = np.abs(row["rotation"].T @ (point - row["centre"]))
            if row["kind"] != PLANE and bool(np.all(local <= np.asarray(row["half"]) + margin)):
                return True
        return False


class Builder:
    """Collects the primitives, materials and lights of one scene. ``rng`` is its only source of chance."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.rows: list[dict] = []
        self.materials: list[Material] = []
        self.lights: list[Light] = []

    def u(self, low: float, high: float) -> float:
        """A uniform random number."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return bool(self.rng.random() < probability)

    def count(self, low: int, high: int) -> int:
        """A uniform random integer in low..high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, *options: Option) -> Option:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def material(self, material: Material) -> int:
        """Add a material and return its number."""
        self.materials.append(material)
        return len(self.materials) - 1

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Placer:
        """A placer whose local frame is at (x, y, z) [m], turned by ``yaw`` [rad] about Z."""
        return Placer(self, np.array([x, y, z], dtype=np.float64), rotation_z(yaw))


class Placer:
    """Adds primitives given in a local frame."""

    def __init__(self, builder: Builder, origin: np.ndarray, rotation: np.ndarray) -> None:
        self.builder = builder
        self.origin = origin
        self.rotation = rotation

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Placer:
        """A placer in a frame relative to this one."""
        return Placer(self.builder, self.origin + self.rotation @ np.array([x, y, z]), self.rotation @ rotation_z(yaw))

    def tilted(self, rotation: np.ndarray) -> Placer:
        """A placer at the same origin with a further rotation (3,3)."""
        return Placer(self.builder, self.origin, self.rotation @ rotation)

    def box(self, centre: tuple, size: tuple, material: int, casts: bool = True) -> None:
        """A box with its centre and full size [m]."""
        self._add(BOX, centre, tuple(s / 2 for s in size), material, 1.0, casts)

    def block(self, x: float, y: float, base: float, size: tuple, material: int, casts: bool = True) -> None:
        """A box standing on height ``base``, centred at (x, y)."""
        self.box((x, y, base + size[2] / 2), size, material, casts)

    def ball(self, centre: tuple, radii: float | tuple, material: int, casts: bool = True) -> None:
        """A sphere (one radius) or an ellipsoid (three)."""
        self._add(SPHERE, centre, (radii,) * 3 if isinstance(radii, (int, float)) else radii, material, 1.0, casts)

    def rod(
        self,
        x: float,
        y: float,
        base: float,
        radius: float,
        height: float,
        material: int,
        taper: float = 1.0,
        casts: bool = True,
    ) -> None:
        """An upright cylinder, or a frustum whose top radius is ``taper`` times ``radius`` at the bottom."""
        self._add(FRUSTUM, (x, y, base + height / 2), (radius, radius, height / 2), material, taper, casts)

    def sheet(self, centre: tuple, size: tuple[float, float], material: int) -> None:
        """A level plane patch; a size of infinity gives an endless one."""
        self._add(PLANE, centre, (size[0] / 2, size[1] / 2, 1.0), material, 1.0, False)

    def _add(self, kind: int, centre: tuple, half: tuple, material: int, taper: float, casts: bool) -> None:
        world = self.origin + self.rotation @ np.asarray(centre, dtype=np.float64)
        self.builder.rows.append(
            {
                "kind": kind,
                "centre": world,
                "rotation": self.rotation,
                "half": half,
                "taper": max(taper, 1e-3),
                "material": material,
                "casts": casts,
            }
        )


def rotation_z(angle: float) -> np.ndarray:
    """Rotation about Z by ``angle`` [rad], (3,3)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def rotation_x(angle: float) -> np.ndarray:
    """Rotation about X by ``angle`` [rad], (3,3)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
