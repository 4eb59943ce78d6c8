"""Stage ``student``: a new network on pseudo-labels and perturbed images (Depth Anything V1 and V2)."""

from __future__ import annotations

from pathlib import Path

import torch

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import DepthNetwork, build_network
from depth_anything_ros.networks.encoder_weights import load_encoder

from .config import Recipe
from .disparity import NEGATIVE_WEIGHT, DisparityObjective, disparity_of
from .fit_config import SourceConfig
from .held_out import HeldOut
from .initial import fresh_network, stage_seed, weights_path
from .loop import fit
from .losses import affine_invariant_loss, feature_alignment_loss, region_loss, whole_patches
from .run_dir import say
from .stage_configs import StudentConfig
from .stage_data import checkpoint_meta, probe, refuse_overlap
from .stages import DONE, checkpoint_of, is_done, require_same, stage_folder
from .student_batches import StudentBatch, StudentBatches

STAGE = "student"
RANDOM = "random"


class StudentObjective(DisparityObjective):
    """The average of the losses that there are (V1, 3.2 and 3.3): of labels, pseudo-labels and feature alignment.

    Pseudo-labels: the affine-invariant loss region by region of CutMix, without the ``ignore_share`` of each sample's
    pixels that have the largest loss, and with gradient matching by ``gradient_weight`` (both V2's). Feature alignment:
    to ``frozen``, which sees the same perturbed and mixed image, on pseudo-labelled images alone, without the patches
    that a box cuts. The papers leave open what the frozen encoder sees, and how V2 weighs its losses.
    """

    def __init__(
        self, network: DepthNetwork, held_out: HeldOut, config: StudentConfig, frozen: DepthNetwork | None
    ) -> None:
        super().__init__(network, held_out)
        self.frozen = frozen
        self._config = config
        ratio, has_labels = config.unlabelled_per_labelled, bool(config.sources)
        # Of the images of a batch this share has labels, that share pseudo-labels: means over either become sums of
        # single images' losses, which do not depend on how a batch is shared out.
        self._label_weight = 1.0 + ratio if has_labels else 0.0
        self._pseudo_weight = (1.0 + ratio) / ratio if has_labels else 1.0
        self._num_losses = 1 + has_labels + (frozen is not None)

    def forward(self, batch: StudentBatch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See ``Objective``."""
        (logit, *_), tokens = self.network.logits_with_tokens(batch.image_nhw3)
        pred, below_n = disparity_of(logit)
        true, valid, labelled = batch.disparity_nhw, batch.disparity_valid_nhw, batch.is_labelled_n
        label_n = affine_invariant_loss(pred, true, valid & labelled[:, None, None])
        pseudo_n = region_loss(
            pred, true, valid & ~labelled[:, None, None], batch.inside_nhw,
            ignore_share=self._config.ignore_share, gradient_weight=self._config.gradient_weight,
        )  # fmt: skip
        terms = {"labels_loss": self._label_weight * label_n, "pseudo_loss": self._pseudo_weight * pseudo_n}
        total_n = terms["labels_loss"] + terms["pseudo_loss"]
        if self.frozen is not None:
            with torch.no_grad():
                wanted = self.frozen.tokens(self.frozen.normalise(batch.image_nhw3))
            keep = whole_patches(batch.inside_nhw) & ~labelled[:, None]
            feature_n = feature_alignment_loss(tokens, wanted, keep, margin=self._config.feature_margin)
            terms["features_loss"] = self._pseudo_weight * feature_n
            total_n = total_n + self._config.feature_weight * terms["features_loss"]
        total_n = total_n / self._num_losses + NEGATIVE_WEIGHT * below_n
        terms["negative_loss"] = below_n
        return total_n.mean(), {name: value.mean().detach() for name, value in terms.items()}


def run(recipe: Recipe) -> Path:
    """Train the student, or go on with it; the checkpoint."""
    if is_done(recipe, STAGE):
        return checkpoint_of(recipe, STAGE)
    config: StudentConfig = recipe.section(STAGE)
    labelled, pseudo = recipe.sources(config.sources), pseudo_sources(recipe)
    refuse_overlap((*labelled, *pseudo), recipe.sources(config.validation), STAGE)
    probe((*labelled, *pseudo))
    network = fresh_network(recipe, STAGE, head="relu")
    objective = StudentObjective(network, HeldOut(recipe, STAGE), config, frozen_encoder(recipe))
    batches = StudentBatches(config, labelled, pseudo, seed=recipe.seed, interpolation=recipe.interpolation)
    meta = checkpoint_meta(recipe, STAGE, (*labelled, *pseudo), quantity="disparity")
    return fit(objective, batches, config, recipe, STAGE, meta=meta)


def pseudo_sources(recipe: Recipe) -> tuple[SourceConfig, ...]:
    """The recipe's pseudo-labelled sources, or the shards of this run."""
    config: StudentConfig = recipe.section(STAGE)
    if config.pseudo:
        return recipe.sources(config.pseudo)
    folder = stage_folder(recipe, "pseudo_label")
    if not (folder / DONE).is_file():
        raise ConfigError(f"{folder}: stage pseudo_label is not done; run it first, or name sources in student.pseudo")
    require_same(recipe, "pseudo_label", strict=True)
    return (SourceConfig(kind="pseudo", path=str(folder)),)


def frozen_encoder(recipe: Recipe) -> DepthNetwork | None:
    """The encoder that the student's features are aligned to, without gradients; None where the recipe wants none."""
    config: StudentConfig = recipe.section(STAGE)
    if config.feature_weight == 0:
        return None
    name = config.feature_encoder or recipe.encoder
    if not name:
        raise ConfigError(
            f"student.feature_weight {config.feature_weight:g}: 0 is accepted without weights to align to; name them "
            f"as encoder or student.feature_encoder ({RANDOM} for a random one)"
        )
    frozen = build_network(recipe.network_config(head="relu"), seed=stage_seed(recipe, STAGE) + 1)
    if name != RANDOM:
        say(f"frozen {load_encoder(frozen, weights_path(recipe, name))}")
    return frozen.eval().requires_grad_(False)
