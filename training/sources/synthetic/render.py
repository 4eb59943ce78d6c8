"""From a scene and a camera to a picture with exact depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .cast import Pinhole, Pose, camera_rays, cast, length
from .materials import MaterialTable, noise
from .occlusion import block_pixels, openness, shadow
from .primitives import BOX, PLANE, unit_normals
from .scene import Light, Scene, Sky
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
    return RenderedView(
        picture, depth_HW, np.isinf(depth_HW), camera.fx, camera.fy, camera.cx, camera.cy, scene.kind
    )


def _shade(
    scene: Scene, camera: Pinhole, pose: Pose, rays: torch.Tensor, depth: torch.Tensor, index: torch.Tensor,
    chosen: torch.Tensor, rng: np.random.Generator,
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
    face = _unit(unit_normal / half)
    normal = torch.einsum("nij,jn->in", solids.rotation[number], face)
    toward = -_unit(ray)
    facing = (normal * toward).sum(0)
    normal = torch.where(facing < 0, -normal, normal)
    uv, size = _surface_coordinates(kind, local, face, half)
    pixel = t / camera.fx / facing.abs().clamp_min(0.25).sqrt()
    table = MaterialTable(scene.materials, TEXTURES, device)
    material = solids.material[number]
    albedo = table.colour(material, uv, pixel, size)
    light = _light(scene, point, normal, toward, t, table.shine[material], chosen, camera, rng)
    return albedo * (light[0] + table.glow[material][:, None]) + light[1]


def _unit(vector_3n: torch.Tensor) -> torch.Tensor:
    return vector_3n / length(vector_3n).clamp_min(1e-12)


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


def _light(
    scene: Scene, point: torch.Tensor, normal: torch.Tensor, toward: torch.Tensor, depth: torch.Tensor,
    shine: torch.Tensor, chosen: torch.Tensor, camera: Pinhole, rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Light that falls on the points and light mirrored to the eye, both (N,3) linear."""
    soft = _Softener(point, normal, depth, chosen, camera)
    ambient = torch.as_tensor(scene.ambient, dtype=torch.float32, device=point.device)
    tilt = 0.85 + 0.15 * normal[2] + 0.08 * normal[0] + 0.05 * normal[1]
    diffuse = (soft.ambient(scene) * tilt)[:, None] * ambient
    mirrored = torch.zeros_like(diffuse)
    for light in scene.lights:
        place = torch.as_tensor(light.position, dtype=torch.float32, device=point.device)[:, None]
        beam = place.expand_as(point) if light.sun else place - point
        distance = length(beam).clamp_min(0.05)
        beam = beam / distance
        strength = (normal * beam).sum(0).clamp_min(0)
        if not light.sun:
            strength = strength / (0.3 + distance * distance)
        if light.shadow and max(light.colour) > 0.0:
            strength = strength * soft.shadow(scene, light, strength, rng)
        colour = torch.as_tensor(light.colour, dtype=torch.float32, device=point.device)
        diffuse = diffuse + strength[:, None] * colour
        glint = (normal * _unit(beam + toward)).sum(0).clamp_min(0) ** 40 * shine * strength * 2.0
        mirrored = mirrored + glint[:, None] * colour
    return diffuse, mirrored


class _Softener:
    """Ambient light and shadows computed at some pixels and spread to all: both vary slowly or are to be soft."""

    def __init__(
        self, point: torch.Tensor, normal: torch.Tensor, depth: torch.Tensor, chosen: torch.Tensor, camera: Pinhole
    ) -> None:
        self.camera, self.chosen, device = camera, chosen, str(point.device)
        self.sparse = block_pixels(camera.width, camera.height, 16, 2, device)
        self.dense = block_pixels(camera.width, camera.height, 8, 1, device)
        self.hit = torch.zeros(camera.height * camera.width, device=device)
        self.hit[chosen] = 1.0
        # Pixels of the sky borrow the last hit point: they only have to stay out of the way.
        where = torch.full((camera.height * camera.width,), chosen.numel() - 1, dtype=torch.int64, device=device)
        where[chosen] = torch.arange(chosen.numel(), device=device)
        self.where = where
        self.point, self.normal, self.lift = point, normal, 2e-3 + 2e-4 * depth

    def _points(self, pixels: torch.Tensor, lift: float | None) -> torch.Tensor:
        at = self.where[pixels.reshape(-1)]
        away = self.lift[at] if lift is None else lift
        return (self.point[:, at] + away * self.normal[:, at]).view(3, *pixels.shape)

    def ambient(self, scene: Scene) -> torch.Tensor:
        """Share of ambient light (N,) that gets to each point: less in crevices and corners."""
        near, far = (0.12, 0.45) if scene.sky is None else (0.4, 1.5)
        solids = scene.primitives(str(self.point.device))
        crevice = openness(scene.rows, solids, self._points(self.sparse, near), near)
        cavity = openness(scene.rows, solids, self._points(self.sparse, far), far)
        return self._spread((0.35 + 0.65 * crevice) * (0.45 + 0.55 * cavity), self.sparse)

    def shadow(self, scene: Scene, light: Light, strength: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """How much of the light each point sees (N,)."""
        solids = scene.primitives(str(self.point.device))
        spread = rng.random((3, *self.dense.shape), dtype=np.float32) * 2.0 - 1.0
        jitter = torch.as_tensor(spread, device=self.point.device)
        wanted = ((strength[self.where] * self.hit)[self.dense] > 1e-3).any(1)
        seen = shadow(scene.rows, solids, light, self._points(self.dense, None), wanted, jitter)
        return self._spread(seen, self.dense)

    def _spread(self, value: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        image = torch.zeros((2, self.camera.height * self.camera.width), device=value.device)
        flat = pixels.reshape(-1)
        image[0, flat], image[1, flat] = value.reshape(-1) * self.hit[flat], self.hit[flat]
        for _ in range(2):
            planes = image.view(2, 1, self.camera.height, self.camera.width)
            image = torch.nn.functional.avg_pool2d(planes, 3, 1, 1).reshape(2, -1)
        return (image[0] / image[1].clamp_min(1e-6))[self.chosen]


def _sky(sky: Sky, ray: torch.Tensor) -> torch.Tensor:
    """Sky colour (N,3) along world rays (3,N): a gradient with clouds on a plane overhead."""
    ray = _unit(ray)
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
