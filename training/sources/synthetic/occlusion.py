"""Shadows and nearness of primitives, for blocks of neighbouring pixels at a time.

A block has a bounding sphere, so one small table of primitives by blocks tells which pixels need an exact test.
"""

from __future__ import annotations

import numpy as np
import torch

from .cast import length
from .primitives import FRUSTUM, PLANE, SPHERE, PrimitiveSet, hit_unit
from .scene import Light


def block_pixels(width: int, height: int, side: int, step: int, device: str) -> torch.Tensor:
    """Flat pixel numbers (B,S) of square blocks of ``side`` pixels, one sample per ``step`` pixels.

    Step 2 takes every other pixel of every other line, step 1 every other pixel in a quincunx. Pixels of blocks that
    overhang the image repeat its last line or column.
    """
    lines = torch.arange(0, side, step, device=device)
    columns = torch.arange(0, side, 2, device=device)
    top = torch.arange(0, height, side, device=device)
    left = torch.arange(0, width, side, device=device)
    y = top[:, None, None, None] + lines[None, None, :, None]
    x = left[None, :, None, None] + columns[None, None, None, :] + (y % 2 if step == 1 else 0)
    y, x = torch.broadcast_tensors(y.clamp(max=height - 1), x.clamp(max=width - 1))
    return (y * width + x).reshape(top.numel() * left.numel(), -1)


def _bounds(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centre (3,B) and radius (B,) of spheres about blocks of points (3,B,S)."""
    low, high = points.amin(2), points.amax(2)
    return (low + high) / 2, length(high - low) / 2


def shadow(
    rows: list[dict],
    solids: PrimitiveSet,
    light: Light,
    points: torch.Tensor,
    wanted: torch.Tensor,
    jitter: torch.Tensor,
) -> torch.Tensor:
    """1 where the light reaches the point, 0 where a primitive stands between; (B,S) float32 for points (3,B,S) [m].

    Blocks not ``wanted`` (B,) are left at 1. ``jitter`` (3,B,S) spreads the rays over the light's size, for soft edges
    after smoothing.
    """
    lit = torch.ones(points.shape[1:], device=points.device)
    place = torch.as_tensor(light.position, dtype=torch.float32, device=points.device)
    centre, radius = _bounds(points)
    solid_r = solids.radius[:, None]
    if light.sun:
        to_light = (place[:, None, None] + light.size * jitter) * 300.0
        along, solid_along = place @ centre, (solids.centre @ place)[:, None]
        beside = (((solids.centre[:, :, None] - centre) ** 2).sum(1) - (solid_along - along) ** 2).clamp_min(0).sqrt()
        behind = solid_along + solid_r < along - radius
        near = (beside < (solid_r + radius) * 1.1 + 0.2) & ~behind
    else:
        to_light = place[:, None, None] + light.size * jitter - points
        away, out = centre - place[:, None], solids.centre - place
        far, solid_far = length(away).clamp_min(1e-6), length(out.T).clamp_min(1e-6)[:, None]
        angle = torch.arccos(((out / solid_far) @ (away / far)).clamp(-1, 1))
        wide = solid_r + 2 * light.size
        spread = torch.asin((radius / far).clamp(max=1.0)) + torch.asin((wide / solid_far).clamp(max=1.0))
        about = (radius > far) | (wide > solid_far)
        near = ((angle < spread + 0.01) | about) & (solid_far - solid_r < far + radius)
    both = torch.cat([points, to_light])
    table = (near & wanted & solids.casts[:, None]).cpu().numpy()
    for number in np.flatnonzero(table.any(1)).tolist():
        chosen = torch.as_tensor(np.flatnonzero(table[number]), device=points.device)
        part = both.index_select(1, chosen).view(6, -1)
        unit = solids.unit_from_world[number]
        start = unit @ (part[:3] - solids.centre[number][:, None])
        t = hit_unit(rows[number]["kind"], rows[number]["taper"], start, unit @ part[3:])
        lit[chosen] *= (t >= 1.0).view(chosen.numel(), -1)
    return lit


def openness(rows: list[dict], solids: PrimitiveSet, points: torch.Tensor, reach: float) -> torch.Tensor:
    """How free the space is: distance from points (3,B,S) to the nearest primitive in ``reach`` [m]; (B,S) 0..1."""
    free = torch.full(points.shape[1:], reach, device=points.device)
    centre, radius = _bounds(points)
    local = torch.einsum("pji,pjb->pib", solids.rotation, centre[None] - solids.centre[:, :, None]).abs()
    half = torch.where(
        (solids.kind == PLANE)[:, None] & torch.tensor([False, False, True], device=points.device), 0.0, solids.half
    )
    table = (local - half[:, :, None] < radius + reach).all(1).cpu().numpy()
    for number in np.flatnonzero(table.any(1)).tolist():
        chosen = torch.as_tensor(np.flatnonzero(table[number]), device=points.device)
        part = points.index_select(1, chosen).view(3, -1) - solids.centre[number][:, None]
        place, size = (solids.rotation[number].T @ part).abs_(), half[number][:, None]
        kind = rows[number]["kind"]
        if kind == SPHERE:
            gap = length(place) - size.amin()
        elif kind == FRUSTUM:
            beside = (place[0] ** 2 + place[1] ** 2).sqrt() - size[0] * (0.5 + 0.5 * rows[number]["taper"])
            gap = (beside.clamp_min(0) ** 2 + (place[2] - size[2]).clamp_min(0) ** 2).sqrt()
        else:
            gap = length((place - size).clamp_min_(0))
        free[chosen] = torch.minimum(free[chosen], gap.clamp_min(0).view(chosen.numel(), -1))
    return (free / reach).clamp(0, 1)
