"""The textures by name. Each takes a ``Surface`` of N points and returns linear albedo (N,3)."""

from __future__ import annotations

import torch

from .materials import Surface, Texture, band, cell_hash, mix


def _dapple(colour_n3: torch.Tensor, value_n: torch.Tensor, strength: float) -> torch.Tensor:
    return colour_n3 * (1.0 + strength * (value_n - 0.5) * 2.0)[:, None]


def solid(s: Surface) -> torch.Tensor:
    """Paint with faint stains."""
    return _dapple(s.c0, s.noise(3.0), 0.10)


def blotches(s: Surface) -> torch.Tensor:
    """Two colours mixed by 1/f noise."""
    return mix(s.c0, s.c1, (s.noise(4.0) - 0.5) * 2.2 + 0.5) * (0.85 + 0.3 * s.noise(1.0, 1))[:, None]


def wood(s: Surface) -> torch.Tensor:
    """Grain along u."""
    lines = s.noise(0.9, 0, 12.0)
    rings = torch.sin((s.v / s.scale * 6.0 + 5.0 * s.noise(3.0, 0, 4.0)) * 6.2832)
    fade = (1.0 - s.pixel / s.scale * 12.0).clamp(0, 1)
    return mix(s.c0, s.c1, 0.25 + 0.9 * (lines - 0.3) + 0.16 * rings * fade)


def planks(s: Surface) -> torch.Tensor:
    """Floor boards of width ``scale`` along u."""
    u, v, pixel = s.grid()
    row = v.floor()
    along = u / 7.0 + cell_hash(row, row * 0 + 3, s.seed)
    tone = cell_hash(row, along.floor(), s.seed)
    grain = s.noise(0.8, 0, 10.0)
    board = mix(s.c0, s.c1, 0.15 + 0.45 * tone + 0.6 * (grain - 0.4))
    seam = torch.maximum(band(v, 0.03, pixel), band(along, 0.004, pixel / 7.0))
    return mix(board, s.c0 * 0.25, seam * 0.8)


def brick(s: Surface) -> torch.Tensor:
    """Bricks c0/c1 with mortar c2; ``scale`` is the length of a brick."""
    u, v, pixel = s.grid(0.33)
    row = v.floor()
    u = u + 0.5 * (row % 2)
    stone = mix(s.c0, s.c1, cell_hash(u.floor(), row, s.seed))
    joint = torch.maximum(band(u, 0.05, pixel), band(v, 0.14, pixel * 3))
    return _dapple(mix(stone, s.c2, joint), s.noise(0.7, 1), 0.25)


def tiles(s: Surface) -> torch.Tensor:
    """Square tiles c0/c1 with grout c2."""
    u, v, pixel = s.grid()
    tone = cell_hash(u.floor(), v.floor(), s.seed)
    tile = _dapple(mix(s.c0, s.c1, tone * 0.5), s.noise(1.3), 0.12)
    return mix(tile, s.c2, torch.maximum(band(u, 0.025, pixel), band(v, 0.025, pixel)))


def checker(s: Surface) -> torch.Tensor:
    """Squares of two colours."""
    u, v, pixel = s.grid()
    wave = torch.sin(u * 3.14159) * torch.sin(v * 3.14159)
    sharp = (wave / (pixel * 3.0).clamp_min(1e-4) + 0.5).clamp(0, 1)
    amount = torch.lerp(sharp, torch.full_like(sharp, 0.5), (pixel - 0.4).clamp(0, 1))
    return _dapple(mix(s.c0, s.c1, amount), s.noise(2), 0.1)


def stripes(s: Surface) -> torch.Tensor:
    """Stripes along v."""
    u, _, pixel = s.grid()
    return _dapple(mix(s.c0, s.c1, band(u, 0.45, pixel)), s.noise(1.5), 0.1)


def marble(s: Surface) -> torch.Tensor:
    """Veins."""
    u, v, pixel = s.grid()
    wave = torch.sin((u + 0.4 * v + 3.0 * s.noise(3.0)) * 6.2832)
    return mix(s.c0, s.c1, (1.0 - wave.abs()) ** 4 * (1.0 - pixel).clamp(0, 1) + 0.4 * (s.noise(1.8) - 0.4))


def carpet(s: Surface) -> torch.Tensor:
    """Fine grain."""
    return _dapple(mix(s.c0, s.c1, (s.noise(0.35, 1) - 0.5) * 2.0 + 0.5), s.noise(4.0), 0.2)


def fabric(s: Surface) -> torch.Tensor:
    """Plaid and folds."""
    u, v, pixel = s.grid()
    cloth = mix(mix(s.c0, s.c1, 0.6 * band(u, 0.4, pixel)), s.c2, 0.5 * band(v, 0.25, pixel))
    return _dapple(_dapple(cloth, s.noise(2.2), 0.3), s.noise(0.3, 1), 0.15)


def poster(s: Surface) -> torch.Tensor:
    """A framed picture: flat areas from noise, a few rectangles, a pale border."""
    x, y = s.u / s.su + 0.5, s.v / s.sv + 0.5
    value = s.noise(1.4) + 0.35 * (y - 0.5)
    art = mix(s.c0, s.c1, (value - 0.45) * 9.0)
    art = mix(art, s.c2, (s.noise(0.8) - 0.58) * 14.0)
    block = cell_hash((x * 4).floor(), (y * 5).floor(), s.seed)
    art = torch.where((block > 0.86)[:, None], s.c2 * block[:, None], art)
    edge = torch.minimum(torch.minimum(x, 1 - x) * s.su, torch.minimum(y, 1 - y) * s.sv) / torch.minimum(s.su, s.sv)
    art = torch.where((edge < 0.10)[:, None], torch.full_like(art, 0.72), art)
    return torch.where((edge < 0.035)[:, None], s.c0 * 0.3, art)


def facade(s: Surface) -> torch.Tensor:
    """A house front: rows of windows of period ``scale``, panes dark or lit, frames pale."""
    u, v, pixel = s.grid()
    inside = band(u + 0.5, 0.46, pixel) * band(v + 0.5, 0.56, pixel)
    pane = band(u + 0.5, 0.38, pixel) * band(v + 0.5, 0.48, pixel)
    light = cell_hash(u.floor(), v.floor(), s.seed)
    wall = _dapple(_dapple(s.c0, s.noise(6.0), 0.2), s.noise(1.5, 1), 0.1)
    sash = 1.0 - torch.maximum(band(u + 0.5, 0.03, pixel), band(v + 0.4, 0.03, pixel))
    glass = s.c2 * (0.15 + 0.9 * light**3 + 0.25 * (v - v.floor()))[:, None]
    return mix(mix(wall, s.c1, inside), glass, pane * sash)


def label(s: Surface) -> torch.Tensor:
    """A printed package: coloured fields with rows of lettering-like marks."""
    x, y = s.u / s.su + 0.5, s.v / s.sv + 0.5
    size = torch.minimum(s.su, s.sv) * 0.11
    row, column = (s.v / size).floor(), (s.u / size * 1.9).floor()
    field = cell_hash((y * 3).floor(), s.seed * 0 + 1, s.seed)
    base = torch.where((field > 0.6)[:, None], s.c1, s.c0)
    base = torch.where((cell_hash((y * 3).floor(), (x * 2).floor(), s.seed + 5) > 0.75)[:, None], s.c2, base)
    ink = (cell_hash(column, row, s.seed) > 0.42) & (cell_hash(row, row * 0 + 7, s.seed) > 0.45)
    ink = ink & ((s.v / size - row - 0.5).abs() < 0.28) & ((s.pixel / size) < 0.9)
    dark = base.mean(1, keepdim=True) > 0.3
    return torch.where(ink[:, None], torch.where(dark, base * 0.15, base * 0.2 + 0.7), base)


def view(s: Surface) -> torch.Tensor:
    """What is seen through a window pane: sky above, blurred greenery and houses below."""
    y = s.v / s.sv + 0.5
    skyline = 0.35 + 0.35 * (s.noise(2.6, 0, 1.0) - 0.5) * 2
    soft = ((y - skyline) * 9.0 + 0.5).clamp(0, 1)
    ground = mix(s.c1, s.c2, (s.noise(0.9) - 0.5) * 4 + 0.5) * 0.5
    return mix(ground, s.c0 * (0.75 + 0.35 * y)[:, None], soft)


def foliage(s: Surface) -> torch.Tensor:
    """Leaves: strong fine contrast."""
    leaf = (s.noise(0.5, 1) - 0.5) * 3.0 + 0.5
    return mix(s.c0 * 0.35, mix(s.c0, s.c1, s.noise(1.2)), leaf) * (0.5 + s.noise(2.0))[:, None]


TEXTURES: dict[str, Texture] = {
    "solid": solid,
    "noise": blotches,
    "wood": wood,
    "planks": planks,
    "brick": brick,
    "tiles": tiles,
    "checker": checker,
    "stripes": stripes,
    "marble": marble,
    "carpet": carpet,
    "poster": poster,
    "facade": facade,
    "label": label,
    "fabric": fabric,
    "view": view,
    "foliage": foliage,
}
