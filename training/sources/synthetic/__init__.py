"""Synthetic views with exact depth, ray cast from seeded scenes of boxes, spheres, cylinders and planes.

Depth is planar (optical z) in metres, +Inf where there is sky. Everything follows from an integer seed. Seeds below
``FIRST_TRAINING_SEED`` are reserved: no training recipe renders them, so they stay good for demonstrations and checks.
"""

from __future__ import annotations

import numpy as np

from .cameras import choose_camera, look
from .cast import Pinhole, Pose
from .outdoor import outdoor_scene
from .render import RenderedView, hits, render_view
from .rooms import room_scene
from .scene import Scene
from .sensor import Sensor, random_sensor
from .styles import STYLES, dressed, sensor_of
from .tabletop import tabletop_scene

VERSION = 1
FIRST_TRAINING_SEED = 1000
KINDS = ("room", "tabletop", "outdoor")
SHARES = (0.60, 0.25, 0.15)
_MAKERS = {"room": room_scene, "tabletop": tabletop_scene, "outdoor": outdoor_scene}

__all__ = [
    "FIRST_TRAINING_SEED",
    "KINDS",
    "STYLES",
    "VERSION",
    "Pinhole",
    "Pose",
    "RenderedView",
    "Scene",
    "Sensor",
    "build_scene",
    "choose_camera",
    "hits",
    "kind_of",
    "look",
    "random_sensor",
    "render_sample",
    "render_view",
]


def kind_of(seed: int) -> str:
    """Which kind of scene a seed stands for: 60 % rooms, 25 % tabletops and shelves, 15 % streets."""
    return str(np.random.default_rng([seed, 0]).choice(KINDS, p=SHARES))


def build_scene(seed: int, kind: str | None = None) -> Scene:
    """The scene of a seed. ``kind`` (room, tabletop, outdoor) overrides what the seed stands for; else ValueError."""
    name = kind or kind_of(seed)
    if name not in _MAKERS:
        raise ValueError(f"unknown scene kind {name!r}: use one of {', '.join(KINDS)}")
    return _MAKERS[name](seed)


def render_sample(
    seed: int,
    *,
    width: int = 256,
    height: int = 192,
    kind: str | None = None,
    style: str = "full",
    device: str = "cpu",
) -> RenderedView:
    """One training view: the scene of ``seed`` through a random camera, with the materials and sensor of ``style``."""
    scene = dressed(build_scene(seed, kind), style)
    pose, camera = choose_camera(scene, seed, width, height)
    return render_view(scene, pose, camera, sensor=sensor_of(seed, style), seed=1, device=device)
