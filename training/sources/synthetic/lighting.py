"""How much light falls on the points of a picture."""

from __future__ import annotations

import numpy as np
import torch

from .cast import Pinhole, length
from .occlusion import block_pixels, openness, shadow
from .scene import Light, Scene


def unit(vector_3n: torch.Tensor) -> torch.Tensor:
    """Vectors (3,N) scaled to length 1."""
    return vector_3n / length(vector_3n).clamp_min(1e-12)


def fall_of_light(
    scene: Scene,
    point: torch.Tensor,
    normal: torch.Tensor,
    toward: torch.Tensor,
    depth: torch.Tensor,
    shine: torch.Tensor,
    chosen: torch.Tensor,
    camera: Pinhole,
    rng: np.random.Generator,
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
        glint = (normal * unit(beam + toward)).sum(0).clamp_min(0) ** 40 * shine * strength * 2.0
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
