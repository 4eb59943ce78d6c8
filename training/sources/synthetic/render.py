"""From a scene and a camera to a picture with exact depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .cast import Pinhole, Pose, camera_rays, cast
from .lighting import fall_of_light, unit
from .materials import MaterialTable, noise
from .primitives import BOX, PLANE, unit_normals
from .scene import Scene, Sky
from .sensor import Sensor, develop
from .textures import TEXTURES


@dataclass(frozen=True)
class RenderedView:
    """A picture with its truth. image_HW3 uint8 RGB; depth_HW float32 planar z [m], +Inf where sky; intrinsics [px]."""

    image_HW3: np.ndarray
    depth_HW: np.ndarray
    sky_HW: np.ndarray
    fx: float
    fy: float
    cx: float
    cy: float
    kind: str


@torch.no_grad()
def hits(scene: Scene, camera: Pinhole, pose: Pose, device: str = "cpu") -> tuple[np.ndarray, np.ndarray]:
    """Planar depth (H,W) float32 [m], +Inf where nothing is hit, and the number of the primitive hit (H,W), -1 none."""
    depth, index = cast(scene.rows, scene.primitives(device), camera, pose, camera_rays(camera, pose, device))
    return depth.cpu().numpy(), index.cpu().numpy()


@torch.no_grad()
def render_view(
    scene: Scene, pose: Pose, camera: Pinhole, *, sensor: Sensor | None = None, seed: int = 0, device: str = "cpu"
) -> RenderedView:
    """Render one view. ``seed`` drives only noise of the picture; ``sensor`` None gives a plain clean camera."""
    rng = np.random.default_rng([scene.seed, seed, 77])
    solids = scene.primitives(device)
    rays = camera_rays(camera, pose, device)
    depth, index = cast(scene.rows, solids, camera, pose, rays)
    hit = index.reshape(-1) >= 0
    chosen = hit.nonzero()[:, 0]
    linear = torch.zeros((camera.height * camera.width, 3), device=device)
    if chosen.numel():
        linear[chosen] = _shade(scene, camera, pose, rays, depth, index, chosen, rng)
    missed = (~hit).nonzero()[:, 0]
    if missed.numel() and scene.sky is not None:
        linear[missed] = _sky(scene.sky, rays.reshape(3, -1)[:, missed])
    picture = develop(linear.view(camera.height, camera.width, 3), sensor or Sensor(), rng)
    depth_HW = depth.cpu().numpy()
    return RenderedView(picture, depth_HW, np.isinf(depth_HW), camera.fx, camera.fy, camera.cx, camera.cy, scene.kind)


def _shade(
    scene: Scene,
    camera: Pinhole,
    pose: Pose,
    rays: torch.Tensor,
    depth: torch.Tensor,
    index: torch.Tensor,
    chosen: torch.Tensor,
    rng: np.random.Generator,
) -> torch.Tensor:
    device = str(rays.device)
    solids = scene.primitives(device)
    number, t = index.reshape(-1)[chosen], depth.reshape(-1)[chosen]
    ray = rays.reshape(3, -1)[:, chosen]
    eye = torch.as_tensor(pose.position, dtype=torch.float32, device=device)
    point = eye[:, None] + ray * t
    offset = (point - solids.centre[number].T).T
    local = torch.einsum("nji,nj->in", solids.rotation[number], offset)
    half, kind = solids.half[number].T, solids.kind[number]
    unit_normal = unit_normals(kind, solids.taper[number], local / half)
    face = unit(unit_normal / half)
    normal = torch.einsum("nij,jn->in", solids.rotation[number], face)
    toward = -unit(ray)
    facing = (normal * toward).sum(0)
    normal = torch.where(facing < 0, -normal, normal)
    uv, size = _surface_coordinates(kind, local, face, half)
    pixel = t / camera.fx / facing.abs().clamp_min(0.25).sqrt()
    table = MaterialTable(scene.materials, TEXTURES, device)
    material = solids.material[number]
    albedo = table.colour(material, uv, pixel, size)
    light = fall_of_light(scene, point, normal, toward, t, table.shine[material], chosen, camera, rng)
    return albedo * (light[0] + table.glow[material][:, None]) + light[1]


def _surface_coordinates(
    kind: torch.Tensor, local: torch.Tensor, face: torch.Tensor, half: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(u, v) [m] on the surface and the size of the face [m], both (2,N). Upright faces have v up."""
    axis = face.abs().argmax(0)
    flat = (axis == 2) | (kind == PLANE)
    # Grain and boards run along the longer side of a level face.
    turned = flat & (half[1] > half[0])
    u = torch.where(turned | (axis == 0), local[1], local[0])
    v = torch.where(flat, torch.where(turned, local[0], local[1]), local[2])
    su = torch.where(turned | (axis == 0), half[1], half[0])
    sv = torch.where(flat, torch.where(turned, half[0], half[1]), half[2])
    round_side = (kind != BOX) & (kind != PLANE) & ~((axis == 2) & (face[2].abs() > 0.999))
    angle = torch.atan2(local[1], local[0])
    u = torch.where(round_side, angle * half[0], u)
    v = torch.where(round_side, local[2], v)
    su = torch.where(round_side, half[0] * 3.1416, su)
    sv = torch.where(round_side, half[2], sv)
    return torch.stack([u, v]), 2.0 * torch.stack([su, sv])


def _sky(sky: Sky, ray: torch.Tensor) -> torch.Tensor:
    """Sky colour (N,3) along world rays (3,N): a gradient with clouds on a plane overhead."""
    ray = unit(ray)
    height = ray[2].clamp_min(0.0)
    horizon = torch.as_tensor(sky.horizon, dtype=torch.float32, device=ray.device)
    zenith = torch.as_tensor(sky.zenith, dtype=torch.float32, device=ray.device)
    base = torch.lerp(horizon.expand(ray.shape[1], 3), zenith.expand(ray.shape[1], 3), (height**0.5)[:, None])
    spread = 1.0 / (height + 0.12)
    period, pixel = torch.full_like(height, 9.0), 0.006 * spread
    cloud = noise(ray[0] * spread + sky.seed, ray[1] * spread, period, pixel)
    amount = ((cloud - 0.8 + 0.6 * sky.cloud) * 4.0).clamp(0, 1) * 0.85
    white = torch.full_like(base, float(max(sky.horizon)) * 1.05)
    return torch.lerp(base, white, amount[:, None])
