"""The stage ``student``: never the teacher's weights, the losses of the papers, and what a run leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network
from depth_anything_ros.networks.weights import save_weights
from tests.training.tiny_training import TINY_NETWORK, tiny_recipe, write_shards
from training import student, teacher
from training.checkpoint import group, load_checkpoint, load_network
from training.config import Recipe
from training.held_out import HeldOut
from training.losses import affine_invariant_loss, feature_alignment_loss, region_loss, whole_patches
from training.sources import KINDS
from training.student import StudentObjective, frozen_encoder
from training.student_batches import StudentBatch


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that stand for DINOv2's."""
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    save_weights(build_network(NetworkConfig.from_dict({**TINY_NETWORK, "head": "relu"}), seed=77), path)
    return path


def recipe_of(shards: Path, out: Path, encoder: Path | str, **section: Any) -> Recipe:
    return tiny_recipe(shards, out, encoder=str(encoder), student={"pseudo": ["planes"], **section})


def objective_of(recipe: Recipe, seed: int = 3) -> StudentObjective:
    network = build_network(recipe.network_config(head="relu"), seed=seed)
    network.head.depth.bias.data.fill_(1.0)
    return StudentObjective(network, HeldOut(recipe, "student"), recipe.section("student"), frozen_encoder(recipe))


def batch_of(size: int = 6, *, labelled: bool = True, mixed: bool = True) -> StudentBatch:
    generator = torch.Generator().manual_seed(4)
    inside = torch.zeros(size, 28, 42, dtype=torch.bool)
    if mixed:
        inside[1, 3:20, 5:30] = True
    return StudentBatch(
        image_nhw3=torch.randint(0, 256, (size, 28, 42, 3), dtype=torch.uint8, generator=generator),
        disparity_nhw=torch.rand(size, 28, 42, generator=generator),
        disparity_valid_nhw=torch.rand(size, 28, 42, generator=generator) > 0.1,
        inside_nhw=inside,
        is_labelled_n=torch.tensor([labelled and index % 3 == 0 for index in range(size)]),
    )


def part_of(batch: StudentBatch, positions: slice) -> StudentBatch:
    return StudentBatch(**{name: value[positions] for name, value in vars(batch).items()})


def started_with(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The weights that the student begins with."""
    found: list[dict[str, torch.Tensor]] = []

    def fit(objective: StudentObjective, *_: object, **__: object) -> Path:
        found.append({name: tensor.clone() for name, tensor in objective.network.state_dict().items()})
        return Path()

    monkeypatch.setattr(student, "fit", fit)
    student.run(recipe)
    return found[0]


def test_the_student_never_starts_from_the_teacher(
    shards: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its encoder is the recipe's, its decoder neither the teacher's nor the one that the teacher began with; and it
    begins the same where the teacher's weights are not even readable.
    """
    recipe = tiny_recipe(
        shards, tmp_path, encoder=str(encoder), teacher={"learning_rate": 0.05}, student={"pseudo": ["planes"]}
    )
    taught = load_network(teacher.run(recipe))[0].state_dict()
    begun = teacher.fresh_network(recipe, "teacher", head="relu").state_dict()
    start = started_with(recipe, monkeypatch)
    wanted = load_file(encoder)
    for name, tensor in start.items():
        if name.startswith("backbone."):
            assert torch.equal(tensor, wanted[name]) and not torch.equal(tensor, taught[name]), name
        elif tensor.ndim > 1 and not name.startswith("neck.fusion_stage.layers.0.residual_layer1."):
            assert not torch.equal(tensor, taught[name]) and not torch.equal(tensor, begun[name]), name
    for file in (tmp_path / "teacher").glob("*.safetensors"):
        file.write_bytes(b"not a checkpoint")
    again = started_with(recipe, monkeypatch)
    assert all(torch.equal(tensor, start[name]) for name, tensor in again.items())


def test_the_loss_is_the_average_of_labels_pseudo_labels_and_features(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    objective = objective_of(recipe_of(shards, tmp_path, encoder, feature_margin=1.0))
    batch = batch_of()
    total, terms = objective(batch, 0)
    (logit,), tokens = objective.network.logits_with_tokens(batch.image_nhw3)
    pred, labelled = logit.clamp(min=0), batch.is_labelled_n
    maps = [pred, batch.disparity_nhw, batch.disparity_valid_nhw]
    label = affine_invariant_loss(*(values[labelled] for values in maps)).mean()
    pseudo = region_loss(*(values[~labelled] for values in [*maps, batch.inside_nhw]), ignore_share=0.1).mean()
    assert objective.frozen is not None
    wanted = objective.frozen.tokens(objective.frozen.normalise(batch.image_nhw3))
    keep = whole_patches(batch.inside_nhw)
    feature = feature_alignment_loss(tokens[~labelled], wanted[~labelled], keep[~labelled], margin=1.0).mean()
    torch.testing.assert_close(total, (label + pseudo + feature) / 3)
    for name, value in (("labels", label), ("pseudo", pseudo), ("features", feature)):
        assert value > 0
        torch.testing.assert_close(terms[f"{name}_loss"], value.detach())


def test_the_loss_of_a_batch_is_the_mean_of_its_parts(shards: Path, encoder: Path, tmp_path: Path) -> None:
    objective = objective_of(recipe_of(shards, tmp_path, encoder))
    batch = batch_of()
    whole = objective(batch, 0)[0]
    parts = [objective(part_of(batch, slice(start, start + 2)), 0)[0] for start in (0, 2, 4)]
    torch.testing.assert_close(whole, sum(parts) / 3)


def test_v2_learns_from_pseudo_labels_alone_without_the_largest_losses(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    batch = batch_of(labelled=False)
    by_hand = {}
    for share, weight in ((0.0, 0.0), (0.1, 0.0), (0.1, 2.0)):
        section = {"sources": [], "ignore_share": share, "gradient_weight": weight, "feature_weight": 0.0}
        objective = objective_of(recipe_of(shards, tmp_path, encoder, **section))
        assert objective.frozen is None
        total, terms = objective(batch, 0)
        pred = objective.network(batch.image_nhw3)[0]
        expected = region_loss(
            pred, batch.disparity_nhw, batch.disparity_valid_nhw, batch.inside_nhw, ignore_share=share,
            gradient_weight=weight,
        ).mean()  # fmt: skip
        torch.testing.assert_close(total, expected)
        assert terms["labels_loss"] == 0 and "features_loss" not in terms
        by_hand[share, weight] = float(total.detach())
    assert by_hand[0.1, 0.0] < by_hand[0.0, 0.0] < by_hand[0.1, 2.0]


def test_features_equal_to_the_frozen_ones_give_neither_loss_nor_gradient(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    objective = objective_of(recipe_of(shards, tmp_path, encoder, feature_margin=1.0))
    assert objective.frozen is not None
    objective.network.backbone.load_state_dict(objective.frozen.backbone.state_dict())
    total, terms = objective(batch_of(), 0)
    assert abs(float(terms["features_loss"])) < 1e-5
    total.backward()
    assert all(parameter.grad is None for parameter in objective.frozen.parameters())
    frozen_names = {name for name, value in objective.named_parameters() if not value.requires_grad}
    assert {f"frozen.{name}" for name, _ in objective.frozen.named_parameters()} <= frozen_names


def test_the_frozen_encoder_sees_what_the_student_sees(
    shards: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective, batch = objective_of(recipe_of(shards, tmp_path, encoder)), batch_of()
    assert objective.frozen is not None and not objective.frozen.training
    seen: list[torch.Tensor] = []
    whole = DepthNetwork.normalise

    def normalise(self: DepthNetwork, image_nhw3: torch.Tensor) -> torch.Tensor:
        if self is objective.frozen:
            seen.append(image_nhw3)
        return whole(self, image_nhw3)

    monkeypatch.setattr(DepthNetwork, "normalise", normalise)
    objective(batch, 0)
    assert len(seen) == 1 and torch.equal(seen[0], batch.image_nhw3)


def test_which_encoder_is_aligned_to(shards: Path, encoder: Path, tmp_path: Path) -> None:
    wanted = load_file(encoder)["backbone.layernorm.weight"], load_file(encoder)["backbone.embeddings.cls_token"]
    of_recipe, random = (
        frozen_encoder(recipe_of(shards, tmp_path, encoder, feature_encoder=name)) for name in ("", "random")
    )
    assert of_recipe is not None and random is not None
    assert torch.equal(of_recipe.backbone.embeddings.cls_token, wanted[1])
    assert not torch.equal(random.backbone.embeddings.cls_token, wanted[1])
    with pytest.raises(ConfigError, match=r"student.feature_weight 1: 0 is accepted without weights to align to"):
        frozen_encoder(recipe_of(shards, tmp_path, ""))
    wide = tmp_path / "wide.safetensors"
    save_weights(build_network(NetworkConfig.from_dict({**TINY_NETWORK, "hidden_size": 32}), seed=1), wide)
    with pytest.raises(ConfigError, match="4 layers, 24 wide"):
        frozen_encoder(recipe_of(shards, tmp_path, encoder, feature_encoder=str(wide)))


def test_a_run_leaves_its_best_and_the_frozen_encoder_is_not_in_it(shards: Path, encoder: Path, tmp_path: Path) -> None:
    path = student.run(recipe_of(shards, tmp_path, encoder, validation=["held_out"]))
    assert (
        path == tmp_path / "student" / "best.safetensors"
        and student.run(recipe_of(shards, tmp_path, encoder, validation=["held_out"])) == path
    )
    tensors, meta = load_checkpoint(tmp_path / "student" / "last.safetensors")
    assert meta["stage"] == "student" and meta["quantity"] == "disparity"
    assert not any("frozen" in name for name in tensors) and not group(tensors, "extra")
    assert meta["provenance"]["encoder"] == str(encoder)


def test_a_run_without_pseudo_labels_says_what_makes_them(shards: Path, encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pseudo_label: stage pseudo_label is not done; run it first, or name sourc"):
        student.run(recipe_of(shards, tmp_path, encoder, pseudo=[]))


def test_without_sources_of_its_own_it_takes_the_shards_of_this_run(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "pseudo_label").mkdir()
    (tmp_path / "pseudo_label" / "DONE").write_text("{}")
    (source,) = student.pseudo_sources(recipe_of(shards, tmp_path, encoder, pseudo=[]))
    assert (source.kind, source.path) == ("pseudo", str(tmp_path / "pseudo_label")) and source.kind in KINDS


def test_a_truncated_encoder_is_named(shards: Path, encoder: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(encoder.read_bytes()[:2000])
    with pytest.raises(ConfigError, match=r"cut\.safetensors: not a readable weights file"):
        student.run(recipe_of(shards, tmp_path, cut))
    bad = {**load_file(encoder), "backbone.layernorm.weight": torch.full((24,), np.nan)}
    save_file(bad, tmp_path / "nan.safetensors")
    with pytest.raises(ConfigError, match="NaN or infinite"):
        student.run(recipe_of(shards, tmp_path, tmp_path / "nan.safetensors"))
