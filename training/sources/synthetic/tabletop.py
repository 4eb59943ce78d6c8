"""Close-ups of a table or a shelf bin with objects on it, as the camera of a robot arm sees them."""

from __future__ import annotations

import math

import numpy as np

from . import clutter, furniture, palettes
from .scene import Builder, Light, Placer, Scene, Viewpoint
from .walls import shell


def tabletop_scene(seed: int) -> Scene:
    """A seeded tabletop or shelf scene in a room."""
    b = Builder(np.random.default_rng([seed, 2]))
    width, depth, height = b.u(2.5, 5.0), b.u(2.5, 5.0), b.u(2.3, 3.0)
    room = b.at(0, 0)
    shell(b, room, width, depth, height, {})
    middle = (width * b.u(0.4, 0.6), depth * b.u(0.4, 0.6))
    p = room.at(*middle)
    shelf = b.chance(0.3)
    top = _bin(b, p) if shelf else _desk(b, p)
    for x, y in ((0.6, depth - 0.02), (width - 0.6, depth - 0.02)):
        if b.chance(0.6):
            maker = (furniture.shelf, furniture.cabinet, furniture.plant)[b.count(0, 2)]
            maker(b, room.at(x, y))
    if not shelf:
        lamp = (middle[0] + b.u(-0.9, 0.9), middle[1] + b.u(-0.9, 0.9), height - 0.3)
    else:
        lamp = (middle[0] + b.u(-0.6, 0.6), middle[1] - b.u(0.7, 1.1), b.u(1.6, 2.2))
    power = b.u(1.2, 4.0)
    b.lights.append(Light(lamp, (power, power * b.u(0.88, 1.0), power * b.u(0.7, 1.0)), size=b.u(0.03, 0.2)))
    if b.chance(0.5):
        side = (width * b.u(0.1, 0.9), 0.3, b.u(1.2, 2.0))
        b.lights.append(Light(side, (b.u(0.3, 1.6),) * 3, size=0.3))
    targets = tuple((middle[0] + b.u(-0.2, 0.2), middle[1] + b.u(-0.12, 0.12), top + b.u(0.0, 0.12)) for _ in range(6))
    level = b.u(0.2, 0.5)
    pitch = (-35.0, 5.0) if shelf else (-75.0, -12.0)
    viewpoint = Viewpoint(
        (0.1, 0.1, 0.3), (width - 0.1, depth - 0.1, 2.2), targets, pitch, 10.0, (40.0, 80.0), True, (0.35, 1.2)
    )
    return Scene("tabletop", seed, b.rows, b.materials, b.lights, (level, level, level * 0.95), None, viewpoint)


def _desk(b: Builder, p: Placer) -> float:
    """A table of clutter; returns the height of its top [m]."""
    wide, deep, high = b.u(0.9, 1.6), b.u(0.6, 0.9), b.u(0.7, 0.9)
    if b.chance(0.3):
        top = palettes.cloth(b)
    elif b.chance(0.15):
        top = palettes.floor_cover(b)
    else:
        top = palettes.furniture_finish(b)
    p.block(0, 0, high - 0.04, (wide, deep, 0.04), top)
    furniture.legs(p, wide, deep, high - 0.04, 0.06, palettes.metal(b))
    board = p.at(0, 0, high)
    if b.chance(0.25):
        tray, size = palettes.plain(b, palettes.any_colour(b.rng)), b.u(0.3, 0.45)
        for turn in range(4):
            board.at(0, 0, 0, turn * math.pi / 2).block(0, size / 2, 0, (size, 0.012, b.u(0.04, 0.12)), tray)
    clutter.scatter(b, board, wide * 0.6, deep * 0.7, b.count(3, 10), clutter.SMALL, b.u(0.1, 0.17))
    clutter.scatter(b, board, wide * 0.95, deep * 0.95, b.count(0, 3), clutter.DESK, 0.25)
    return high


def _bin(b: Builder, p: Placer) -> float:
    """A rack of compartments open to -y; returns the height of the board in view [m]."""
    wide, deep, low = b.u(0.7, 1.2), b.u(0.3, 0.5), b.u(0.6, 1.2)
    tall, finish = b.u(0.25, 0.42), palettes.furniture_finish(b)
    columns = b.count(2, 3)
    for level in (-1, 0, 1, 2):
        z = low + level * tall
        p.block(0, 0, z - 0.02, (wide, deep, 0.02), finish)
        if level == 2:
            break
        for i in range(columns + 1):
            x = -wide / 2 + i * wide / columns
            p.block(x, 0, z, (0.018, deep, tall - 0.02), finish)
            if i < columns:
                cell = p.at(x + wide / columns / 2, -0.03, z)
                clutter.scatter(b, cell, wide / columns * 0.6, deep * 0.5, b.count(1, 4), clutter.SMALL[:8], 0.1)
    p.block(0, deep / 2, low - tall - 0.02, (wide, 0.012, 3 * tall), finish)
    legs_height = low - tall - 0.02
    furniture.legs(p, wide, deep, legs_height, 0.04, finish)
    return low
