"""Materials: procedural textures evaluated on surface coordinates in metres.

Noise comes from one fixed tileable 1/f tile with blurred copies of it, so a lookup is one bilinear fetch at the level
that suits the distance; patterns fade to their mean where a pixel covers more than a period. Colours: linear RGB 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

TILE = 256
LEVELS = 6
KINDS = (
    "solid",
    "noise",
    "wood",
    "planks",
    "brick",
    "tiles",
    "checker",
    "stripes",
    "marble",
    "carpet",
    "poster",
    "facade",
    "label",
    "fabric",
    "view",
    "foliage",
)


@dataclass(frozen=True)
class Material:
    """``kind`` of texture, three linear colours, ``scale`` = size of one repeat [m], shine 0..1, glow = own light."""

    kind: str
    colours: tuple[tuple[float, float, float], ...]
    scale: float = 1.0
    shine: float = 0.0
    glow: float = 0.0
    seed: float = 0.0


@lru_cache(maxsize=4)
def _noise_tiles(device: str) -> torch.Tensor:
    """(LEVELS, 2, TILE, TILE): level l has no detail under 2**l texels; channel 0 is 1/f noise, channel 1 grain."""
    rng = np.random.default_rng(20240607)
    radius = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.fftfreq(TILE)[None, :]) * TILE
    tiles = np.empty((LEVELS, 2, TILE, TILE), dtype=np.float32)
    for channel, power in enumerate((1.15, 0.35)):
        spectrum = np.fft.fft2(rng.standard_normal((TILE, TILE))) / np.maximum(radius, 1.0) ** power
        spectrum[0, 0] = 0.0
        deviation = np.fft.ifft2(spectrum).real.std()
        for level in range(LEVELS):
            soft = np.exp(-0.5 * (radius / TILE * (2**level) * 1.6) ** 2) if level else 1.0
            tiles[level, channel] = 0.5 + 0.22 * np.fft.ifft2(spectrum * soft).real / deviation
    return torch.as_tensor(tiles.clip(0, 1), device=device)


def noise(
    u: torch.Tensor, v: torch.Tensor, period: torch.Tensor, pixel: torch.Tensor, channel: int = 0
) -> torch.Tensor:
    """1/f noise 0..1 (mean 0.5) at (u, v) [m] that repeats every ``period`` [m]; ``pixel`` = pixel footprint [m]."""
    tiles = _noise_tiles(str(u.device))
    level = torch.log2((pixel / period * TILE).clamp(1.0, 2.0 ** (LEVELS - 1))).round().long()
    x, y = u / period * TILE, v / period * TILE
    x0, y0 = x.floor(), y.floor()
    ax, ay = x - x0, y - y0
    xi, yi = x0.long() % TILE, y0.long() % TILE
    xj, yj = (xi + 1) % TILE, (yi + 1) % TILE
    flat = tiles.reshape(-1)
    base = (level * 2 + channel) * TILE * TILE
    top = torch.lerp(flat[base + yi * TILE + xi], flat[base + yi * TILE + xj], ax)
    low = torch.lerp(flat[base + yj * TILE + xi], flat[base + yj * TILE + xj], ax)
    return torch.lerp(top, low, ay)


def cell_hash(i: torch.Tensor, j: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
    """A number 0..1 per cell (i, j)."""
    value = torch.sin(i * 12.9898 + j * 78.233 + seed * 37.719) * 43758.5453
    return value - value.floor()


def band(x: torch.Tensor, width: torch.Tensor | float, pixel: torch.Tensor) -> torch.Tensor:
    """1 inside lines of ``width`` about whole numbers of ``x``, anti-aliased for a pixel that covers ``pixel`` of x."""
    away = (x - x.round()).abs()
    sharp = ((width / 2 - away) / pixel.clamp_min(1e-6) + 0.5).clamp(0, 1)
    return torch.lerp(sharp, torch.as_tensor(width, device=x.device).expand_as(sharp), (pixel - 0.4).clamp(0, 1))


def mix(first_n3: torch.Tensor, second_n3: torch.Tensor, amount_n: torch.Tensor) -> torch.Tensor:
    """Blend colours."""
    return torch.lerp(first_n3, second_n3, amount_n.clamp(0, 1)[:, None])


@dataclass
class Surface:
    """What a texture sees at N points: (u, v), footprint ``pixel``, ``scale``, face size su x sv [m], colours (N,3)."""

    u: torch.Tensor
    v: torch.Tensor
    pixel: torch.Tensor
    c0: torch.Tensor
    c1: torch.Tensor
    c2: torch.Tensor
    scale: torch.Tensor
    seed: torch.Tensor
    su: torch.Tensor
    sv: torch.Tensor

    def grid(self, aspect: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """u and v in repeats (shifted per material), and the footprint in repeats."""
        u, v = self.u / self.scale + self.seed * 0.37, self.v / (self.scale * aspect) + self.seed * 0.61
        return u, v, self.pixel / self.scale

    def noise(self, period: float, channel: int = 0, stretch: float = 1.0) -> torch.Tensor:
        """Noise 0..1 repeating every ``period`` [m], ``stretch`` times longer along u."""
        reach = torch.full_like(self.u, period)
        return noise(self.u / stretch + self.seed * 1.7, self.v + self.seed * 2.3, reach, self.pixel, channel)


Texture = Callable[[Surface], torch.Tensor]


class MaterialTable:
    """The materials of a scene as tensors, with ``colour`` to evaluate the texture of each pixel."""

    def __init__(self, materials: list[Material], textures: dict[str, Texture], device: str) -> None:
        def real(values: list) -> torch.Tensor:
            return torch.as_tensor(np.asarray(values, dtype=np.float32), device=device)

        self.textures = textures
        self.kind = torch.as_tensor([KINDS.index(m.kind) for m in materials], device=device)
        self.colours = real([[m.colours[min(i, len(m.colours) - 1)] for i in range(3)] for m in materials])
        self.scale = real([m.scale for m in materials])
        self.shine = real([m.shine for m in materials])
        self.glow = real([m.glow for m in materials])
        self.seed = real([m.seed for m in materials])

    def colour(
        self, material_n: torch.Tensor, uv_2n: torch.Tensor, pixel_n: torch.Tensor, size_2n: torch.Tensor
    ) -> torch.Tensor:
        """Linear albedo (N,3) at surface coordinates ``uv_2n`` [m] on faces of ``size_2n`` [m]."""
        out = torch.empty((material_n.shape[0], 3), device=material_n.device)
        kind = self.kind[material_n]
        for number in torch.unique(kind).tolist():
            where = (kind == number).nonzero()[:, 0]
            m = material_n[where]
            seed = self.seed[m]
            surface = Surface(
                uv_2n[0, where],
                uv_2n[1, where],
                pixel_n[where],
                self.colours[m, 0],
                self.colours[m, 1],
                self.colours[m, 2],
                self.scale[m],
                seed,
                size_2n[0, where],
                size_2n[1, where],
            )
            out[where] = self.textures[KINDS[number]](surface)
        return out
