"""What went wrong in the metric trainer that Depth Anything V2 released, one test each: none of it happens here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.made import ramp, sample
from tests.training.test_held_out import Fixed, held
from tests.training.tiny_training import tiny_recipe, write_shards
from training import metric
from training.batches import collate
from training.checkpoint import group, load_checkpoint, load_network
from training.initial import continued_network
from training.losses import silog_loss
from training.metric import MetricObjective, log_metres, target


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def test_1_its_own_checkpoint_loads_back_whole(shards: Path, tmp_path: Path) -> None:
    """There, keys that did not fit were passed over, and all of its own did not."""
    path = metric.run(tiny_recipe(shards, tmp_path, metric={}))
    trained = load_network(path)[0].state_dict()
    network, _ = continued_network(tiny_recipe(shards, tmp_path, metric={}), "metric", str(path), head="log_depth")
    found = network.state_dict()
    assert found.keys() == trained.keys() and all(torch.equal(found[name], trained[name]) for name in trained)


def test_2_a_sigmoid_that_underflows_stays_finite() -> None:
    logit = torch.full((1, 2, 2), -200.0, requires_grad=True)
    assert torch.sigmoid(logit).eq(0).all()
    everywhere = torch.ones(1, 2, 2, dtype=torch.bool)
    true = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    loss = silog_loss(log_metres(logit, "sigmoid", 20.0), true, everywhere, variance_focus=0.5).sum()
    loss.backward()
    assert torch.isfinite(loss) and logit.grad is not None and torch.isfinite(logit.grad).all() and logit.grad.any()


def test_3_the_best_is_kept_and_a_run_resumes_with_its_optimiser(shards: Path, tmp_path: Path) -> None:
    section = {"validation": ["held_out"], "steps": 4}
    whole = metric.run(tiny_recipe(shards, tmp_path / "whole", metric=section))
    metric.run(tiny_recipe(shards, tmp_path / "cut", metric={**section, "steps": 2}))
    cut = metric.run(tiny_recipe(shards, tmp_path / "cut", metric=section))
    first, second = (load_checkpoint(path.with_name("last.safetensors"))[0] for path in (whole, cut))
    assert any(tensor.ndim and tensor.any() for tensor in group(first, "optimiser").values())
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert whole.name == cut.name == "best.safetensors"


def test_4_silog_is_the_fields_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pure error of scale has none of it (there: half of it), and it comes times 100."""
    samples = {"a": [sample(ramp(2, 6))]}
    network = Fixed("log_depth", 2 * 300 / 52.5)
    figures = held(monkeypatch, tmp_path, samples).figures(network, ("silog", "abs_rel"))  # type: ignore[arg-type]
    assert figures["abs_rel"] == pytest.approx(1, abs=0.02) and figures["silog"] < 2
    flat = {"a": [sample(np.full((1, 1), 4.0))]}
    figures = held(monkeypatch, tmp_path, flat).figures(network, ("silog",))  # type: ignore[arg-type]
    log_error = np.log(np.linspace(2, 6, 48) / 4)
    assert figures["silog"] == pytest.approx(100 * log_error.std(), rel=0.05)


def test_5_the_target_knows_the_camera() -> None:
    """One wall at 3 m: what a longer focal length shows larger looks nearer, and is taught so."""
    wall = sample(np.full((1, 1), 3.0))
    camera = wall.camera
    longer = wall.replace(camera=type(camera)(**{**vars(camera), "fx": 2 * camera.fx, "fy": 2 * camera.fy}))
    log_depth, valid = target(collate([wall, longer]), 300.0, min_depth_m=0.1, max_depth_m=100.0)
    assert valid.all()
    torch.testing.assert_close(log_depth[0].exp(), torch.full((48, 64), 3.0 * 300 / 60))
    torch.testing.assert_close(log_depth[1].exp(), log_depth[0].exp() / 2)


def test_6_training_on_past_the_best_does_not_replace_it(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([0.4, 0.12, 0.13, 0.15])
    monkeypatch.setattr(MetricObjective, "validate", lambda *_: {"abs_rel": next(figures)})
    path = metric.run(tiny_recipe(shards, tmp_path, metric={"validation": ["held_out"], "steps": 8}))
    assert path.name == "best.safetensors" and load_checkpoint(path)[1]["step"] == 4
    assert load_checkpoint(path.with_name("last.safetensors"))[1]["step"] == 8


@pytest.mark.parametrize("count", [1, 4, 5])
def test_7_validation_counts_every_sample_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int) -> None:
    """There, the samples were padded with duplicates to fill the last process."""
    samples = {"a": [sample(ramp(2, 6)) for _ in range(count)]}
    network = Fixed("log_depth")
    held(monkeypatch, tmp_path, samples, batch_size=4).figures(network, ("abs_rel",))  # type: ignore[arg-type]
    assert network.asked == count


@pytest.mark.parametrize("section", [{}, {"head": "sigmoid", "head_max_depth_m": 20.0}], ids=["log_depth", "sigmoid"])
def test_8_an_image_without_valid_depth_is_no_nan(shards: Path, tmp_path: Path, section: dict[str, Any]) -> None:
    augment = {"crop": "random", "min_crop": 1.0, "max_turn_deg": 0, "max_roll_deg": 0}
    recipe = tiny_recipe(shards, tmp_path, metric={**section, "augment": augment})
    config = recipe.section("metric")
    network = metric.fresh_network(recipe, "metric", head=config.head, max_depth_m=config.head_max_depth_m)
    objective = MetricObjective(network, metric.HeldOut(recipe, "metric"), config)
    empty, good = (sample(np.full((1, 1), value)) for value in (np.nan, 2.0))
    small = [item.replace(**_top_left(item)) for item in (empty, good)]
    for samples, is_zero in ((small[:1], True), (small, False)):
        network.zero_grad()
        loss, _ = objective(collate(samples), 0)
        loss.backward()
        assert torch.isfinite(loss) and (loss.item() == 0) == is_zero
        assert all(parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in network.parameters())


def _top_left(item: Any) -> dict[str, Any]:
    """The first 28 by 42 pixels, whose sides are whole patches."""
    camera = type(item.camera)(**{**vars(item.camera), "width": 42, "height": 28})
    return {"image_HW3": item.image_HW3[:28, :42], "depth_HW": item.depth_HW[:28, :42], "camera": camera}
