"""Streets: road, pavements, grass, house fronts, cars, trees and poles under a sky."""

from __future__ import annotations

import math

import numpy as np

from . import palettes
from .materials import Material
from .scene import Builder, Light, Placer, Scene, Sky, Viewpoint

ENDLESS = (math.inf, math.inf)


def outdoor_scene(seed: int) -> Scene:
    """A seeded street scene along +y."""
    b = Builder(np.random.default_rng([seed, 3]))
    p = b.at(0, 0)
    grass = palettes.hsv(b.u(0.16, 0.3), b.u(0.25, 0.6), b.u(0.3, 0.55))
    ground = (grass, palettes.darker(grass, 0.6)) if b.chance(0.6) else (palettes.neutral(b.rng, 0.35, 0.6),) * 2
    p.sheet((0, 0, 0), ENDLESS, b.material(Material("carpet", ground, 1.0, seed=b.u(0, 99))))
    half = b.u(2.6, 6.0)
    asphalt = palettes.hsv(0.6, b.u(0, 0.08), b.u(0.25, 0.5))
    road = b.material(Material("carpet", (asphalt, palettes.darker(asphalt, 0.75)), 1.0, 0.1, seed=b.u(0, 99)))
    p.sheet((0, 70, 0.004), (2 * half, 240), road)
    _markings(b, p, half)
    walk = b.u(1.2, 3.5)
    paving = palettes.neutral(b.rng, 0.4, 0.7)
    stone = (paving, palettes.darker(paving, 0.8), palettes.darker(paving, 0.5))
    slabs = b.material(Material("tiles", stone, b.u(0.3, 0.8), seed=b.u(0, 99)))
    for side in (-1, 1):
        p.block(side * (half + walk / 2), 70, 0, (walk, 240, 0.12), slabs, False)
        _houses(b, p, side, half + walk)
        _trees(b, p, side, half, walk)
    _cars(b, p, half)
    for _ in range(b.count(0, 5)):
        x = b.pick(-1, 1) * (half + b.u(0.3, walk - 0.2))
        _person(b, p.at(x, b.u(3, 30), 0.12, b.u(-3, 3)))
    sun_level, cloud = b.u(0.0, 3.0), b.u(0.0, 1.0)
    azimuth, height = b.u(0, 6.283), math.radians(b.u(18, 70))
    toward = (math.cos(azimuth) * math.cos(height), math.sin(azimuth) * math.cos(height), math.sin(height))
    b.lights.append(Light(toward, (sun_level, sun_level * 0.94, sun_level * 0.85), True, 0.02))
    horizon, zenith = palettes.hsv(0.58, b.u(0, 0.2), b.u(0.85, 1.0)), palettes.hsv(0.6, b.u(0.1, 0.6), b.u(0.6, 0.95))
    sky = Sky(horizon, zenith, cloud, b.u(0, 50))
    lane = b.u(-half * 0.8, half * 0.8) if b.chance(0.5) else b.pick(-1, 1) * (half + walk * 0.5)
    viewpoint = Viewpoint(
        (lane - 0.4, -2.0, 1.2), (lane + 0.4, 6.0, 2.0), ((0.0, 60.0, 1.5),), (-12.0, 6.0), 5.0, (40.0, 95.0)
    )
    level = b.u(0.5, 1.0)
    return Scene("outdoor", seed, b.rows, b.materials, b.lights, (level * 0.92, level, level * 1.12), sky, viewpoint)


def _markings(b: Builder, p: Placer, half: float) -> None:
    paint = palettes.plain(b, palettes.neutral(b.rng, 0.75, 0.95), 0)
    if b.chance(0.7):
        dash, gap = b.u(1.5, 4.0), b.u(1.5, 5.0)
        y = -10.0
        while y < 70.0:
            p.sheet((0, y, 0.01), (0.14, dash), paint)
            y += dash + gap
    if b.chance(0.6):
        for side in (-1, 1):
            p.sheet((side * (half - 0.25), 70, 0.01), (0.12, 240), paint)
    if b.chance(0.25):
        y = b.u(6, 20)
        for i in range(int(2 * half / 0.9)):
            p.sheet((-half + 0.6 + i * 0.9, y, 0.012), (0.45, 3.0), paint)


def _houses(b: Builder, p: Placer, side: int, edge: float) -> None:
    y, setback, dense = b.u(-14, -4), b.u(0.0, 6.0), b.chance(0.7)
    while y < 95.0:
        long, deep, high = b.u(7, 22), b.u(7, 14), b.u(3.2, 20.0)
        if b.chance(0.88 if dense else 0.5):
            if b.chance(0.65):
                base = palettes.neutral(b.rng, 0.4, 0.95)
            else:
                base = palettes.hsv(b.u(0.0, 0.14), b.u(0.2, 0.6), b.u(0.4, 0.85))
            glass = palettes.hsv(0.58, b.u(0.1, 0.4), b.u(0.35, 0.7))
            face = (base, palettes.neutral(b.rng, 0.5, 0.95), glass)
            front = b.material(Material("facade", face, b.u(1.8, 3.6), 0.1, seed=b.u(0, 99)))
            x = side * (edge + setback + deep / 2)
            p.block(x, y + long / 2, 0, (deep, long, high), front)
            if high < 9 and b.chance(0.6):
                roof = palettes.plain(b, palettes.hsv(b.u(0, 0.08), b.u(0.2, 0.6), b.u(0.25, 0.5)), 0)
                p.block(x, y + long / 2, high, (deep + 0.8, long + 0.8, 0.25), roof)
                p.block(x, y + long / 2, high + 0.25, (deep * 0.6, long * 0.9, b.u(0.8, 2.0)), roof)
            gate = side * (edge + setback)
            p.block(gate, y + long * b.u(0.2, 0.8), 0, (0.1, 1.1, 2.1), palettes.furniture_finish(b))
        elif b.chance(0.5):
            p.block(side * (edge + setback), y + long / 2, 0, (0.3, long, b.u(0.8, 2.2)), palettes.wall_paint(b))
        y += long + (b.u(0, 0.5) if dense else b.u(1, 12))


def _trees(b: Builder, p: Placer, side: int, half: float, walk: float) -> None:
    y, step, bark = b.u(2, 14), b.u(6, 18), palettes.plain(b, palettes.hsv(0.08, 0.4, b.u(0.2, 0.4)), 0)
    pole = palettes.metal(b)
    x = side * (half + 0.4)
    trees = b.chance(0.55)
    green = palettes.leaves(b)
    while y < 70.0:
        if trees:
            trunk, crown = b.u(1.8, 3.5), b.u(1.0, 2.2)
            p.rod(x, y, 0, b.u(0.1, 0.2), trunk + 0.5, bark, 0.7)
            for _ in range(b.count(4, 8)):
                place = (x + b.u(-0.7, 0.7) * crown, y + b.u(-0.7, 0.7) * crown, trunk + crown * b.u(0.3, 1.3))
                p.ball(place, (crown * b.u(0.4, 0.8), crown * b.u(0.4, 0.8), crown * b.u(0.35, 0.6)), green)
        else:
            p.rod(x, y, 0, 0.06, b.u(3.5, 6.5), pole, 0.7)
            if b.chance(0.4):
                p.box((x, y - 0.05, b.u(2.0, 2.8)), (0.6, 0.03, 0.6), palettes.package(b))
        y += step + b.u(-2, 2)
    for _ in range(b.count(0, 6)):
        at = side * (half + b.u(0.4, walk + 1.5))
        kind, y = b.rng.random(), b.u(2.5, 30)
        if kind < 0.4:
            p.rod(at, y, 0.1, 0.07, b.u(0.6, 1.0), pole)
        elif kind < 0.7:
            p.block(at, y, 0.1, (0.5, 0.5, b.u(0.7, 1.2)), palettes.furniture_finish(b))
        else:
            p.ball((at, y, 0.5), (b.u(0.4, 0.8), b.u(0.4, 1.2), b.u(0.5, 0.8)), green)


def car(b: Builder, p: Placer) -> None:
    """A car along local y: body, cabin, wheels, lights."""
    paint = palettes.plain(b, palettes.vivid(b.rng) if b.chance(0.35) else palettes.neutral(b.rng, 0.05, 0.95), 0.8)
    glass, dark = palettes.plain(b, (0.03, 0.04, 0.05), 1.0), palettes.plain(b, (0.015, 0.015, 0.015), 0.1)
    length, width, van = b.u(3.6, 4.8), b.u(1.65, 1.9), b.chance(0.2)
    p.block(0, 0, 0.28, (width, length, b.u(0.5, 0.6)), paint)
    tall = b.u(0.9, 1.3) if van else b.u(0.5, 0.62)
    p.block(0, -0.15 * length * (not van), 0.8, (width * 0.9, length * (0.9 if van else 0.52), tall), glass)
    p.block(0, -0.15 * length * (not van), 0.8 + tall, (width * 0.88, length * (0.88 if van else 0.46), 0.05), paint)
    turned = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for x in (-1, 1):
        for y in (-1, 1):
            p.at(x * (width / 2 - 0.1), y * length * 0.32, 0.31).tilted(turned).rod(0, 0, -0.11, 0.31, 0.22, dark)
        red, white = (0.5, 0.02, 0.02), (0.8, 0.8, 0.75)
        p.box((x * width * 0.36, -length / 2, 0.68), (0.28, 0.03, 0.14), palettes.plain(b, red, 0.5, b.u(0, 1)))
        p.box((x * width * 0.36, length / 2, 0.62), (0.3, 0.03, 0.14), palettes.plain(b, white, 0.8, b.u(0, 1)))
    for y in (-1, 1):
        p.box((0, y * (length / 2 + 0.005), 0.48), (0.5, 0.02, 0.11), palettes.plain(b, (0.7, 0.7, 0.65)))


def _cars(b: Builder, p: Placer, half: float) -> None:
    for side in (-1, 1):
        if b.chance(0.65):
            y = b.u(5, 14)
            while y < 60:
                car(b, p.at(side * (half - 1.1), y, 0, b.u(-0.04, 0.04)))
                y += b.u(5.3, 18)
    for _ in range(b.count(0, 3)):
        x = b.u(-half * 0.3, half * 0.3)
        car(b, p.at(x, b.u(12, 70), 0, math.pi if b.chance(0.5) else 0.0))


def _person(b: Builder, p: Placer) -> None:
    scale = b.u(0.9, 1.08)
    trousers, top = palettes.cloth(b), palettes.cloth(b)
    skin = palettes.plain(b, palettes.hsv(0.06, b.u(0.3, 0.6), b.u(0.3, 0.85)), 0)
    for side in (-1, 1):
        p.rod(side * 0.09, side * 0.06, 0, 0.06 * scale, 0.85 * scale, trousers, 1.3)
        p.rod(side * 0.23, 0, 0.8 * scale, 0.04, 0.6 * scale, top, 1.2)
    p.ball((0, 0, 1.15 * scale), (0.2, 0.13, 0.36 * scale), top)
    p.ball((0, 0, 1.62 * scale), (0.09, 0.1, 0.13), skin)
