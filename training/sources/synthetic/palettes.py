"""Random materials with colour statistics of real places: mostly neutral, sometimes vivid. Linear RGB."""

from __future__ import annotations

import colorsys

import numpy as np

from .materials import Material
from .scene import Builder

Colour = tuple[float, float, float]


def linear(red: float, green: float, blue: float) -> Colour:
    """Linear colour from display values 0..1."""
    return (red**2.2, green**2.2, blue**2.2)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Linear colour from hue, saturation, value as displayed."""
    return linear(*colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


def neutral(rng: np.random.Generator, low: float = 0.3, high: float = 0.95) -> Colour:
    """White, grey, beige or greige."""
    return hsv(rng.choice([0.08, 0.1, 0.13, 0.6]), float(rng.uniform(0, 0.16)), float(rng.uniform(low, high)))


def vivid(rng: np.random.Generator) -> Colour:
    """A saturated colour."""
    return hsv(float(rng.random()), float(rng.uniform(0.35, 0.9)), float(rng.uniform(0.25, 0.9)))


def timber(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Light and dark of one kind of wood."""
    hue, saturation, value = rng.uniform(0.055, 0.1), rng.uniform(0.3, 0.65), rng.uniform(0.3, 0.85)
    return hsv(hue, saturation, value), hsv(hue - 0.01, min(1.0, saturation + 0.12), value * 0.68)


def any_colour(rng: np.random.Generator, vivid_share: float = 0.35) -> Colour:
    """Neutral or vivid."""
    return vivid(rng) if rng.random() < vivid_share else neutral(rng, 0.08, 0.95)


def darker(colour: Colour, by: float) -> Colour:
    """The colour scaled by ``by``."""
    return (colour[0] * by, colour[1] * by, colour[2] * by)


def wall_paint(b: Builder) -> int:
    """Paint, wallpaper, sometimes bricks, panels or tiles."""
    rng, roll = b.rng, b.rng.random()
    if rng.random() < 0.8:
        base = neutral(rng, 0.6, 0.97)
    else:
        base = hsv(rng.random(), rng.uniform(0.1, 0.4), rng.uniform(0.5, 0.9))
    if roll < 0.66:
        return b.material(Material("solid", (base,), seed=b.u(0, 99)))
    if roll < 0.76:
        return b.material(Material("stripes", (base, darker(base, b.u(0.6, 0.9))), b.u(0.06, 0.4), seed=b.u(0, 99)))
    if roll < 0.84:
        warm = (hsv(0.03, 0.5, 0.6), hsv(0.05, 0.45, 0.42), neutral(rng, 0.6, 0.8))
        cold = (neutral(rng, 0.7, 0.9), neutral(rng, 0.6, 0.8), neutral(rng, 0.5, 0.9))
        return b.material(Material("brick", warm if b.chance(0.5) else cold, 0.24, seed=b.u(0, 99)))
    if roll < 0.90:
        glazed = (base, darker(base, 0.85), neutral(rng, 0.4, 0.8))
        return b.material(Material("tiles", glazed, b.u(0.1, 0.4), 0.4, seed=b.u(0, 99)))
    if roll < 0.95:
        return b.material(Material("planks", timber(rng), b.u(0.08, 0.2), seed=b.u(0, 99)))
    return b.material(Material("noise", (base, darker(base, 0.75)), 1.0, seed=b.u(0, 99)))


def floor_cover(b: Builder) -> int:
    """Boards, tiles, carpet, stone."""
    rng, roll = b.rng, b.rng.random()
    first = neutral(rng, 0.3, 0.85)
    second, seed = darker(first, b.u(0.5, 0.85)), b.u(0, 99)
    if roll < 0.42:
        return b.material(Material("planks", timber(rng), b.u(0.08, 0.22), b.u(0, 0.4), seed=seed))
    if roll < 0.64:
        stone = (first, second, neutral(rng, 0.25, 0.8))
        return b.material(Material("tiles", stone, b.u(0.15, 0.6), b.u(0, 0.6), seed=seed))
    if roll < 0.84:
        tint = first if b.chance(0.6) else hsv(rng.random(), 0.35, b.u(0.25, 0.6))
        return b.material(Material("carpet", (tint, darker(tint, 0.55)), 0.5, seed=seed))
    if roll < 0.9:
        return b.material(Material("checker", (first, second), b.u(0.2, 0.5), 0.3, seed=seed))
    if roll < 0.95:
        return b.material(Material("marble", (neutral(rng, 0.7, 0.9), first), b.u(0.6, 2.0), 0.6, seed=seed))
    return b.material(Material("noise", (first, second), 1.0, b.u(0, 0.3), seed=seed))


def furniture_finish(b: Builder) -> int:
    """Wood, white or grey lacquer, sometimes colour."""
    roll = b.rng.random()
    if roll < 0.5:
        return b.material(Material("wood", timber(b.rng), b.u(0.08, 0.3), b.u(0, 0.3), seed=b.u(0, 99)))
    if roll < 0.85:
        return b.material(Material("solid", (neutral(b.rng, 0.12, 0.95),), 1.0, b.u(0, 0.5), seed=b.u(0, 99)))
    return b.material(Material("solid", (vivid(b.rng),), 1.0, b.u(0, 0.5), seed=b.u(0, 99)))


def metal(b: Builder) -> int:
    """Grey metal or black plastic."""
    return b.material(Material("solid", (neutral(b.rng, 0.08, 0.7),), 1.0, b.u(0.3, 1.0), seed=b.u(0, 99)))


def cloth(b: Builder) -> int:
    """Upholstery."""
    tone = any_colour(b.rng, 0.4)
    kind = "fabric" if b.chance(0.5) else "carpet"
    other = any_colour(b.rng, 0.4) if b.chance(0.4) else darker(tone, 0.7)
    return b.material(Material(kind, (tone, other, darker(tone, 1.15)), b.u(0.03, 0.3), seed=b.u(0, 99)))


def package(b: Builder) -> int:
    """Printed card, tin or plastic."""
    rng = b.rng
    if b.chance(0.25):
        return b.material(Material("solid", (any_colour(rng, 0.5),), 1.0, b.u(0, 0.8), seed=b.u(0, 99)))
    colours = (any_colour(rng, 0.6), any_colour(rng, 0.6), vivid(rng))
    return b.material(Material("label", colours, 1.0, b.u(0, 0.6), seed=b.u(0, 99)))


def picture(b: Builder) -> int:
    """A framed picture."""
    inks = (any_colour(b.rng), any_colour(b.rng), vivid(b.rng))
    return b.material(Material("poster", inks, 1.0, 0.1, seed=b.u(0, 99)))


def plain(b: Builder, colour: Colour, shine: float = 0.1, glow: float = 0.0) -> int:
    """One colour."""
    return b.material(Material("solid", (colour,), 1.0, shine, glow, b.u(0, 99)))


def leaves(b: Builder) -> int:
    """Green foliage."""
    green = hsv(b.u(0.2, 0.38), b.u(0.35, 0.75), b.u(0.3, 0.6))
    return b.material(Material("foliage", (green, hsv(b.u(0.15, 0.35), 0.6, 0.65)), 1.0, seed=b.u(0, 99)))
