"""The living room of the demonstration drive, and the way the camera takes through it.

The room belongs to ``DEMO_SEED``, which lies below every training seed, and its layout exists only here: no network of
this project has seen it.
"""

from __future__ import annotations

import math

import numpy as np

from .synthetic import Pinhole, Pose, Scene, clutter, furniture, look, palettes
from .synthetic.materials import Material
from .synthetic.scene import Builder, Light, Placer, Viewpoint
from .synthetic.walls import WALL, sides, wall, window

DEMO_SEED = 7
WIDTH, DEPTH, HEIGHT = 4.8, 5.6, 2.6
FRAMES = 50
CAMERA = Pinhole(424, 240, 309.0, 309.0, 211.5, 119.5)


def _paint(b: Builder, red: float, green: float, blue: float, shine: float = 0.05) -> int:
    return palettes.plain(b, palettes.linear(red, green, blue), shine)


def _reseeded(b: Builder, number: int) -> Builder:
    """The builder with chance of its own for one piece, so that changing a piece leaves the others alone."""
    b.rng = np.random.default_rng([DEMO_SEED, 100, number])
    return b


def _oak(b: Builder, scale: float = 0.14) -> int:
    colours = (palettes.linear(0.76, 0.6, 0.42), palettes.linear(0.6, 0.44, 0.28))
    return b.material(Material("wood", colours, scale, 0.15, seed=3.0))


def _print(b: Builder, seed: float) -> int:
    colours = (palettes.linear(0.16, 0.25, 0.36), palettes.linear(0.9, 0.83, 0.7), palettes.linear(0.78, 0.4, 0.25))
    return b.material(Material("poster", colours, 1.0, 0.1, seed=seed))


def demo_scene() -> Scene:
    """The furnished room, lit by a window, a ceiling lamp and a floor lamp."""
    b = Builder(np.random.default_rng(DEMO_SEED))
    p = b.at(0, 0)
    _walls(b, p)
    _window_side(b, p)
    _desk_side(b, p)
    _middle(b, p)
    viewpoint = Viewpoint((0.3, 0.3, 1.0), (4.5, 5.3, 1.8), ((2.4, 3.5, 0.8),), (-15.0, 0.0), 0.0, (69.0, 69.0))
    return Scene("room", DEMO_SEED, b.rows, b.materials, b.lights, (0.40, 0.40, 0.41), None, viewpoint)


def _walls(b: Builder, p: Placer) -> None:
    boards = (palettes.linear(0.72, 0.54, 0.37), palettes.linear(0.58, 0.41, 0.27))
    floor = b.material(Material("planks", boards, 0.14, 0.25, seed=5.0))
    cream, green = _paint(b, 0.93, 0.91, 0.86), _paint(b, 0.62, 0.70, 0.66)
    white, skirting = _paint(b, 0.97, 0.97, 0.96), _paint(b, 0.95, 0.95, 0.93)
    size = (WIDTH + 2 * WALL, DEPTH + 2 * WALL, 0.1)
    p.box((WIDTH / 2, DEPTH / 2, -0.05), size, floor, False)
    p.box((WIDTH / 2, DEPTH / 2, HEIGHT + 0.05), size, white, False)
    gap = (1.9, 2.8, 0.0, 2.05)
    for number, (x, y, yaw, length) in enumerate(sides(WIDTH, DEPTH)):
        paint = green if number == 0 else cream
        wall(p.at(x, y, 0, yaw), length, HEIGHT, [gap] if number == 3 else [], paint, skirting)
    _hall(_reseeded(b, 1), p.at(0, 0, 0, math.pi / 2), gap)


def _hall(b: Builder, p: Placer, gap: tuple[float, float, float, float]) -> None:
    """A short hall behind the doorway in the left wall; local +y leads away from the room."""
    q = p.at(1.2, 2 * WALL)
    pale, tiles = _paint(b, 0.88, 0.86, 0.80), (palettes.linear(0.75, 0.73, 0.7), palettes.linear(0.68, 0.66, 0.63))
    floor = b.material(Material("tiles", (*tiles, palettes.linear(0.5, 0.5, 0.48)), 0.3, 0.3))
    q.box((1.1, 1.0, -0.05), (2.7, 2.6, 0.1), floor, False)
    q.box((1.1, 1.0, 2.45), (2.7, 2.6, 0.1), _paint(b, 0.96, 0.96, 0.95), False)
    opening = (2.2 - (gap[1] - 1.2), 2.2 - (gap[0] - 1.2), 0.0, gap[3])
    for number, (x, y, yaw, length) in enumerate(sides(2.2, 2.0)):
        wall(q.at(x, y, 0, yaw), length, 2.4, [opening] if number == 2 else [], pale, None)
    trim = _paint(b, 0.94, 0.93, 0.9)
    for x in (gap[0] - 0.03, gap[1] + 0.03):
        p.box((x, WALL, gap[3] / 2), (0.08, 2 * WALL + 0.06, gap[3]), trim)
    p.box(((gap[0] + gap[1]) / 2, WALL, gap[3] + 0.03), (gap[1] - gap[0] + 0.14, 2 * WALL + 0.06, 0.08), trim)
    furniture.cabinet(_reseeded(b, 2), q.at(1.2, 1.98))
    b.lights.append(Light(tuple(q.at(1.1, 0.9, 2.1).origin), (2.2, 2.0, 1.7), size=0.15))


def _window_side(b: Builder, p: Placer) -> None:
    """Far wall: window, sofa below it, plant, floor lamp, picture."""
    back = p.at(0, DEPTH)
    window(_reseeded(b, 3), back, 1.75, 1.9, 0.95, 2.2, 0.45)
    b.lights.append(Light((1.75, DEPTH - 0.6, 1.7), (2.6, 2.8, 3.1), size=0.4))
    curtain = b.material(Material("fabric", tuple(palettes.linear(*c) for c in ((0.85, 0.8, 0.7),) * 3), 0.12))
    for x in (0.62, 2.88):
        for fold in range(5):
            back.rod(x + (fold - 2) * 0.075, -0.1, 0.06, 0.045, 2.25, curtain)
    back.box((1.75, -0.1, 2.34), (2.9, 0.03, 0.03), _paint(b, 0.25, 0.25, 0.25, 0.6))
    furniture.sofa(_reseeded(b, 224), back.at(1.75, -0.3))
    furniture.plant(_reseeded(b, 5), back.at(4.3, -0.15))
    furniture.floor_lamp(_reseeded(b, 6), back.at(3.35, -0.3))
    back.box((3.75, -0.015, 1.6), (0.75, 0.03, 0.55), _print(b, 7.0), False)


def _desk_side(b: Builder, p: Placer) -> None:
    """Right wall: desk with a monitor and a chair, shelf, pictures; left wall: chest of drawers."""
    right = p.at(WIDTH, 0, 0, -math.pi / 2)
    desk = right.at(-3.1, 0)
    oak, steel = _oak(b), _paint(b, 0.2, 0.2, 0.22, 0.5)
    desk.block(0, -0.37, 0.71, (1.5, 0.7, 0.035), oak)
    furniture.legs(desk.at(0, -0.37), 1.5, 0.7, 0.71, 0.05, steel)
    top = desk.at(0, -0.37, 0.745)
    clutter.monitor(_reseeded(b, 8), top.at(-0.1, 0.12))
    clutter.lamp(_reseeded(b, 9), top.at(0.58, 0.15))
    clutter.mug(_reseeded(b, 10), top.at(-0.5, -0.12, 0, 0.5))
    clutter.book_pile(_reseeded(b, 11), top.at(0.45, -0.15, 0, 0.3))
    furniture.chair(_reseeded(b, 213), desk.at(0.05, -1.25, 0, math.pi + 0.35))
    furniture.bin_or_box(_reseeded(b, 213), right.at(-4.15, -0.05))
    for number, along in enumerate((-2.3, -3.95)):
        right.box((along, -0.015, 1.65), (0.45, 0.03, 0.6), _print(b, 4.0 + number), False)
    left = p.at(0, 0, 0, math.pi / 2)
    furniture.cabinet(_reseeded(b, 213), left.at(3.5, 0))
    furniture.shelf(_reseeded(b, 210), left.at(4.75, 0))
    left.box((3.5, -0.015, 1.6), (0.7, 0.03, 0.5), _print(b, 9.0), False)


def _middle(b: Builder, p: Placer) -> None:
    """Rug, coffee table with things on it, an armchair, a ball, the ceiling lamp."""
    plaid = (palettes.linear(0.72, 0.36, 0.3), palettes.linear(0.85, 0.78, 0.66), palettes.linear(0.3, 0.35, 0.45))
    rug = b.material(Material("fabric", plaid, 0.5))
    p.at(1.9, 3.5).block(0, 0, 0, (2.3, 1.6, 0.012), rug, False)
    low = p.at(1.85, 3.5, 0, 0.08)
    low.rod(0, 0, 0.40, 0.48, 0.03, _oak(b))
    for turn in range(3):
        low.at(0, 0, 0, turn * 2.094).rod(0.34, 0, 0, 0.022, 0.4, _paint(b, 0.15, 0.15, 0.16, 0.4))
    table = low.at(0, 0, 0.43)
    clutter.bowl(_reseeded(b, 20), table.at(0.05, 0.1))
    clutter.mug(_reseeded(b, 21), table.at(-0.25, -0.15, 0, 2.4))
    clutter.book_pile(_reseeded(b, 22), table.at(0.2, -0.22, 0, 0.4))
    clutter.vase(_reseeded(b, 23), table.at(-0.2, 0.22))
    p.ball((3.05, 2.55, 0.11), 0.11, _paint(b, 0.85, 0.3, 0.15, 0.5))
    clutter.toy_blocks(_reseeded(b, 24), p.at(3.2, 4.3))
    lamp = palettes.plain(b, (0.95, 0.93, 0.88), 0, 2.5)
    p.ball((2.4, 2.9, HEIGHT - 0.12), (0.22, 0.22, 0.12), lamp, False)
    b.lights.append(Light((2.4, 2.9, HEIGHT - 0.35), (3.4, 3.2, 2.8), size=0.2))


def demo_pose(step: int) -> Pose:
    """Camera of frame ``step`` (0..FRAMES-1): in at the near corner, along an arc towards the table, slowly panning."""
    s = step / (FRAMES - 1)
    ease = s * s * (3.0 - 2.0 * s)
    position = np.array([4.1 - 2.2 * ease, 0.5 + 0.9 * math.sin(ease * math.pi / 2), 1.42 + 0.03 * math.sin(4.0 * s)])
    yaw = math.radians(130.0 - 62.0 * ease)
    return look(position, yaw, math.radians(-13.0 + 2.0 * math.sin(3.0 * s)), math.radians(1.2 * math.sin(5.0 * s)))
