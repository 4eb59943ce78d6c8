"""Stage ``metric``: fine-tune to metres."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from depth_anything_ros.networks import DepthNetwork

from .batches import Batch, LabelledBatches
from .config import Recipe
from .held_out import HeldOut, side_by_side
from .initial import continued_network, fresh_network
from .loop import fit
from .losses import gradient_matching_loss, scale_loss, silog_loss, sky_loss
from .objective import Objective
from .samples import DepthSample
from .scores import Protocol
from .stage_configs import MetricConfig
from .stage_data import checkpoint_meta, probe, require_metric, training_sources
from .stages import checkpoint_of, is_done

STAGE = "metric"
FIGURE = "abs_rel"
"""Unaligned: what is wrong with the scale counts, which the released trainer's users lost most by."""
_PICTURES = 2


class MetricBatches(LabelledBatches):
    """Labelled batches of metric samples alone; ``SourceError`` names one that is relative."""

    def sample(self, step: int, position: int, height: int, width: int) -> DepthSample:
        """One augmented sample."""
        sample = super().sample(step, position, height, width)
        require_metric(sample)
        return sample


class MetricObjective(Objective):
    """SILog, scale, edges and sky on the logarithm of depth, image by image.

    Heads log_depth and exp learn metres at the canonical focal length: depth times canonical / focal (Depth Anything
    3), so that every camera is right. Head sigmoid learns the metres of its training camera (Depth Anything V2), in the
    logarithm of the sigmoid, which stays finite where the sigmoid itself is 0.
    """

    network: DepthNetwork

    def __init__(self, network: DepthNetwork, held_out: HeldOut, config: MetricConfig) -> None:
        super().__init__()
        self.network = network
        self._held_out, self._config = held_out, config
        self.best = FIGURE if held_out else ""

    def forward(self, batch: Batch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See ``Objective``."""
        config, network = self._config, self.network.config
        logits = self.network.logits(batch.image_nhw3)
        pred = log_metres(logits[0].float(), network.head, network.max_depth_m)
        true, valid = target(
            batch, network.canonical_focal_px if network.has_sky else None,
            min_depth_m=config.min_depth_m, max_depth_m=min(config.max_depth_m, config.head_max_depth_m or math.inf),
        )  # fmt: skip
        shape_n = silog_loss(pred, true, valid, variance_focus=config.variance_focus)
        terms = {"silog_loss": shape_n}
        total_n = shape_n
        for name, weight, loss in (
            ("scale_loss", config.scale_weight, scale_loss),
            ("gradient_loss", config.gradient_weight, gradient_matching_loss),
        ):
            if weight > 0:
                terms[name] = loss(pred, true, valid)
                total_n = total_n + weight * terms[name]
        if network.has_sky and config.sky_weight > 0:
            terms["sky_loss"] = sky_loss(logits[1], batch.sky_nhw, batch.sky_known_nhw)
            total_n = total_n + config.sky_weight * terms["sky_loss"]
        return total_n.mean(), {name: value.mean().detach() for name, value in terms.items()}

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        """See ``Objective``."""
        assert isinstance(network, DepthNetwork)
        names = (FIGURE, "median_abs_rel", "affine_abs_rel", "silog", "delta1")
        return self._held_out.figures(network, names) if self._held_out else {}

    def pictures(self, network: torch.nn.Module, batch: Any) -> dict[str, NDArray[np.uint8]]:
        """Image, truth and prediction of the first samples, as inverse depth."""
        count = min(_PICTURES, len(batch.image_nhw3))
        with torch.inference_mode():
            found = network(batch.image_nhw3[:count])[0]
        true = batch.depth_nhw.masked_fill(~batch.valid_nhw, float("nan"))
        return {
            f"image, truth, prediction {index}": side_by_side(
                batch.image_nhw3[index], 1 / true[index], 1 / found[index]
            )
            for index in range(count)
        }


def log_metres(logit_nhw: torch.Tensor, head: str, max_depth_m: float) -> torch.Tensor:
    """The logarithm of what the head says in metres, from its logits; finite for every finite logit."""
    if head == "sigmoid":
        return F.logsigmoid(logit_nhw) + math.log(max_depth_m)
    return logit_nhw


def target(
    batch: Batch, canonical_focal_px: float | None, *, min_depth_m: float, max_depth_m: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logarithm of the true metres (n, h, w), at the canonical focal length where there is one, and where it counts.

    Both limits are in the metres of the camera.
    """
    depth = batch.depth_nhw
    valid = batch.valid_nhw & (depth >= min_depth_m) & (depth <= max_depth_m)
    log_depth = torch.where(valid, depth, torch.ones_like(depth)).log()
    if canonical_focal_px is not None:
        log_depth = log_depth + (canonical_focal_px / batch.focal_px_n).log()[:, None, None]
    return log_depth, valid


def run(recipe: Recipe) -> Path:
    """Fine-tune, or go on with it; the checkpoint."""
    if is_done(recipe, STAGE):
        return checkpoint_of(recipe, STAGE)
    config: MetricConfig = recipe.section(STAGE)
    sources = training_sources(recipe, STAGE)
    probe(sources, metric=True)
    probe(recipe.sources(config.validation), metric=True)
    head, max_depth_m, start = config.head, config.head_max_depth_m, None
    if config.init:
        network, start = continued_network(
            recipe, STAGE, config.init, head=head, max_depth_m=max_depth_m, parts=config.init_parts
        )
    else:
        network = fresh_network(recipe, STAGE, head=head, max_depth_m=max_depth_m)
    meta = checkpoint_meta(recipe, STAGE, sources, quantity="depth", init=start)
    protocol = Protocol(min_depth_m=config.min_depth_m, max_depth_m=config.max_depth_m)
    return fit(
        MetricObjective(network, HeldOut(recipe, STAGE, protocol=protocol), config),
        MetricBatches(config, sources, seed=recipe.seed, interpolation=recipe.interpolation),
        config, recipe, STAGE, meta=meta,
    )  # fmt: skip
