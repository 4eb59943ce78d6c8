"""``BatchStream``: the batch of every step as a function of (recipe, step) alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from .augment import augment
from .config import SourceConfig, TrainConfig
from .samples import DepthSample
from .sources.frames import list_frames
from .sources.shards import ShardedSamples


class SampleSource(Protocol):
    """Samples by position; positions are stable."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> DepthSample: ...


@dataclass(frozen=True)
class Batch:
    """Tensors of one step: image uint8 (n, h, w, 3), the rest (n, h, w)."""

    image_nhw3: torch.Tensor
    log_depth_nhw: torch.Tensor
    """Natural logarithm of metres at the canonical focal length; 0 where not valid."""
    valid_nhw: torch.Tensor
    sky_nhw: torch.Tensor
    sky_known_nhw: torch.Tensor


def open_source(config: SourceConfig) -> SampleSource:
    """The samples of one entry of a recipe; frames are read once and kept, they are few."""
    if config.kind == "synthetic":
        return ShardedSamples(Path(config.path))
    return [entry.sample() for entry in list_frames(Path(config.path), config.dataset, config.first, config.last)]


class BatchStream:
    """Draws samples by weight, augments and stacks them."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._sources = [open_source(source) for source in config.sources]
        weights = np.array([source.weight for source in config.sources], dtype=np.float64)
        self._shares = weights / weights.sum()
        self._focal = float(config.network.get("canonical_focal_px", 300.0))

    def batch(self, step: int) -> Batch:
        """The batch of ``step``; the same for every call."""
        config = self._config
        rng = np.random.default_rng([config.seed, step])
        short = config.short_side_at(step)
        long = round(short * float(rng.choice(np.asarray(config.aspects))) / 14) * 14
        samples = [self._draw(rng, short, long) for _ in range(config.batch_size)]
        return collate(
            samples, canonical_focal_px=self._focal, min_depth_m=config.min_depth_m, max_depth_m=config.max_depth_m
        )

    def _draw(self, rng: np.random.Generator, height: int, width: int) -> DepthSample:
        source = self._sources[int(rng.choice(len(self._sources), p=self._shares))]
        sample = source[int(rng.integers(len(source)))]
        return augment(sample, self._config.augment, rng, height=height, width=width)


def collate(samples: list[DepthSample], *, canonical_focal_px: float, min_depth_m: float, max_depth_m: float) -> Batch:
    """Stack samples of one size; depth becomes the logarithm of metres at the canonical focal length (DA3's
    transform).
    """
    depth = np.stack([sample.depth_HW for sample in samples])
    valid = np.isfinite(depth) & (depth >= min_depth_m) & (depth <= max_depth_m)
    focal = np.array([sample.camera.focal_px for sample in samples], dtype=np.float32).reshape(-1, 1, 1)
    log_depth = np.where(valid, np.log(np.where(valid, depth, 1.0) * canonical_focal_px / focal), 0.0)
    known = np.array([sample.sky_known for sample in samples]).reshape(-1, 1, 1) & np.ones_like(valid)
    # A measured pixel is certainly not sky, also where the source does not label sky.
    known = (known & ~np.isnan(depth)) | valid
    return Batch(
        image_nhw3=torch.from_numpy(np.stack([sample.image_HW3 for sample in samples])),
        log_depth_nhw=torch.from_numpy(log_depth.astype(np.float32)),
        valid_nhw=torch.from_numpy(valid),
        sky_nhw=torch.from_numpy(np.isposinf(depth)),
        sky_known_nhw=torch.from_numpy(known),
    )
