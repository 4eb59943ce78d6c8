"""The stage ``metric``: its losses and targets by head, where it starts, what it refuses, and its command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.networks import build_network
from tests.training.made import sample, write_checkpoint
from tests.training.tiny_training import TINY_NETWORK, tiny_recipe, write_shards
from training import metric, stage_data
from training.__main__ import main
from training.batches import Batch, collate
from training.checkpoint import load_network
from training.config import Recipe, recipe_to_dict
from training.held_out import HeldOut
from training.losses import gradient_matching_loss, scale_loss, silog_loss, sky_loss
from training.metric import MetricBatches, MetricObjective, log_metres, target

FIXED = {"crop": "random", "min_crop": 1.0, "max_turn_deg": 0, "max_roll_deg": 0}
SIGMOID = {"head": "sigmoid", "head_max_depth_m": 20.0, "augment": FIXED}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def objective_of(recipe: Recipe) -> MetricObjective:
    config = recipe.section("metric")
    network = build_network(recipe.network_config(head=config.head, max_depth_m=config.head_max_depth_m), seed=3)
    return MetricObjective(network, HeldOut(recipe, "metric"), config)


def batch_of(recipe: Recipe, positions: range = range(3)) -> Batch:
    config = recipe.section("metric")
    return MetricBatches(config, recipe.sources(config.sources), seed=0, interpolation="area").batch(0, positions)


@pytest.mark.parametrize("head", ["log_depth", "exp"])
def test_the_loss_is_on_canonical_log_depth_with_its_weights(shards: Path, tmp_path: Path, head: str) -> None:
    weights = {"scale_weight": 0.3, "gradient_weight": 0.7, "sky_weight": 0.11, "variance_focus": 0.85}
    recipe = tiny_recipe(shards, tmp_path, metric={"head": head, **weights})
    objective, batch = objective_of(recipe), batch_of(recipe)
    total, terms = objective(batch, 0)
    log_depth, sky = objective.network.logits(batch.image_nhw3)
    valid = batch.valid_nhw
    assert valid.any() and batch.sky_nhw.any()
    canonical = batch.depth_nhw * 300 / batch.focal_px_n[:, None, None]
    true = torch.where(valid, canonical, torch.ones_like(canonical)).log()
    parts = {
        "silog_loss": silog_loss(log_depth, true, valid, variance_focus=0.85),
        "scale_loss": scale_loss(log_depth, true, valid),
        "gradient_loss": gradient_matching_loss(log_depth, true, valid),
        "sky_loss": sky_loss(sky, batch.sky_nhw, batch.sky_known_nhw),
    }
    expected = sum(w * p.mean() for w, p in zip((1, 0.3, 0.7, 0.11), parts.values(), strict=True))
    torch.testing.assert_close(total, expected)
    assert terms.keys() == parts.keys()
    halves = [objective(batch_of(recipe, part), 0)[0] for part in (range(1), range(1, 3))]
    torch.testing.assert_close(total, (halves[0] + 2 * halves[1]) / 3)


def test_a_sigmoid_head_learns_the_metres_of_its_camera_up_to_its_range(shards: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(shards, tmp_path, metric={**SIGMOID, "head_max_depth_m": 4.0, "variance_focus": 0.5})
    objective, batch = objective_of(recipe), batch_of(recipe)
    _, terms = objective(batch, 0)
    metres = 4.0 * torch.sigmoid(objective.network.logits(batch.image_nhw3)[0])
    valid = batch.valid_nhw & (batch.depth_nhw <= 4.0)
    assert valid.any() and not torch.equal(valid, batch.valid_nhw)
    true = batch.depth_nhw.clamp(min=0.1).log()
    torch.testing.assert_close(terms["silog_loss"], silog_loss(metres.log(), true, valid, variance_focus=0.5).mean())
    assert "sky_loss" not in terms


def test_depth_outside_the_limits_does_not_count(shards: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(shards, tmp_path, metric={"min_depth_m": 2.5, "max_depth_m": 5.0})
    batch = batch_of(recipe)
    log_depth, valid = target(batch, None, min_depth_m=2.5, max_depth_m=5.0)
    assert 0.9 < log_depth[valid].exp().min() / 2.5 < 1.1 and 0.9 < log_depth[valid].exp().max() / 5.0 <= 1
    assert (log_depth[~valid] == 0).all() and not torch.equal(valid, batch.valid_nhw)


def test_unknown_sky_gives_no_sky_loss() -> None:
    hole = np.full((48, 64), 3.0)
    hole[:10] = np.nan
    known, unknown = (collate([sample(hole, sky_known=value)]) for value in (True, False))
    assert not known.sky_known_nhw[0, :10].any() and not unknown.sky_known_nhw[0, :10].any()
    assert unknown.sky_known_nhw[0, 10:].all()
    logit = torch.zeros(1, 48, 64, requires_grad=True)
    sky_loss(logit, unknown.sky_nhw, unknown.sky_known_nhw).sum().backward()
    assert logit.grad is not None and (logit.grad[0, :10] == 0).all() and (logit.grad[0, 10:] != 0).all()


def test_a_relative_sample_is_refused_by_name(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relative = [sample(np.full((1, 1), 2.0), is_metric=False, source="megadepth/0001")]
    monkeypatch.setattr(stage_data, "open_source", lambda *_, **__: relative)
    monkeypatch.setattr("training.batches.open_source", lambda *_, **__: relative)
    recipe = tiny_recipe(shards, tmp_path, metric={})
    with pytest.raises(SourceError, match="megadepth/0001: depth without metres"):
        metric.run(recipe)
    with pytest.raises(SourceError, match="megadepth/0001: depth without metres"):
        batch_of(recipe)


@pytest.mark.parametrize("section", [{"head": "log_depth"}, {"head": "exp"}, SIGMOID], ids=lambda s: s["head"])
def test_a_run_of_every_head_starts_from_a_student_and_leaves_its_best(
    shards: Path, tmp_path: Path, section: dict[str, Any]
) -> None:
    start = write_checkpoint(tmp_path / "student.safetensors", shards, "relu")
    values = {"init": str(start), "validation": ["held_out"], "steps": 12, "checkpoint_every": 6, "learning_rate": 5e-3}
    path = metric.run(tiny_recipe(shards, tmp_path, metric={**values, **section}))
    assert path == tmp_path / "metric" / "best.safetensors"
    entries = [json.loads(line) for line in (tmp_path / "metric" / "log.jsonl").read_text().splitlines()]
    first, last = (sum(entry["scale_loss"] for entry in part) for part in (entries[:3], entries[-3:]))
    assert last < 0.95 * first
    assert {"abs_rel", "median_abs_rel", "affine_abs_rel", "silog", "delta1"} <= entries[-1].keys()
    network, meta = load_network(path)
    assert network.config.head == section["head"] and meta["quantity"] == "depth"
    assert meta["trained_frames"] == ["dhash:0123456789abcdef"]
    assert meta["provenance"]["init"] == f"{start} tiny"


def test_the_logarithm_of_metres_by_head() -> None:
    logit = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(log_metres(logit, "sigmoid", 20.0), (20 * torch.sigmoid(logit)).log())
    assert torch.equal(log_metres(logit, "log_depth", 0.0), logit)


def test_a_sigmoid_head_refuses_views_of_other_focal_lengths(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"augment.min_crop 0.6: 1 is accepted with head sigmoid"):
        tiny_recipe(shards, tmp_path, metric={**SIGMOID, "augment": {}})


def test_the_command_prints_what_it_made_and_a_mistake_is_one_line(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = recipe_to_dict(tiny_recipe(shards, tmp_path / "run", metric={"validation": ["held_out"]}))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tree))
    assert main(["metric", "--recipe", str(tmp_path / "tiny.yaml"), "metric.steps=3"]) == 0
    path = tmp_path / "run" / "metric" / "best.safetensors"
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    assert main(["metric", "--recipe", str(tmp_path / "tiny.yaml"), "metric.stps=4"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "did you mean steps" in error
    assert TINY_NETWORK["hidden_size"] == load_network(path)[0].config.hidden_size
