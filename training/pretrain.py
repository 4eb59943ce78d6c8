"""Stage ``pretrain``: the encoder learns from images alone, for machines without DINOv2's weights.

A stand-in and no more: DINOv2 was trained on 142 million images. Patches are hidden and their pixels predicted by one
linear layer from the encoder's features, as in SimMIM (Xie et al. 2022); the pixels of a patch are first brought to
mean 0 and deviation 1, as in MAE (He et al. 2022), so that structure counts and brightness does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from depth_anything_ros.networks import DepthNetwork, build_network
from depth_anything_ros.networks.config import PATCH_SIZE
from depth_anything_ros.networks.conv_stem import ConvStem
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.spec import ResizeRule

from .augment import fit_sample
from .batches import LabelledBatches, batch_size_px
from .config import Recipe
from .fit_config import SourceConfig
from .initial import stage_seed
from .loop import fit
from .losses.reduce import image_mean
from .objective import Objective
from .stage_configs import PretrainConfig
from .stage_data import checkpoint_meta, opened, training_sources
from .stages import checkpoint_of, is_done

STAGE = "pretrain"
FIGURE = "masked_error"
_MASK_STREAM = 4


@dataclass(frozen=True)
class MaskedBatch:
    """Images uint8 (n, h, w, 3), and which patches are hidden (n, patches), row by row."""

    image_nhw3: torch.Tensor
    hidden_nl: torch.Tensor


class MaskedBatches:
    """A ``BatchSource`` of augmented images, labels ignored, with ``mask_share`` of each one's patches hidden."""

    def __init__(
        self, config: PretrainConfig, sources: Sequence[SourceConfig], *, seed: int, interpolation: str
    ) -> None:
        self._config, self._seed = config, seed
        self._samples = LabelledBatches(config, sources, seed=seed, interpolation=interpolation)

    def batch(self, step: int, positions: range) -> MaskedBatch:
        """See ``BatchSource``."""
        size_px = batch_size_px(self._config, seed=self._seed, step=step)
        images = [self._samples.sample(step, position, *size_px).image_HW3 for position in positions]
        count = (size_px[0] // PATCH_SIZE) * (size_px[1] // PATCH_SIZE)
        hidden = [
            hide(count, self._config.mask_share, np.random.default_rng([self._seed, step, position, _MASK_STREAM]))
            for position in positions
        ]
        return MaskedBatch(torch.from_numpy(np.stack(images)), torch.stack(hidden))


class PretrainObjective(Objective):
    """Mean absolute error of the hidden patches' pixels. Decoder and head are left as they are."""

    network: DepthNetwork

    def __init__(self, network: DepthNetwork, held_out: Sequence[MaskedBatch]) -> None:
        super().__init__()
        self.network = network
        # The same in every process and in every run, as the network itself.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.predict = nn.Linear(network.config.hidden_size, 3 * PATCH_SIZE**2)
        self._held_out = held_out
        self.best = FIGURE if held_out else ""
        projection = network.backbone.embeddings.patch_embeddings.projection
        unused = [network.neck, network.head] + ([projection.levels] if isinstance(projection, ConvStem) else [])
        for module in unused:
            module.requires_grad_(False)

    def forward(self, batch: MaskedBatch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See ``Objective``."""
        loss = self._error_n(self.network, batch).mean()
        return loss, {"masked_loss": loss.detach()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """See ``Objective``."""
        assert isinstance(network, DepthNetwork)
        device = self.predict.weight.device
        errors = [
            self._error_n(network, MaskedBatch(item.image_nhw3.to(device), item.hidden_nl.to(device))).mean().item()
            for item in self._held_out
        ]
        return {FIGURE: float(np.mean(errors))} if errors else {}

    def _error_n(self, network: DepthNetwork, batch: MaskedBatch) -> torch.Tensor:
        pixels = network.normalise(batch.image_nhw3)
        rows, columns = pixels.shape[2] // PATCH_SIZE, pixels.shape[3] // PATCH_SIZE
        hidden = batch.hidden_nl.reshape(-1, 1, rows, columns)
        hidden = hidden.repeat_interleave(PATCH_SIZE, dim=2).repeat_interleave(PATCH_SIZE, dim=3)
        # In the pixels and not in the tokens: a convolutional stem would see past a patch's border.
        tokens = network.tokens(pixels.masked_fill(hidden, 0.0))
        error = (self.predict(tokens).float() - patch_pixels(pixels)).abs().mean(dim=2)
        return image_mean(error, batch.hidden_nl)


def patch_pixels(pixels_n3hw: torch.Tensor) -> torch.Tensor:
    """The pixels of each patch, brought to mean 0 and deviation 1: (n, patches, 3 * 14 * 14), row by row."""
    n, channels, height, width = pixels_n3hw.shape
    cells = pixels_n3hw.reshape(n, channels, height // PATCH_SIZE, PATCH_SIZE, width // PATCH_SIZE, PATCH_SIZE)
    patches = cells.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, channels * PATCH_SIZE**2).float()
    deviation = patches.var(dim=2, keepdim=True, unbiased=False).add(1e-6).sqrt()
    return (patches - patches.mean(dim=2, keepdim=True)) / deviation


def hide(count: int, share: float, rng: np.random.Generator) -> torch.Tensor:
    """Which of ``count`` patches are hidden (count,): the share of them, at least one and not all."""
    hidden = np.zeros(count, np.bool_)
    hidden[rng.permutation(count)[: min(max(1, round(share * count)), count - 1)]] = True
    return torch.from_numpy(hidden)


def run(recipe: Recipe) -> Path:
    """Pre-train the encoder, or go on with it; the checkpoint."""
    if is_done(recipe, STAGE):
        return checkpoint_of(recipe, STAGE)
    config: PretrainConfig = recipe.section(STAGE)
    sources = training_sources(recipe, STAGE)
    network = build_network(recipe.network_config(head="relu"), seed=stage_seed(recipe, STAGE))
    objective = PretrainObjective(network, _held_out(recipe))
    batches = MaskedBatches(config, sources, seed=recipe.seed, interpolation=recipe.interpolation)
    meta = checkpoint_meta(recipe, STAGE, sources, quantity="disparity")
    return fit(objective, batches, config, recipe, STAGE, meta=meta)


def _held_out(recipe: Recipe) -> list[MaskedBatch]:
    """Every held-out image with one mask that stays the same."""
    config: PretrainConfig = recipe.section(STAGE)
    rule = ResizeRule(kind="short_side", side=max(config.short_sides), interpolation=recipe.interpolation)
    made = []
    for number, item in enumerate(recipe.sources(config.validation)):
        source = opened(item)
        for index in range(len(source)):
            sample = source[index]
            height, width = network_size(sample.camera.width, sample.camera.height, rule)
            sample = fit_sample(sample, height=height, width=width, interpolation=recipe.interpolation)
            rng = np.random.default_rng([recipe.seed, number, index, _MASK_STREAM])
            hidden = hide((height // PATCH_SIZE) * (width // PATCH_SIZE), config.mask_share, rng)
            made.append(MaskedBatch(torch.from_numpy(sample.image_HW3)[None], hidden[None]))
    return made
