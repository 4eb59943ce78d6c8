"""The camera after the lens: exposure, colour cast, blur, vignetting, noise and gamma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Sensor:
    """``key`` = mean linear level aimed at; ``cast`` per channel; ``blur`` sigma [px]; noise in parts of full scale.

    A given ``exposure`` (gain on linear light) replaces the automatic one that ``key`` steers.
    """

    key: float = 0.22
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.5
    vignette: float = 0.1
    read_noise: float = 0.004
    shot_noise: float = 0.008
    saturation: float = 1.0
    exposure: float | None = None


def random_sensor(rng: np.random.Generator) -> Sensor:
    """A sensor with defects as cheap cameras have them."""
    warm = float(rng.normal(0.0, 0.06))
    return Sensor(
        key=float(rng.uniform(0.14, 0.40)),
        cast=(1.0 + warm, 1.0 + float(rng.normal(0.0, 0.02)), 1.0 - warm),
        blur=float(rng.uniform(0.5, 0.95)),
        vignette=float(rng.uniform(0.0, 0.35)),
        read_noise=float(rng.uniform(0.001, 0.012)),
        shot_noise=float(rng.uniform(0.002, 0.025)),
        saturation=float(rng.uniform(0.75, 1.2)),
    )


def gain_for(linear: torch.Tensor, key: float) -> float:
    """Exposure that brings the mean of an image, its highlights clipped, to ``key``."""
    luminance = linear.mean(2)
    limit = float(luminance.mean()) * 4.0
    return key / max(float(luminance.clamp(max=limit).mean()), 1e-6)


def develop(linear: torch.Tensor, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """Linear light (H,W,3) to a uint8 RGB image (H,W,3)."""
    height, width = linear.shape[:2]
    image = linear * (gain_for(linear, sensor.key) if sensor.exposure is None else sensor.exposure)
    image = image * torch.as_tensor(sensor.cast, dtype=torch.float32, device=linear.device)
    grey = image.mean(2, keepdim=True)
    image = grey + (image - grey) * sensor.saturation
    y = torch.linspace(-1, 1, height, device=linear.device)[:, None, None]
    x = torch.linspace(-1, 1, width, device=linear.device)[None, :, None]
    image = image * (1.0 - sensor.vignette * (x * x + y * y) / 2.0)
    image = _blur(image.clamp_min(0), sensor.blur)
    grain = torch.as_tensor(rng.standard_normal((height, width, 3)).astype(np.float32), device=linear.device)
    image = image + grain * (sensor.read_noise**2 + sensor.shot_noise**2 * image).sqrt() * 0.6
    # A shoulder keeps bright windows from clipping hard.
    image = torch.where(image > 0.7, 0.7 + 0.3 * (1 - torch.exp(-(image - 0.7) / 0.3)), image)
    encoded = image.clamp(0, 1) ** (1 / 2.2)
    return (encoded * 255.0 + 0.5).clamp(0, 255).to(torch.uint8).cpu().numpy()


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    offsets = torch.arange(-2, 3, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    planes = torch.nn.functional.pad(image.permute(2, 0, 1)[:, None], (2, 2, 2, 2), mode="replicate")
    planes = torch.nn.functional.conv2d(planes, kernel.view(1, 1, 1, 5))
    return torch.nn.functional.conv2d(planes, kernel.view(1, 1, 5, 1))[:, 0].permute(1, 2, 0)
