"""Small things that stand on tables, shelves and floors."""

from __future__ import annotations

from . import palettes
from .materials import Material
from .scene import Builder, Placer


def can(b: Builder, p: Placer) -> None:
    """A tin with a metal lid."""
    radius, height = b.u(0.03, 0.05), b.u(0.06, 0.18)
    p.rod(0, 0, 0, radius, height, palettes.package(b))
    p.rod(0, 0, height, radius * 0.96, 0.003, palettes.metal(b))


def carton(b: Builder, p: Placer) -> None:
    """A printed box, standing or lying."""
    thin, middle, long = sorted((b.u(0.03, 0.09), b.u(0.06, 0.18), b.u(0.08, 0.26)))
    size = (middle, thin, long) if b.chance(0.6) else (long, middle, thin)
    p.block(0, 0, 0, size, palettes.package(b))


def bottle(b: Builder, p: Placer) -> None:
    """A bottle: body, shoulder, neck, cap."""
    radius, body = b.u(0.025, 0.045), b.u(0.1, 0.2)
    skin = palettes.package(b)
    neck = b.u(0.3, 0.5)
    p.rod(0, 0, 0, radius, body, skin)
    p.rod(0, 0, body, radius, radius * 1.2, skin, neck)
    p.rod(0, 0, body + radius * 1.2, radius * neck, b.u(0.02, 0.05), palettes.package(b))


def bowl(b: Builder, p: Placer) -> None:
    """A bowl: a wide frustum with a dark inside disc."""
    radius, height = b.u(0.05, 0.1), b.u(0.04, 0.08)
    colour = palettes.any_colour(b.rng, 0.4)
    wide = b.u(1.3, 1.9)
    p.rod(0, 0, 0, radius / wide, height, palettes.plain(b, colour, 0.6), wide)
    p.rod(0, 0, height, radius * 0.93, 0.002, palettes.plain(b, palettes.darker(colour, 0.6)))


def mug(b: Builder, p: Placer) -> None:
    """A mug with a handle."""
    radius, height = b.u(0.035, 0.045), b.u(0.08, 0.11)
    glaze = palettes.plain(b, palettes.any_colour(b.rng, 0.5), 0.6)
    p.rod(0, 0, 0, radius, height, glaze)
    p.rod(0, 0, height - 0.002, radius * 0.9, 0.003, palettes.plain(b, (0.02, 0.015, 0.01)))
    p.box((radius + 0.018, 0, height * 0.75), (0.036, 0.012, 0.012), glaze)
    p.box((radius + 0.018, 0, height * 0.3), (0.036, 0.012, 0.012), glaze)
    p.box((radius + 0.032, 0, height * 0.52), (0.012, 0.012, height * 0.56), glaze)


def fruit(b: Builder, p: Placer) -> None:
    """One to three balls."""
    skin = palettes.plain(b, palettes.vivid(b.rng), 0.4)
    for _ in range(b.count(1, 3)):
        radius = b.u(0.028, 0.05)
        p.ball((b.u(-0.08, 0.08), b.u(-0.08, 0.08), radius), radius, skin)


def book_pile(b: Builder, p: Placer) -> None:
    """Books lying on each other."""
    base = 0.0
    for _ in range(b.count(1, 4)):
        thick = b.u(0.012, 0.04)
        size = (b.u(0.18, 0.28), b.u(0.13, 0.2), thick)
        p.at(0, 0, 0, b.u(-0.3, 0.3)).block(0, 0, base, size, palettes.package(b))
        base += thick


def paper(b: Builder, p: Placer) -> None:
    """Sheets."""
    sheet = b.material(Material("label", ((0.8, 0.8, 0.78), (0.75, 0.75, 0.74), (0.6, 0.65, 0.7)), seed=b.u(0, 99)))
    for i in range(b.count(1, 3)):
        p.at(b.u(-0.05, 0.05), b.u(-0.05, 0.05), 0, b.u(0, 3)).block(0, 0, 0.002 * i, (0.297, 0.21, 0.002), sheet)


def laptop(b: Builder, p: Placer) -> None:
    """An open laptop that faces -y."""
    case = palettes.metal(b)
    p.block(0, 0, 0, (0.33, 0.23, 0.018), case)
    p.block(0, -0.01, 0.018, (0.29, 0.12, 0.002), palettes.plain(b, (0.02, 0.02, 0.02)))
    p.box((0, 0.15, 0.115), (0.33, 0.012, 0.215), case)
    p.box((0, 0.142, 0.117), (0.31, 0.004, 0.19), screen(b))


def screen(b: Builder) -> int:
    """A screen, on or off."""
    if b.chance(0.4):
        return palettes.plain(b, (0.012, 0.012, 0.014), 0.8)
    colours = tuple(palettes.any_colour(b.rng, 0.5) for _ in range(3))
    return b.material(Material("label", colours, 1.0, 0.3, b.u(0.4, 1.6), b.u(0, 99)))


def monitor(b: Builder, p: Placer) -> None:
    """A monitor on a foot with a keyboard, facing -y."""
    case, width = palettes.plain(b, (0.02, 0.02, 0.022)), b.u(0.45, 0.75)
    p.rod(0, 0, 0, 0.11, 0.015, case)
    p.rod(0, 0.02, 0.015, 0.02, 0.22, case)
    p.box((0, 0, 0.33), (width, 0.04, width * 0.58), case)
    p.box((0, -0.022, 0.33), (width - 0.03, 0.004, width * 0.58 - 0.03), screen(b))
    keys = b.material(Material("tiles", ((0.03, 0.03, 0.03), (0.05, 0.05, 0.05), (0.4, 0.4, 0.4)), 0.02))
    p.block(b.u(-0.05, 0.05), -0.28, 0, (0.42, 0.14, 0.02), keys)
    p.ball((0.3, -0.28, 0.01), (0.03, 0.05, 0.018), case)


def lamp(b: Builder, p: Placer) -> None:
    """A table lamp with a glowing or dark shade."""
    foot = palettes.metal(b)
    p.rod(0, 0, 0, 0.07, 0.02, foot)
    p.rod(0, 0, 0.02, 0.012, 0.3, foot)
    p.rod(
        0,
        0,
        0.28,
        0.13,
        0.2,
        palettes.plain(b, palettes.linear(0.95, 0.88, 0.75), 0, b.u(0, 0.9)),
        b.u(0.5, 0.9),
        False,
    )


def vase(b: Builder, p: Placer) -> None:
    """A pot with a small plant."""
    radius = b.u(0.05, 0.1)
    p.rod(0, 0, 0, radius * 0.7, radius * 1.8, palettes.plain(b, palettes.any_colour(b.rng), 0.3), 1.35)
    green = palettes.leaves(b)
    for _ in range(b.count(3, 7)):
        place = (b.u(-1, 1) * radius, b.u(-1, 1) * radius, radius * b.u(2.0, 4.0))
        p.ball(place, tuple(radius * b.u(0.35, 0.9) for _ in range(3)), green)


def toy_blocks(b: Builder, p: Placer) -> None:
    """A few coloured blocks, stacked or beside each other."""
    for _ in range(b.count(2, 5)):
        side = b.u(0.03, 0.06)
        spot = p.at(b.u(-0.1, 0.1), b.u(-0.1, 0.1), 0, b.u(0, 3))
        spot.block(0, 0, 0, (side, side * b.u(0.7, 2.0), side), palettes.plain(b, palettes.vivid(b.rng), 0.3))


SMALL = (can, can, carton, carton, bottle, bowl, mug, fruit, book_pile, toy_blocks)
DESK = (book_pile, paper, mug, bottle, carton, can, lamp, vase, paper, bowl)


def scatter(
    b: Builder, p: Placer, width: float, depth: float, number: int, makers: tuple, gap: float = 0.13
) -> list[tuple[float, float]]:
    """Put ``number`` things on a rectangle about the origin of ``p`` without overlap; returns where."""
    placed: list[tuple[float, float]] = []
    for _ in range(number * 4):
        x, y = b.u(-width / 2, width / 2), b.u(-depth / 2, depth / 2)
        if len(placed) >= number:
            break
        if any((x - a) ** 2 + (y - c) ** 2 < gap * gap for a, c in placed):
            continue
        makers[b.count(0, len(makers) - 1)](b, p.at(x, y, 0, b.u(-3.1, 3.1)))
        placed.append((x, y))
    return placed
