"""The stage ``pretrain``: what is hidden stays hidden, the encoder learns, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import NetworkConfig, build_network
from depth_anything_ros.networks.encoder_weights import load_encoder
from tests.training.tiny_training import TINY_NETWORK, tiny_recipe, write_shards
from training import pretrain
from training.checkpoint import load_network
from training.initial import stage_seed
from training.pretrain import MaskedBatch, MaskedBatches, PretrainObjective, hide, patch_pixels


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def objective_of(stem: int) -> PretrainObjective:
    config = NetworkConfig.from_dict({**TINY_NETWORK, "head": "relu", "stem_channels": stem})
    return PretrainObjective(build_network(config, seed=1), ())


@pytest.mark.parametrize("stem", [0, 4])
def test_hidden_pixels_reach_the_target_alone(stem: int) -> None:
    objective = objective_of(stem)
    image = torch.randint(0, 256, (1, 28, 42, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    hidden = torch.tensor([[True, False, False, False, False, True]])
    other = image.clone()
    other[:, :14, :14] = 7
    seen: list[torch.Tensor] = []
    objective.predict.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    first = objective(MaskedBatch(image, hidden), 0)[0]
    second = objective(MaskedBatch(other, hidden), 0)[0]
    assert torch.equal(*seen) and not torch.equal(first, second)
    objective(MaskedBatch(other, ~hidden), 0)
    assert not torch.equal(seen[0], seen[2])


def test_patches_are_normalised_one_by_one() -> None:
    pixels = torch.randn(2, 3, 28, 42, generator=torch.Generator().manual_seed(2))
    found = patch_pixels(pixels)
    assert found.shape == (2, 6, 588)
    patch = pixels[1, :, 14:28, 28:42].reshape(-1)
    expected = (patch - patch.mean()) / torch.sqrt(patch.var(unbiased=False) + 1e-6)
    torch.testing.assert_close(found[1, 5], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("count", "share", "expected"), [(10, 0.6, 6), (4, 0.999, 3), (4, 0.001, 1)])
def test_the_share_is_hidden_at_least_one_patch_and_not_all(count: int, share: float, expected: int) -> None:
    assert hide(count, share, np.random.default_rng(0)).sum() == expected


def test_a_sample_and_its_mask_do_not_depend_on_the_part_of_the_batch(shards: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(shards, tmp_path, pretrain={})
    config = recipe.section("pretrain")
    batches = MaskedBatches(config, recipe.sources(config.sources), seed=0, interpolation="area")
    whole, part = batches.batch(2, range(3)), batches.batch(2, range(1, 2))
    assert torch.equal(whole.image_nhw3[1], part.image_nhw3[0]) and torch.equal(whole.hidden_nl[1], part.hidden_nl[0])
    assert not torch.equal(whole.hidden_nl[0], whole.hidden_nl[1])


@pytest.mark.parametrize("stem", [0, 4])
def test_the_encoder_learns_and_the_decoder_stays(shards: Path, tmp_path: Path, stem: int) -> None:
    network = {**TINY_NETWORK, "stem_channels": stem}
    section = {"validation": ["held_out"], "steps": 16, "checkpoint_every": 8}
    recipe = tiny_recipe(shards, tmp_path, network=network, pretrain=section)
    path = pretrain.run(recipe)
    entries = [json.loads(line) for line in (tmp_path / "pretrain" / "log.jsonl").read_text().splitlines()]
    assert entries[-1]["loss"] < 0.95 * entries[0]["loss"]
    assert entries[-1]["masked_error"] < entries[7]["masked_error"]
    trained, meta = load_network(path)
    before = build_network(trained.config, seed=stage_seed(recipe, "pretrain")).state_dict()
    changed = {name for name, tensor in trained.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed and all(name.startswith("backbone.") and ".projection.levels." not in name for name in changed)
    assert meta["stage"] == "pretrain"
    fresh = build_network(trained.config, seed=5)
    assert all(name.startswith("ema.") for name in load_encoder(fresh, path).unused)
    assert torch.equal(fresh.backbone.layernorm.weight, trained.backbone.layernorm.weight)


def test_a_share_that_hides_all_or_nothing_is_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pretrain: mask_share 1.0: a number between 0 and 1 is accepted"):
        tiny_recipe(shards, tmp_path, pretrain={"mask_share": 1.0})
