"""The loop: it learns, it resumes exactly, it refuses what would silently be another run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from depth_anything_ros.errors import ConfigError
from tests.training.tiny_training import tiny_recipe, write_shards
from training.batches import BatchStream
from training.checkpoint import group, load_checkpoint, load_network
from training.config import config_from_dict
from training.loop import fit


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def losses(run: Path) -> list[tuple[int, float]]:
    return [(entry["step"], entry["loss"]) for entry in map(json.loads, (run / "log.jsonl").read_text().splitlines())]


def test_a_run_that_was_cut_and_continued_ends_as_the_uncut_one(shards: Path, tmp_path: Path) -> None:
    fixed = {"decay_share": 1e-9}  # the schedule must not depend on the number of steps that the first half asks for
    whole = fit(config_from_dict(tiny_recipe(shards, steps=6, **fixed), "test"), tmp_path / "whole")
    fit(config_from_dict(tiny_recipe(shards, steps=3, **fixed), "test"), tmp_path / "cut")
    cut = fit(config_from_dict(tiny_recipe(shards, steps=6, **fixed), "test"), tmp_path / "cut")
    assert losses(tmp_path / "whole")[-1] == losses(tmp_path / "cut")[-1]
    first, second = load_checkpoint(whole)[0], load_checkpoint(cut)[0]
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_training_lowers_the_loss(shards: Path, tmp_path: Path) -> None:
    config = config_from_dict(
        tiny_recipe(shards, steps=60, checkpoint_every=5, learning_rate=3e-3, batch_size=4), "test"
    )
    fit(config, tmp_path)
    values = [loss for _, loss in losses(tmp_path)]
    assert sum(values[-3:]) < 0.7 * sum(values[:3])


def test_a_folder_of_another_recipe_is_refused_and_kept(shards: Path, tmp_path: Path) -> None:
    path = fit(config_from_dict(tiny_recipe(shards, steps=3), "test"), tmp_path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="learning_rate"):
        fit(config_from_dict(tiny_recipe(shards, steps=3, learning_rate=0.5), "test"), tmp_path)
    assert path.read_bytes() == before


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"step \d+: the loss is"):
        fit(config_from_dict(tiny_recipe(shards, steps=50, learning_rate=1e30, clip_norm=1e30), "test"), tmp_path)


def test_init_takes_the_averaged_weights_and_refuses_another_network(shards: Path, tmp_path: Path) -> None:
    start = fit(config_from_dict(tiny_recipe(shards, steps=3), "test"), tmp_path / "start")
    again = fit(
        config_from_dict(tiny_recipe(shards, steps=1, init=str(start), learning_rate=1e-12), "test"), tmp_path / "next"
    )
    expected, found = (group(load_checkpoint(path)[0], name) for path, name in ((start, "ema"), (again, "net")))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-6)
    recipe = tiny_recipe(shards, steps=1, init=str(start))
    recipe["network"] = {**recipe["network"], "fusion_channels": 16}
    with pytest.raises(ConfigError, match="weights of another network"):
        fit(config_from_dict(recipe, "test"), tmp_path / "other")


def test_a_batch_depends_on_the_step_and_holds_canonical_depth(shards: Path) -> None:
    still = {"max_roll_deg": 0, "max_turn_deg": 0, "min_crop": 1.0}
    stream = BatchStream(config_from_dict(tiny_recipe(shards, augment=still), "test"))
    first, again, other = stream.batch(1), stream.batch(1), stream.batch(2)
    assert torch.equal(first.image_nhw3, again.image_nhw3) and not torch.equal(first.image_nhw3, other.image_nhw3)
    # 48 rows shrink to 28: the focal length of 50 becomes 29.2, and 2..9 m become that times 300 / 29.2.
    metres = torch.exp(first.log_depth_nhw[first.valid_nhw]) * (50 * 28 / 48) / 300
    assert metres.min() > 0.9 and metres.max() < 9.1
    assert first.sky_nhw.any() and not (first.sky_nhw & first.valid_nhw).any()


def test_a_damaged_checkpoint_is_named(tmp_path: Path, shards: Path) -> None:
    path = fit(config_from_dict(tiny_recipe(shards, steps=3), "test"), tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="not a readable safetensors"):
        load_network(path)
    with pytest.raises(ConfigError, match="no such checkpoint"):
        load_network(tmp_path / "absent.safetensors")
