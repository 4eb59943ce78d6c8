"""Solid primitives and their analytic ray tests.

Every primitive is a unit shape under an affine map: ``unit = diag(1 / half) @ rotation.T @ (world - centre)``. Such a
map keeps the ray parameter, so one test per shape serves every size and orientation.
World frame: metres, Z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

BOX, SPHERE, FRUSTUM, PLANE = 0, 1, 2, 3
NEAREST_T = 1e-5


@dataclass(frozen=True)
class PrimitiveSet:
    """All primitives of one scene as tensors of P rows on one device.

    kind (P,) int64; unit_from_world (P,3,3); centre (P,3) [m]; rotation (P,3,3), columns are the object axes in the
    world; half (P,3) [m] (infinite entries allowed for planes); taper (P,) = top radius / bottom radius of a frustum;
    material (P,) int64; casts (P,) bool: takes part in shadows; radius (P,) [m] of the bounding sphere.
    """

    kind: torch.Tensor
    unit_from_world: torch.Tensor
    centre: torch.Tensor
    rotation: torch.Tensor
    half: torch.Tensor
    taper: torch.Tensor
    material: torch.Tensor
    casts: torch.Tensor
    radius: torch.Tensor

    def __len__(self) -> int:
        return int(self.kind.shape[0])


def pack_primitives(rows: list[dict], device: str = "cpu") -> PrimitiveSet:
    """Stack primitive rows (keys kind, centre, rotation, half, taper, material, casts) into tensors on ``device``."""
    half = np.array([row["half"] for row in rows], dtype=np.float64)
    rotation = np.array([row["rotation"] for row in rows], dtype=np.float64)
    kind = np.array([row["kind"] for row in rows], dtype=np.int64)
    unit = rotation.transpose(0, 2, 1) / half[:, :, None]
    extent = np.where(kind[:, None] == PLANE, half * [1, 1, 0], half) if np.isfinite(half).all() else half
    radius = np.where(kind == SPHERE, half.max(axis=1), np.linalg.norm(extent, axis=1))

    def real(values: object) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=device)

    return PrimitiveSet(
        kind=torch.as_tensor(kind, device=device),
        unit_from_world=real(unit),
        centre=real([row["centre"] for row in rows]),
        rotation=real(rotation),
        half=real(half),
        taper=real([row["taper"] for row in rows]),
        material=torch.as_tensor([row["material"] for row in rows], dtype=torch.int64, device=device),
        casts=torch.as_tensor([row["casts"] for row in rows], dtype=torch.bool, device=device),
        radius=real(radius),
    )


def hit_unit(kind: int, taper: float, origin_3n: torch.Tensor, direction_3n: torch.Tensor) -> torch.Tensor:
    """First ray parameter t > 0 at which rays meet the unit shape, (N,) float32, +Inf on a miss.

    ``origin_3n`` may be (3,1) when all rays share it. A ray that starts inside hits the far side.
    """
    direction_3n = torch.where(direction_3n.abs() < 1e-12, torch.full_like(direction_3n, 1e-12), direction_3n)
    if kind == BOX:
        return _hit_box(origin_3n, direction_3n)
    if kind == SPHERE:
        return _hit_sphere(origin_3n, direction_3n)
    if kind == FRUSTUM:
        return _hit_frustum(origin_3n, direction_3n, taper)
    return _hit_plane(origin_3n, direction_3n)


def _miss(t: torch.Tensor, hit: torch.Tensor) -> torch.Tensor:
    return t.masked_fill(~hit, float("inf"))


def _hit_box(origin: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    inverse = direction.reciprocal()
    one, two = (-1.0 - origin) * inverse, (1.0 - origin) * inverse
    near = torch.minimum(one, two).amax(0)
    far = torch.maximum(one, two).amin(0)
    t = torch.where(near > NEAREST_T, near, far)
    return _miss(t, (far >= near) & (t > NEAREST_T))


def _hit_sphere(origin: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    a = (direction * direction).sum(0)
    middle = -(origin * direction).sum(0) / a
    # The distance of the ray from the centre, not b^2 - ac: that difference cancels for small far spheres.
    beside = origin + middle * direction
    rest = 1.0 - (beside * beside).sum(0)
    reach = (rest.clamp_min(0.0) / a).sqrt()
    t = torch.where(middle - reach > NEAREST_T, middle - reach, middle + reach)
    return _miss(t, (rest >= 0.0) & (t > NEAREST_T))


def _hit_frustum(origin: torch.Tensor, direction: torch.Tensor, taper: float) -> torch.Tensor:
    mid, slope = (1.0 + taper) / 2.0, (taper - 1.0) / 2.0
    ox, oy, oz = origin[0], origin[1], origin[2]
    dx, dy, dz = direction[0], direction[1], direction[2]
    reach = mid + slope * oz
    a = dx * dx + dy * dy - (slope * dz) ** 2
    a = torch.where(a.abs() < 1e-14, torch.full_like(a, 1e-14), a)
    b = ox * dx + oy * dy - reach * slope * dz
    c = ox * ox + oy * oy - reach * reach
    disc = b * b - a * c
    root = disc.clamp_min(0.0).sqrt()
    best = torch.full_like(a, float("inf"))
    for t in ((-b - root) / a, (-b + root) / a):
        on_side = (disc >= 0.0) & ((oz + t * dz).abs() <= 1.0) & (t > NEAREST_T)
        best = torch.minimum(best, _miss(t, on_side))
    for end, radius in ((-1.0, 1.0), (1.0, taper)):
        t = (end - oz) / dz
        x, y = ox + t * dx, oy + t * dy
        best = torch.minimum(best, _miss(t, (x * x + y * y <= radius * radius) & (t > NEAREST_T)))
    return best


def _hit_plane(origin: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    t = -origin[2] / direction[2]
    x, y = origin[0] + t * direction[0], origin[1] + t * direction[1]
    return _miss(t, (t > NEAREST_T) & (x.abs() <= 1.0) & (y.abs() <= 1.0))


def unit_normals(kind_n: torch.Tensor, taper_n: torch.Tensor, unit_3n: torch.Tensor) -> torch.Tensor:
    """Outward normals (3,N), not normalised, in unit space at surface points ``unit_3n`` of the given kinds."""
    size = unit_3n.abs()
    box = torch.zeros_like(unit_3n)
    axis = size.argmax(0, keepdim=True)
    box.scatter_(0, axis, unit_3n.gather(0, axis).sign())
    slope = (taper_n - 1.0) / 2.0
    side = torch.stack([unit_3n[0], unit_3n[1], -slope * ((1.0 + taper_n) / 2.0 + slope * unit_3n[2])])
    cap = torch.stack([torch.zeros_like(slope), torch.zeros_like(slope), unit_3n[2].sign()])
    frustum = torch.where(size[2] > 0.9999, cap, side)
    up = torch.zeros_like(unit_3n)
    up[2] = 1.0
    normals = torch.where(kind_n == SPHERE, unit_3n, box)
    normals = torch.where(kind_n == FRUSTUM, frustum, normals)
    return torch.where(kind_n == PLANE, up, normals)
