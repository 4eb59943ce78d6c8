"""Furniture of boxes and cylinders. Each maker takes a placer whose +y points at the wall behind it and returns its
footprint (width, depth) [m]; everything stands on z = 0 with its back at y = 0 (so it covers y in [-depth, 0])."""

from __future__ import annotations

from . import clutter, palettes
from .materials import Material
from .scene import Builder, Placer, rotation_x, rotation_z

Footprint = tuple[float, float]


def legs(p: Placer, width: float, depth: float, height: float, thick: float, material: int) -> None:
    """Four square legs under a rectangle about the origin."""
    for x in (-1, 1):
        for y in (-1, 1):
            p.block(x * (width / 2 - thick), y * (depth / 2 - thick), 0, (thick, thick, height), material)


def table(b: Builder, p: Placer, width: float = 0.0, height: float = 0.0) -> Footprint:
    """A table or desk with things on it."""
    width, depth, height = width or b.u(0.8, 1.8), b.u(0.55, 0.95), height or b.u(0.68, 0.78)
    q = p.at(0, -depth / 2)
    top = palettes.furniture_finish(b)
    if b.chance(0.15):
        q.rod(0, 0, height - 0.03, depth / 2, 0.03, top)
        q.rod(0, 0, 0, 0.05, height - 0.03, palettes.metal(b))
        q.rod(0, 0, 0, 0.25, 0.02, palettes.metal(b))
        width = depth
    else:
        q.block(0, 0, height - 0.035, (width, depth, 0.035), top)
        legs(q, width, depth, height - 0.035, b.u(0.03, 0.08), top if b.chance(0.6) else palettes.metal(b))
    board = q.at(0, 0, height)
    if width > 0.9 and b.chance(0.45):
        (clutter.monitor if b.chance(0.6) else clutter.laptop)(b, board.at(b.u(-0.2, 0.2), 0.1, 0, b.u(-0.3, 0.3)))
        clutter.scatter(b, board.at(0, -0.1), width * 0.9, depth * 0.4, b.count(0, 3), clutter.DESK, 0.22)
    else:
        clutter.scatter(b, board, width * 0.75, depth * 0.7, b.count(0, 6), clutter.DESK, 0.2)
    return width, depth


def chair(b: Builder, p: Placer) -> Footprint:
    """A chair whose back is at y = 0."""
    width, depth, seat = b.u(0.4, 0.5), b.u(0.4, 0.5), b.u(0.42, 0.48)
    frame = palettes.furniture_finish(b)
    cover = palettes.cloth(b) if b.chance(0.5) else frame
    q = p.at(0, -depth / 2)
    if b.chance(0.25):
        q.rod(0, 0, 0.06, 0.03, seat - 0.06, palettes.metal(b))
        for turn in range(5):
            q.at(0, 0, 0, turn * 1.2566).box(
                (0.14, 0, 0.05), (0.28, 0.04, 0.04), palettes.metal(b) if turn == 0 else frame
            )
    else:
        legs(q, width, depth, seat, 0.035, frame)
    q.block(0, 0, seat, (width, depth, 0.05), cover)
    high = b.u(0.4, 0.55)
    if b.chance(0.5):
        q.block(0, depth / 2 - 0.02, seat + 0.05, (width, 0.035, high), cover)
    else:
        for x in (-0.45, -0.15, 0.15, 0.45):
            q.block(x * width, depth / 2 - 0.02, seat + 0.05, (0.03, 0.03, high), frame)
        q.block(0, depth / 2 - 0.02, seat + high, (width, 0.03, 0.1), frame)
    return width, depth


def shelf(b: Builder, p: Placer) -> Footprint:
    """A rack with books and boxes."""
    width, depth, height = b.u(0.6, 1.3), b.u(0.25, 0.4), b.u(0.9, 2.1)
    finish = palettes.furniture_finish(b)
    q = p.at(0, -depth / 2)
    for side in (-1, 1):
        q.block(side * (width / 2 - 0.01), 0, 0, (0.022, depth, height), finish)
    if b.chance(0.8):
        q.block(0, depth / 2 - 0.006, 0, (width, 0.01, height), finish)
    boards = max(2, int(height / b.u(0.3, 0.42)))
    books = [palettes.package(b) for _ in range(5)]
    for level in range(boards + 1):
        z = level * (height - 0.022) / boards
        q.block(0, 0, z, (width, depth, 0.022), finish)
        if level < boards:
            _fill_shelf(b, q.at(0, 0, z + 0.022), width - 0.06, depth, (height - 0.022) / boards - 0.03, books)
    return width, depth


def _fill_shelf(b: Builder, q: Placer, width: float, depth: float, room: float, books: list[int]) -> None:
    roll, x = b.rng.random(), -width / 2
    if roll < 0.55:
        end = b.u(0.0, width / 2)
        while x < end:
            thick, tall = b.u(0.02, 0.05), room * b.u(0.55, 0.92)
            q.block(x + thick / 2, -0.02 + b.u(-0.02, 0.02), 0, (thick, depth * 0.65, tall), books[b.count(0, 4)])
            x += thick + 0.002
    elif roll < 0.75:
        while x < width / 2 - 0.2:
            wide = b.u(0.18, 0.32)
            q.block(x + wide / 2, 0, 0, (wide * 0.93, depth * 0.8, room * b.u(0.4, 0.85)), palettes.package(b))
            x += wide
    elif roll < 0.93:
        clutter.scatter(
            b,
            q,
            width * 0.8,
            depth * 0.3,
            b.count(1, 4),
            (clutter.can, clutter.carton, clutter.vase, clutter.mug),
            0.14,
        )


def cabinet(b: Builder, p: Placer) -> Footprint:
    """A cupboard, chest of drawers or fridge with fronts and knobs."""
    width, depth, height = b.u(0.5, 1.4), b.u(0.4, 0.62), b.u(0.6, 2.1)
    body, front = palettes.furniture_finish(b), palettes.furniture_finish(b)
    front = body if b.chance(0.6) else front
    q = p.at(0, -depth / 2)
    q.block(0, 0, 0.05, (width, depth, height - 0.05), body)
    columns, lines = (2, 1) if height > 1.2 else (b.count(1, 2), b.count(2, 4))
    knob = palettes.metal(b)
    for i in range(columns):
        for j in range(lines):
            wide, tall = width / columns, (height - 0.05) / lines
            x, z = (i + 0.5) * wide - width / 2, 0.05 + j * tall
            q.box((x, -depth / 2 - 0.008, z + tall / 2), (wide - 0.012, 0.02, tall - 0.012), front)
            q.box((x, -depth / 2 - 0.03, z + tall / 2), (0.1, 0.02, 0.015), knob)
    if height < 1.3:
        clutter.scatter(b, q.at(0, 0, height), width * 0.8, depth * 0.6, b.count(0, 4), clutter.DESK, 0.2)
    return width, depth


def bed(b: Builder, p: Placer) -> Footprint:
    """A bed, head at the wall."""
    width, depth, height = b.u(0.9, 1.7), b.u(1.9, 2.1), b.u(0.35, 0.5)
    frame, sheet = palettes.furniture_finish(b), palettes.cloth(b)
    white = palettes.plain(b, palettes.neutral(b.rng, 0.7, 0.95), 0)
    q = p.at(0, -depth / 2)
    q.block(0, 0, 0.08, (width, depth, height - 0.25), frame)
    q.block(0, 0, height - 0.18, (width - 0.06, depth - 0.06, 0.18), white)
    q.block(0, -0.2, height - 0.12, (width + 0.02, depth - 0.45, 0.16), sheet)
    q.block(0, depth / 2 - 0.03, 0, (width, 0.05, b.u(0.8, 1.1)), frame)
    for x in (0.0,) if width < 1.2 else (-width / 4, width / 4):
        q.ball((x, depth / 2 - 0.3, height + 0.05), (0.3, 0.2, 0.1), white)
    return width, depth


def sofa(b: Builder, p: Placer) -> Footprint:
    """A sofa or armchair."""
    width, depth, seat = b.u(0.8, 2.2), b.u(0.75, 0.95), b.u(0.38, 0.46)
    cover = palettes.cloth(b)
    q = p.at(0, -depth / 2)
    q.block(0, 0, 0.06, (width, depth, seat - 0.18), cover)
    q.block(0, depth / 2 - 0.11, seat - 0.1, (width, 0.22, b.u(0.4, 0.55)), cover)
    for side in (-1, 1):
        q.block(side * (width / 2 - 0.08), 0, 0.06, (0.16, depth, seat + 0.12), cover)
    parts = max(1, round((width - 0.3) / 0.65))
    each = (width - 0.34) / parts
    for i in range(parts):
        q.block(-(width - 0.34) / 2 + (i + 0.5) * each, -0.08, seat - 0.12, (each - 0.01, depth - 0.24, 0.15), cover)
    if b.chance(0.6):
        q.ball((b.u(-0.3, 0.3) * width, 0.12, seat + 0.2), (0.22, 0.1, 0.2), palettes.cloth(b))
    return width, depth


def floor_lamp(b: Builder, p: Placer) -> Footprint:
    """A standing lamp."""
    q, height = p.at(0, -0.2), b.u(1.3, 1.8)
    q.rod(0, 0, 0, 0.15, 0.02, palettes.metal(b))
    q.rod(0, 0, 0.02, 0.014, height, palettes.metal(b))
    q.rod(
        0,
        0,
        height - 0.05,
        0.2,
        0.28,
        palettes.plain(b, palettes.linear(1, 0.92, 0.8), 0, b.u(0, 1.0)),
        b.u(0.5, 0.9),
        False,
    )
    return 0.4, 0.4


def plant(b: Builder, p: Placer) -> Footprint:
    """A potted plant up to man height."""
    size = b.u(0.14, 0.22)
    q = p.at(0, -0.25)
    q.rod(0, 0, 0, size * 0.75, size * 1.7, palettes.plain(b, palettes.any_colour(b.rng, 0.3), 0.2), 1.3)
    q.rod(0, 0, size * 1.7, 0.018, size * 2.5, palettes.plain(b, (0.08, 0.05, 0.02), 0))
    green = palettes.leaves(b)
    for _ in range(b.count(5, 12)):
        place = (b.u(-1.1, 1.1) * size, b.u(-1.1, 1.1) * size, size * b.u(2.2, 5.5))
        q.tilted(rotation_z(b.u(-3, 3)) @ rotation_x(b.u(-0.15, 0.15))).ball(
            place, (size * b.u(0.3, 0.9), size * b.u(0.3, 0.9), size * b.u(0.2, 0.6)), green
        )
    return 0.5, 0.5


def bin_or_box(b: Builder, p: Placer) -> Footprint:
    """A waste bin, a basket, a bag or moving boxes."""
    q = p.at(0, -0.25)
    if b.chance(0.45):
        q.rod(
            0, 0, 0, b.u(0.11, 0.16), b.u(0.25, 0.6), palettes.plain(b, palettes.any_colour(b.rng), 0.2), b.u(1.0, 1.3)
        )
        return 0.4, 0.45
    card = b.material(
        Material(
            "label", (palettes.hsv(0.09, 0.4, b.u(0.5, 0.75)),) * 2 + (palettes.hsv(0.09, 0.4, 0.5),), seed=b.u(0, 99)
        )
    )
    base = 0.0
    for _ in range(b.count(1, 3)):
        size = (b.u(0.3, 0.45), b.u(0.25, 0.4), b.u(0.15, 0.35))
        q.at(0, 0, 0, b.u(-0.2, 0.2)).block(0, 0, base, size, card if b.chance(0.7) else palettes.package(b))
        base += size[2]
    return 0.5, 0.5


AGAINST_WALL = (table, table, shelf, shelf, cabinet, cabinet, bed, sofa, floor_lamp, plant, bin_or_box, chair)
ROUGH_SIZE = {
    table: (1.8, 0.95),
    shelf: (1.3, 0.4),
    cabinet: (1.4, 0.65),
    bed: (1.7, 2.1),
    sofa: (2.2, 0.95),
    floor_lamp: (0.4, 0.4),
    plant: (0.5, 0.5),
    bin_or_box: (0.5, 0.5),
    chair: (0.5, 0.5),
}
