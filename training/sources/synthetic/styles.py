"""Styles: how the same seeded scenes look. The gap between two of them stands for that between renderings and reality.

``full`` is the renderer as it is: textures, shadows, cheap sensors. ``plain`` is what a simple simulator draws: one
colour per surface, no shadows, no sky texture, a clean camera.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .scene import Scene, Sky
from .sensor import Sensor, random_sensor

STYLES = ("full", "plain")


def dressed(scene: Scene, style: str) -> Scene:
    """The scene in ``style``: the same solids at the same places. ValueError for a style that there is not."""
    if style not in STYLES:
        raise ValueError(f"unknown style {style!r}: use one of {', '.join(STYLES)}")
    if style == "full":
        return scene
    materials = [dataclasses.replace(item, kind="solid", shine=0.0) for item in scene.materials]
    lights = [dataclasses.replace(light, shadow=False) for light in scene.lights]
    sky = None if scene.sky is None else Sky(scene.sky.horizon, scene.sky.zenith, -1.0, scene.sky.seed)
    return dataclasses.replace(scene, materials=materials, lights=lights, sky=sky, packed={})


def sensor_of(seed: int, style: str) -> Sensor:
    """The camera that looks at the scene of ``seed``: a cheap one, or in the plain style a clean one."""
    rng = np.random.default_rng([seed, 12])
    return random_sensor(rng) if style == "full" else Sensor(blur=0.5, vignette=0.0, read_noise=0.0, shot_noise=0.0)
