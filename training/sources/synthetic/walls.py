"""The shell of a room: floor, ceiling, walls with openings, windows and doors."""

from __future__ import annotations

import math

from . import palettes
from .materials import Material
from .scene import Builder, Placer

Opening = tuple[float, float, float, float]
WALL = 0.12


def wall(p: Placer, length: float, height: float, openings: list[Opening], paint: int, skirting: int | None) -> None:
    """A wall along local x in 0..length, inner face at y = 0; openings (from, to, bottom, top) do not overlap."""
    x = -WALL
    for start, stop, low, high in sorted(openings):
        p.box(((x + start) / 2, WALL / 2, height / 2), (start - x, WALL, height), paint)
        middle, wide = (start + stop) / 2, stop - start
        if low > 0:
            p.block(middle, WALL / 2, 0, (wide, WALL, low), paint)
        p.block(middle, WALL / 2, high, (wide, WALL, height - high), paint)
        x = stop
    p.box(((x + length + WALL) / 2, WALL / 2, height / 2), (length + WALL - x, WALL, height), paint)
    if skirting is not None:
        x = 0.0
        for start, stop in [(o[0], o[1]) for o in sorted(openings) if o[2] <= 0] + [(length, length)]:
            if start - x > 0.05:
                p.block((x + start) / 2, -0.008, 0, (start - x, 0.016, 0.09), skirting, False)
            x = stop


def sides(width: float, depth: float) -> list[tuple[float, float, float, float]]:
    """(x, y, yaw, length) of the four walls of a room 0..width by 0..depth; local +y points out of the room."""
    half = math.pi / 2
    return [(0, depth, 0.0, width), (width, depth, -half, depth), (width, 0, math.pi, width), (0, 0, half, depth)]


def window(b: Builder, p: Placer, x: float, wide: float, low: float, high: float, bright: float) -> None:
    """A window pane with its frame on the wall face."""
    sky = palettes.hsv(0.58, b.u(0.05, 0.45), 0.97)
    green = palettes.hsv(b.u(0.15, 0.35), b.u(0.2, 0.6), 0.4)
    pane = b.material(Material("view", (sky, green, palettes.neutral(b.rng)), 1.0, 0.2, bright, b.u(0, 99)))
    frame = palettes.plain(b, palettes.neutral(b.rng, 0.5, 0.97))
    p.box((x, 0.0, (low + high) / 2), (wide, 0.02, high - low), pane, False)
    for side in (-1, 0, 1) if wide > 1.0 else (-1, 1):
        p.box((x + side * wide / 2, -0.02, (low + high) / 2), (0.06, 0.06, high - low + 0.06), frame, False)
    for z in (low, high):
        p.box((x, -0.02, z), (wide, 0.06, 0.06), frame, False)
    p.box((x, -0.06, low - 0.04), (wide + 0.1, 0.16, 0.03), frame)
    if b.chance(0.35):
        cloth = palettes.cloth(b)
        for side in (-1, 1):
            p.box((x + side * (wide / 2 + 0.15), -0.09, high / 2 + 0.1), (b.u(0.25, 0.4), 0.06, high + 0.1), cloth)


def door(b: Builder, p: Placer, x: float, wide: float, high: float, closed: bool) -> None:
    """A door frame about an opening, with a leaf when closed or a leaf swung into the room."""
    frame = palettes.furniture_finish(b)
    for side in (-1, 1):
        p.box((x + side * (wide / 2 + 0.03), 0, high / 2), (0.07, WALL + 0.05, high), frame)
    p.box((x, 0, high + 0.03), (wide + 0.13, WALL + 0.05, 0.07), frame)
    leaf, knob = palettes.furniture_finish(b), palettes.metal(b)
    if closed:
        p.box((x, -0.005, high / 2), (wide, 0.04, high), leaf)
        p.ball((x + wide * 0.4, -0.05, 1.0), 0.03, knob)
    elif b.chance(0.5):
        swung = p.at(x - wide / 2, -0.03, 0, -b.u(1.0, 2.4))
        swung.box((wide / 2, 0, high / 2), (wide, 0.04, high), leaf)
        swung.ball((wide * 0.9, -0.05, 1.0), 0.03, knob)


def shell(b: Builder, p: Placer, width: float, depth: float, height: float, openings: dict[int, list[Opening]]) -> None:
    """Floor, ceiling and four walls of a room whose corner is the placer's origin."""
    floor, paint = palettes.floor_cover(b), palettes.wall_paint(b)
    accent = palettes.wall_paint(b) if b.chance(0.25) else paint
    ceiling = palettes.plain(b, palettes.neutral(b.rng, 0.8, 0.98), 0)
    skirting = palettes.plain(b, palettes.neutral(b.rng, 0.3, 0.95)) if b.chance(0.7) else None
    size = (width + 2 * WALL, depth + 2 * WALL, 0.1)
    p.box((width / 2, depth / 2, -0.05), size, floor, False)
    p.box((width / 2, depth / 2, height + 0.05), size, ceiling, False)
    for number, (x, y, yaw, length) in enumerate(sides(width, depth)):
        wall(p.at(x, y, 0, yaw), length, height, openings.get(number, []), accent if number == 0 else paint, skirting)
