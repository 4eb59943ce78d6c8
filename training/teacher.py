"""Stage ``teacher``: encoder and decoder on labelled data, in disparity space (Depth Anything V1 and V2)."""

from __future__ import annotations

from pathlib import Path

import torch

from depth_anything_ros.networks import DepthNetwork

from .batches import Batch, LabelledBatches
from .config import Recipe
from .disparity import NEGATIVE_WEIGHT, DisparityObjective, disparity_of
from .held_out import HeldOut
from .initial import continued_network, fresh_network
from .loop import fit
from .losses import affine_invariant_loss, gradient_matching_loss, has_shape, normalise_affine
from .stage_configs import TeacherConfig
from .stage_data import checkpoint_meta, probe, training_sources
from .stages import checkpoint_of, is_done

STAGE = "teacher"


class TeacherObjective(DisparityObjective):
    """The affine-invariant loss, with V2's gradient matching beside it by ``gradient_weight``.

    Sky has disparity 0 (``Batch.disparity_nhw``). V1 brings each map to 0..1 first, which the loss undoes.
    """

    def __init__(self, network: DepthNetwork, held_out: HeldOut, config: TeacherConfig) -> None:
        super().__init__(network, held_out)
        self._gradient_weight = config.gradient_weight

    def forward(self, batch: Batch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See ``Objective``."""
        pred, below_n = disparity_of(self.network.logits(batch.image_nhw3)[0])
        true, valid = batch.disparity_nhw, batch.disparity_valid_nhw
        shape_n = affine_invariant_loss(pred, true, valid)
        total_n = shape_n + NEGATIVE_WEIGHT * below_n
        terms = {"affine_loss": shape_n, "negative_loss": below_n}
        if self._gradient_weight > 0:
            # A truth of one value, all sky say, would only flatten the prediction.
            valid = valid & has_shape(true, valid)[:, None, None]
            edges_n = gradient_matching_loss(normalise_affine(pred, valid), normalise_affine(true, valid), valid)
            total_n = total_n + self._gradient_weight * edges_n
            terms["gradient_loss"] = edges_n
        return total_n.mean(), {name: value.mean().detach() for name, value in terms.items()}


def run(recipe: Recipe) -> Path:
    """Train the teacher, or go on with it; the checkpoint."""
    if is_done(recipe, STAGE):
        return checkpoint_of(recipe, STAGE)
    config: TeacherConfig = recipe.section(STAGE)
    sources = training_sources(recipe, STAGE)
    probe(sources)
    start = None
    if config.init:
        network, start = continued_network(recipe, STAGE, config.init, head="relu")
    else:
        network = fresh_network(recipe, STAGE, head="relu")
    return fit(
        TeacherObjective(network, HeldOut(recipe, STAGE), config),
        LabelledBatches(config, sources, seed=recipe.seed, interpolation=recipe.interpolation),
        config, recipe, STAGE, meta=checkpoint_meta(recipe, STAGE, sources, quantity="disparity", init=start),
    )  # fmt: skip
