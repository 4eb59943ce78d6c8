"""The stage ``teacher``: its loss by the papers, a ReLU head that stays alive, and what a run leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network
from tests.training.tiny_training import TINY_NETWORK, tiny_recipe, write_shards
from training import teacher
from training.batches import Batch, LabelledBatches
from training.checkpoint import load_network
from training.config import Recipe
from training.disparity import NEGATIVE_WEIGHT, disparity_of
from training.held_out import HeldOut
from training.losses import affine_invariant_loss, gradient_matching_loss, normalise_affine


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def network_of(seed: int = 3) -> DepthNetwork:
    network = build_network(NetworkConfig.from_dict({**TINY_NETWORK, "head": "relu"}), seed=seed)
    network.head.depth.bias.data.fill_(1.0)
    return network


def objective_of(recipe: Recipe, network: DepthNetwork | None = None) -> teacher.TeacherObjective:
    return teacher.TeacherObjective(network or network_of(), HeldOut(recipe, "teacher"), recipe.section("teacher"))


def batch_of(recipe: Recipe, positions: range = range(3)) -> Batch:
    config = recipe.section("teacher")
    return LabelledBatches(config, recipe.sources(config.sources), seed=0, interpolation="area").batch(0, positions)


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_the_loss_is_affine_invariant_with_gradient_matching_by_its_weight(
    shards: Path, tmp_path: Path, weight: float
) -> None:
    recipe = tiny_recipe(shards, tmp_path, teacher={"gradient_weight": weight})
    objective, batch = objective_of(recipe), batch_of(recipe)
    total, terms = objective(batch, 0)
    pred, valid = objective.network(batch.image_nhw3)[0], batch.disparity_valid_nhw
    expected = affine_invariant_loss(pred, batch.disparity_nhw, valid)
    if weight:
        maps = [normalise_affine(values, valid) for values in (pred, batch.disparity_nhw)]
        expected = expected + weight * gradient_matching_loss(*maps, valid)
    torch.testing.assert_close(total, expected.mean())
    assert ("gradient_loss" in terms) == (weight > 0) and terms["negative_loss"] == 0


def test_sky_is_disparity_zero_and_not_left_out(shards: Path, tmp_path: Path) -> None:
    batch = batch_of(tiny_recipe(shards, tmp_path, teacher={}))
    assert batch.sky_nhw.any() and batch.disparity_valid_nhw[batch.sky_nhw].all()
    assert (batch.disparity_nhw[batch.sky_nhw] == 0).all()


def test_the_loss_of_a_batch_is_the_mean_over_its_images(shards: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(shards, tmp_path, teacher={"gradient_weight": 2.0})
    objective = objective_of(recipe)
    whole = objective(batch_of(recipe), 0)[0]
    parts = [objective(batch_of(recipe, part), 0)[0] for part in (range(1), range(1, 3))]
    torch.testing.assert_close(whole, (parts[0] + 2 * parts[1]) / 3)


def test_a_network_that_has_fallen_below_zero_comes_back(shards: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(shards, tmp_path, teacher={})
    network = network_of()
    network.head.depth.bias.data.fill_(-1.5)
    batch, objective = batch_of(recipe), objective_of(recipe, network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    largest = []
    for _ in range(25):
        with torch.no_grad():
            largest.append(float(network(batch.image_nhw3)[0].amax(dim=(1, 2)).min()))
        optimiser.zero_grad()
        objective(batch, 0)[0].backward()
        optimiser.step()
    assert largest[0] == 0 and largest[-1] > 0.1
    below = disparity_of(torch.tensor([[[1.0, -3.0]]]))[1]
    assert below.item() == 1.5 and 0 < NEGATIVE_WEIGHT < 1


def test_a_run_learns_leaves_its_best_and_is_not_done_twice(shards: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(
        shards, tmp_path, teacher={"validation": ["held_out"], "steps": 20, "checkpoint_every": 10, "batch_size": 4}
    )
    path = teacher.run(recipe)
    assert path == tmp_path / "teacher" / "best.safetensors"
    entries = [json.loads(line) for line in (tmp_path / "teacher" / "log.jsonl").read_text().splitlines()]
    figures = [entry["affine_abs_rel"] for entry in entries if "affine_abs_rel" in entry]
    assert len(figures) == 2 and entries[-1]["loss"] < 0.8 * entries[0]["loss"]
    network, meta = load_network(path)
    assert meta["quantity"] == "disparity" and meta["stage"] == "teacher" and network.config.head == "relu"
    assert meta["provenance"]["sources"] == f"synthetic {shards} 0..3"
    before = path.stat().st_mtime_ns
    assert teacher.run(recipe) == path and path.stat().st_mtime_ns == before


def test_it_goes_on_from_a_checkpoint_with_its_decoder(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = teacher.run(tiny_recipe(shards, tmp_path / "a", teacher={}))
    started: list[dict[str, torch.Tensor]] = []

    def fit(objective: teacher.TeacherObjective, *_: object, **__: object) -> Path:
        started.append(objective.network.state_dict())
        return first

    monkeypatch.setattr(teacher, "fit", fit)
    teacher.run(tiny_recipe(shards, tmp_path / "b", teacher={"init": str(first)}))
    expected = load_network(first)[0].state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in started[0].items())


def test_mistakes_end_the_run_before_its_first_step(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"teacher\.sources: at least one source is needed"):
        teacher.run(tiny_recipe(shards, tmp_path, teacher={"sources": []}))
    overlap = {"validation": [{"kind": "synthetic", "path": str(shards), "first": 3}]}
    with pytest.raises(ConfigError, match=r"teacher\.validation: synthetic .* 3\.\.end is trained on as well"):
        teacher.run(tiny_recipe(shards, tmp_path, teacher=overlap))
    with pytest.raises(ConfigError, match=r"pretrain: stage pretrain is not done"):
        teacher.run(tiny_recipe(shards, tmp_path, teacher={}, encoder="pretrain"))
    blank = write_shards(tmp_path / "blank")
    data = dict(np.load(blank / "shard_00000.npz"))
    np.savez(blank / "shard_00000.npz", **{**data, "depths": np.full_like(data["depths"], np.nan)})
    with pytest.raises(SourceError, match=r"synthetic .*blank 0\.\.3: no valid label in 4 samples across it"):
        teacher.run(tiny_recipe(blank, tmp_path, teacher={}))
    assert not (tmp_path / "teacher").exists()
