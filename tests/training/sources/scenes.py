"""Hand-made scenes for the tests of the ray caster."""

from __future__ import annotations

import numpy as np

from training.sources.synthetic import Pinhole, Pose, Scene
from training.sources.synthetic.materials import Material
from training.sources.synthetic.scene import Builder, Light, Viewpoint

CAMERA = Pinhole(41, 31, 40.0, 42.0, 20.0, 15.0)
# Optical axes in the world: x right = +X, y down = -Z, z forward = +Y.
ALONG_Y = Pose(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]), np.array([0.0, 0.0, 1.0]))


def grey_builder() -> tuple[Builder, int]:
    """A builder with one grey material."""
    builder = Builder(np.random.default_rng(0))
    return builder, builder.material(Material("solid", ((0.5, 0.5, 0.5),)))


def finish(builder: Builder, lamp: float = 3.0) -> Scene:
    """The builder's scene with a lamp of that power at (0.5, -1, 3), indoors."""
    viewpoint = Viewpoint((0, 0, 0), (1, 1, 1), ((0, 0, 0),), (0, 0), 0, (60, 60))
    light = Light((0.5, -1.0, 3.0), (lamp, lamp, lamp))
    return Scene("room", 1, builder.rows, builder.materials, [light], (0.3, 0.3, 0.3), None, viewpoint)
