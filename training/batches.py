"""``LabelledBatches``: the batch of every step as a function of (recipe, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from depth_anything_ros.errors import ConfigError

from .augment import augment
from .fit_config import FitConfig, SourceConfig
from .order import draw, sweep
from .samples import DepthSample, SampleSource
from .sources import open_source


@dataclass(frozen=True)
class Batch:
    """Tensors of one step: image uint8 (n, h, w, 3), focal_px (n,), is_metric (n,), the rest (n, h, w)."""

    image_nhw3: torch.Tensor
    depth_nhw: torch.Tensor
    """Depth along the optical axis, in metres where the sample is metric; 0 where not ``valid_nhw``."""
    valid_nhw: torch.Tensor
    """Where there is a finite depth above zero; nowhere for a sample of disparity."""
    disparity_nhw: torch.Tensor
    """1 / depth with 0 where sky, or the sample's own disparity; 0 where not ``disparity_valid_nhw``."""
    disparity_valid_nhw: torch.Tensor
    sky_nhw: torch.Tensor
    sky_known_nhw: torch.Tensor
    """Where it is known whether there is sky."""
    focal_px_n: torch.Tensor
    """Mean of fx and fy at this size [px]."""
    is_metric_n: torch.Tensor


class SampleDraw:
    """Which sample stands at a position of a batch: by the sources' weights, or one sweep after the other."""

    def __init__(self, sources: Sequence[SourceConfig], *, seed: int, batch_size: int) -> None:
        self._sources: list[SampleSource] = [
            open_source(item.kind, item.path, item.options, first=item.first, last=item.last) for item in sources
        ]
        self._edges = np.cumsum([len(source) for source in self._sources])
        weights = np.array([item.weight for item in sources], dtype=np.float64)
        if weights.any() and not weights.all():
            without = sources[int(np.flatnonzero(weights == 0)[0])]
            raise ConfigError(
                f"source {without.kind} {without.path}: no weight, so that it would never be drawn beside sources with "
                "one; a weight for all or for none is accepted"
            )
        self._shares = weights / weights.sum() if weights.sum() > 0 else None
        self._seed, self._batch_size = seed, batch_size

    def __len__(self) -> int:
        return int(self._edges[-1])

    def sample(self, step: int, position: int) -> DepthSample:
        """The sample, not augmented."""
        if self._shares is None:
            index = sweep(self._seed, step * self._batch_size + position, len(self))
            number = int(np.searchsorted(self._edges, index, side="right"))
            return self._sources[number][index - (int(self._edges[number - 1]) if number else 0)]
        number, share = draw(self._seed, step, position, self._shares)
        return self._sources[number][int(share * len(self._sources[number]))]


def batch_size_px(config: FitConfig, *, seed: int, step: int) -> tuple[int, int]:
    """(height, width) [px] of the batch of ``step``."""
    rng = np.random.default_rng([seed, step])
    short = config.short_side_at(step)
    aspect = float(rng.choice(np.asarray(config.aspects)))
    long = max(14, round(short * max(aspect, 1 / aspect) / 14) * 14)
    return (short, long) if aspect >= 1 else (long, short)


def sample_rng(seed: int, step: int, position: int) -> np.random.Generator:
    """The generator of everything random about one sample."""
    return np.random.default_rng([seed, step, position, 1])


class LabelledBatches:
    """Draws, augments and stacks labelled samples: a ``BatchSource``."""

    def __init__(self, config: FitConfig, sources: Sequence[SourceConfig], *, seed: int, interpolation: str) -> None:
        self._config, self._seed, self._interpolation = config, seed, interpolation
        self._draw = SampleDraw(sources, seed=seed, batch_size=config.batch_size)

    def batch(self, step: int, positions: range) -> Batch:
        """See ``BatchSource``."""
        height, width = batch_size_px(self._config, seed=self._seed, step=step)
        return collate([self.sample(step, position, height, width) for position in positions])

    def sample(self, step: int, position: int, height: int, width: int) -> DepthSample:
        """One augmented sample."""
        rng = sample_rng(self._seed, step, position)
        return augment(
            self._draw.sample(step, position), self._config.augment, rng,
            height=height, width=width, interpolation=self._interpolation,
        )  # fmt: skip


def collate(samples: Sequence[DepthSample]) -> Batch:
    """Stack samples of one size."""
    valid = np.stack([sample.valid_HW & (sample.quantity == "depth") for sample in samples])
    raw = np.stack([sample.depth_HW for sample in samples])
    disparity = np.stack([sample.disparity_HW for sample in samples])
    sky = np.isposinf(raw)
    known = np.array([sample.sky_known for sample in samples]).reshape(-1, 1, 1)
    return Batch(
        image_nhw3=torch.from_numpy(np.stack([sample.image_HW3 for sample in samples])),
        depth_nhw=torch.from_numpy(np.where(valid, raw, 0).astype(np.float32)),
        valid_nhw=torch.from_numpy(valid),
        disparity_nhw=torch.from_numpy(np.where(np.isfinite(disparity), disparity, 0).astype(np.float32)),
        disparity_valid_nhw=torch.from_numpy(np.isfinite(disparity)),
        sky_nhw=torch.from_numpy(sky),
        # A measured pixel is certainly not sky, also where the source does not label sky; a renderer's hole is unknown.
        sky_known_nhw=torch.from_numpy((known & ~np.isnan(raw)) | valid),
        focal_px_n=torch.tensor([sample.camera.focal_px for sample in samples], dtype=torch.float32),
        is_metric_n=torch.tensor([sample.is_metric for sample in samples]),
    )
