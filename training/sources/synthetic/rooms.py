"""Indoor scenes: a room with doors, windows and furniture, often with a second room behind a doorway or a partition."""

from __future__ import annotations

import math

import numpy as np

from . import clutter, furniture, palettes
from .scene import Builder, Light, Placer, Scene, Viewpoint
from .walls import WALL, Opening, door, shell, sides, window


class Floor:
    """Which rectangles of a floor are taken."""

    def __init__(self, width: float, depth: float) -> None:
        self.width, self.depth = width, depth
        self.taken: list[tuple[float, float, float, float]] = []

    def free(self, box: tuple[float, float, float, float]) -> bool:
        """Whether (x0, y0, x1, y1) is inside the room and clear."""
        inside = box[0] >= -0.02 and box[1] >= -0.02 and box[2] <= self.width + 0.02 and box[3] <= self.depth + 0.02
        return inside and not any(
            box[0] < t[2] and box[2] > t[0] and box[1] < t[3] and box[3] > t[1] for t in self.taken
        )

    def take(self, box: tuple[float, float, float, float]) -> bool:
        """Claim a rectangle; False when it is not free."""
        if not self.free(box):
            return False
        self.taken.append(box)
        return True


def _reach(x: float, y: float, yaw: float, width: float, depth: float) -> tuple[float, float, float, float]:
    """Bounds of a footprint (width along local x, depth along -y) at a pose."""
    c, s = math.cos(yaw), math.sin(yaw)
    corners = [(x + c * i - s * j, y + s * i + c * j) for i in (-width / 2, width / 2) for j in (0.0, -depth)]
    xs, ys = [a for a, _ in corners], [d for _, d in corners]
    return min(xs), min(ys), max(xs), max(ys)


def furnish(b: Builder, p: Placer, floor: Floor, number: int) -> list[tuple[float, float, float]]:
    """Put furniture at the walls and in the middle; returns points worth looking at (local)."""
    spots: list[tuple[float, float, float]] = []
    walls = sides(floor.width, floor.depth)
    for _ in range(number * 3):
        if len(spots) >= number:
            break
        maker = furniture.AGAINST_WALL[b.count(0, len(furniture.AGAINST_WALL) - 1)]
        wide, deep = furniture.ROUGH_SIZE[maker]
        x, y, yaw, length = walls[b.count(0, 3)]
        if length < wide + 0.1:
            continue
        along = b.u(wide / 2, length - wide / 2)
        at_x, at_y = x + math.cos(yaw) * along, y + math.sin(yaw) * along
        if not floor.take(_reach(at_x, at_y, yaw, wide, deep + 0.02)):
            continue
        maker(b, p.at(at_x, at_y, 0, yaw).at(0, -0.02))
        if maker is furniture.table and b.chance(0.7):
            furniture.chair(b, p.at(at_x, at_y, 0, yaw).at(b.u(-0.2, 0.2), -deep - 0.45, 0, math.pi + b.u(-0.5, 0.5)))
        spots.append((at_x - math.sin(-yaw) * deep / 2, at_y - math.cos(yaw) * deep / 2, b.u(0.3, 1.3)))
    if min(floor.width, floor.depth) > 3.2 and b.chance(0.6):
        _island(b, p, floor, spots)
    return spots


def _island(b: Builder, p: Placer, floor: Floor, spots: list[tuple[float, float, float]]) -> None:
    x, y = floor.width * b.u(0.35, 0.65), floor.depth * b.u(0.35, 0.65)
    if not floor.take((x - 1.2, y - 1.0, x + 1.2, y + 1.0)):
        return
    turn = p.at(x, y, 0, b.u(-3, 3))
    if b.chance(0.3):
        low = b.u(0.35, 0.48)
        furniture.table(b, turn.at(0, 0.4), b.u(0.6, 1.1), low)
    else:
        wide, _ = furniture.table(b, turn.at(0, 0.4), b.u(1.0, 1.5))
        for side in range(b.count(1, 4)):
            yaw = (side % 2) * math.pi + b.u(-0.3, 0.3)
            back = 0.85 if side % 2 == 0 else -1.0
            furniture.chair(b, turn.at((side // 2 - 0.5) * wide * 0.5, back, 0, yaw))
    spots.append((x, y, 0.6))


def room_scene(seed: int) -> Scene:
    """A seeded indoor scene."""
    b = Builder(np.random.default_rng([seed, 1]))
    corridor = b.chance(0.12)
    width, depth = (b.u(1.3, 2.2), b.u(4.5, 12.0)) if corridor else (b.u(2.2, 8.0), b.u(2.5, 8.0))
    height = b.u(2.3, 3.2)
    openings: dict[int, list[Opening]] = {}
    floor, p = Floor(width, depth), b.at(0, 0)
    walls = sides(width, depth)
    if b.chance(0.5) or corridor:
        number = b.count(0, 3)
        length = walls[number][3]
        if b.chance(0.7):
            wide, high = b.u(0.75, 1.0), b.u(1.95, 2.1)
        else:
            wide, high = b.u(1.2, max(1.25, min(2.2, length * 0.6))), 2.15
        at = b.u(wide / 2 + 0.2, max(wide / 2 + 0.21, length - wide / 2 - 0.2))
        openings[number] = [(at - wide / 2, at + wide / 2, 0.0, high)]
        _second_room(b, p.at(*walls[number][:2], 0, walls[number][2]), at, wide, high)
        _keep_clear(floor, walls[number], at, wide)
    shell(b, p, width, depth, height, openings)
    daylight = _wall_things(b, p, floor, walls, openings, height)
    if width > 3.5 and depth > 3.5 and b.chance(0.2):
        part = (b.u(0.8, width * 0.4), b.u(0.8, depth * 0.4))
        p.block(part[0] / 2, part[1] / 2, 0, (*part, height), palettes.wall_paint(b))
        floor.take((0, 0, *part))
    area = width * depth
    spots = furnish(b, p, floor, b.count(1, 5) if corridor else b.count(3, 6 + int(area / 5)))
    for _ in range(b.count(0, 4)):
        x, y = b.u(0.4, width - 0.4), b.u(0.4, depth - 0.4)
        if floor.take((x - 0.25, y - 0.25, x + 0.25, y + 0.25)):
            clutter.scatter(b, p.at(x, y), 0.3, 0.3, b.count(1, 3), clutter.SMALL, 0.12)
    if b.chance(0.3):
        rug = p.at(width / 2, depth / 2, 0, b.u(-0.3, 0.3))
        rug.block(0, 0, 0, (width * 0.5, depth * 0.4, 0.008), palettes.cloth(b), False)
    _ceiling_lights(b, p, width, depth, height, daylight)
    level = b.u(0.18, 0.5)
    viewpoint = Viewpoint(
        (0.25, 0.25, 0.4),
        (width - 0.25, depth - 0.25, 1.8),
        tuple(spots) or ((width / 2, depth / 2, 0.8),),
        (-35.0, 10.0),
        8.0,
        (35.0, 95.0),
    )
    ambient = (level * b.u(0.92, 1.08), level, level * b.u(0.85, 1.05))
    return Scene("room", seed, b.rows, b.materials, b.lights, ambient, None, viewpoint)


def _keep_clear(floor: Floor, side: tuple[float, float, float, float], at: float, wide: float) -> None:
    x, y, yaw, _ = side
    floor.taken.append(_reach(x + math.cos(yaw) * at, y + math.sin(yaw) * at, yaw, wide + 0.1, 0.9))


def _second_room(b: Builder, p: Placer, at: float, wide: float, high: float) -> None:
    """A further room behind a wall: ``p`` stands on that wall with +y into the further room."""
    width, depth, height = b.u(max(1.5, wide + 0.4), 5.0), b.u(1.5, 6.0), b.u(max(2.3, high + 0.1), 2.9)
    left = at - b.u(wide / 2 + 0.1, width - wide / 2 - 0.1)
    q = p.at(left, 2 * WALL)
    near = width - (at - left)
    shell(b, q, width, depth, height, {2: [(near - wide / 2, near + wide / 2, 0.0, high)]})
    floor = Floor(width, depth)
    floor.taken.append((at - left - wide / 2, 0, at - left + wide / 2, 1.0))
    furnish(b, q, floor, b.count(1, 5))
    door(b, p.at(0, 0), at, wide, high, False)
    lamp = q.at(width / 2, depth / 2, height - 0.25).origin
    power = b.u(1.0, 5.0)
    b.lights.append(Light(tuple(lamp), (power, power * 0.93, power * 0.82), size=0.15))


def _wall_things(
    b: Builder, p: Placer, floor: Floor, walls: list, openings: dict[int, list[Opening]], height: float
) -> float:
    """Closed doors, windows, pictures and boards on walls without an opening; returns how much daylight there is."""
    daylight = 0.0
    for number, (x, y, yaw, length) in enumerate(walls):
        if number in openings:
            continue
        q, used = p.at(x, y, 0, yaw), b.rng.random()
        if used < 0.3 and length > 1.4:
            wide, low = b.u(0.7, min(2.4, length - 0.6)), b.u(0.75, 1.05)
            at, bright = b.u(wide / 2 + 0.25, length - wide / 2 - 0.25), b.u(0.6, 2.5)
            window(b, q, at, wide, low, min(height - 0.2, low + b.u(0.8, 1.4)), bright)
            daylight += bright
            beam = q.at(at, -0.5, low + 0.6).origin
            b.lights.append(Light(tuple(beam), (bright * 1.5, bright * 1.6, bright * 1.75), size=0.35))
        elif used < 0.5 and length > 1.2:
            at = b.u(0.6, length - 0.6)
            door(b, q, at, b.u(0.75, 0.95), 2.0, True)
            _keep_clear(floor, (x, y, yaw, length), at, 0.9)
        for _ in range(b.count(0, 4) if used > 0.4 else 0):
            wide, tall = b.u(0.25, 0.9), b.u(0.25, 0.8)
            if length > wide + 0.4:
                place = (b.u(wide / 2, length - wide / 2), -0.012, b.u(1.3, 1.75))
                q.box(place, (wide, 0.024, tall), palettes.picture(b), False)
    return daylight


def _ceiling_lights(b: Builder, p: Placer, width: float, depth: float, height: float, daylight: float) -> None:
    if daylight > 1.5 and b.chance(0.4):
        return
    tint = (1.0, b.u(0.85, 1.0), b.u(0.65, 1.0))
    power = b.u(1.5, 5.0) * max(1.0, width * depth / 16.0) ** 0.5
    for i in range(2 if width * depth > 22 else 1):
        x, y = width * b.u(0.35, 0.65), depth * ((i + 0.5) / 2 if width * depth > 22 else b.u(0.35, 0.65))
        glow = palettes.plain(b, (0.95, 0.93, 0.88), 0, 4.0)
        if b.chance(0.5):
            p.box((x, y, height - 0.03), (b.u(0.3, 1.2), b.u(0.15, 0.6), 0.06), glow, False)
        else:
            p.ball((x, y, height - 0.1), (0.2, 0.2, 0.1), glow, False)
        b.lights.append(Light((x, y, height - 0.3), tuple(power * c for c in tint), size=b.u(0.05, 0.25)))
