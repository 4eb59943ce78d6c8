"""How networks begin: an encoder and a random decoder, or a checkpoint as a whole; never a part without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Dinov2Config, Dinov2Model

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.models import get_model
from depth_anything_ros.networks import NetworkConfig, build_network
from depth_anything_ros.networks.weights import save_weights
from tests.networks.known_weights import TINY, official_model, use_tiny_sizes, write_official
from tests.networks.official_model import official_weights
from tests.training.made import write_checkpoint
from tests.training.tiny_training import TINY_NETWORK, tiny_recipe
from training.checkpoint import load_network
from training.config import Recipe
from training.initial import continued_network, fresh_network, stage_seed, weights_path

HERE = Path("shards")


def recipe_of(out: Path, **changes: Any) -> Recipe:
    return tiny_recipe(HERE, out, metric={}, **changes)


def test_a_fresh_network_has_the_recipes_encoder_and_a_decoder_of_its_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=24, num_hidden_layers=4, num_attention_heads=2, image_size=70, patch_size=14)
    encoder = Dinov2Model(config)
    encoder.save_pretrained(tmp_path / "dinov2")
    recipe = recipe_of(tmp_path, encoder=str(tmp_path / "dinov2"))
    networks = [fresh_network(recipe, stage, head="relu") for stage in ("teacher", "student", "student")]
    states = [network.state_dict() for network in networks]
    assert torch.equal(states[0]["backbone.embeddings.cls_token"], encoder.embeddings.cls_token)
    assert "position embeddings resized from 5x5 to 4x4" in capsys.readouterr().out
    for name, tensor in states[0].items():
        assert torch.equal(states[1][name], states[2][name])
        if name.startswith("backbone."):
            assert torch.equal(tensor, states[1][name])
    assert not torch.equal(states[0]["head.conv1.weight"], states[1]["head.conv1.weight"])
    seeds = {stage_seed(recipe, stage) for stage in ("pretrain", "teacher", "student", "metric")}
    assert len(seeds) == 4


@pytest.mark.parametrize(("head", "kept"), [("relu", True), ("log_depth", False)])
def test_all_of_a_checkpoint_but_last_convolutions_of_another_meaning(tmp_path: Path, head: str, kept: bool) -> None:
    path = write_checkpoint(tmp_path / "relu.safetensors", HERE, "relu")
    source = load_network(path)[0].state_dict()
    network, meta = continued_network(recipe_of(tmp_path), "metric", str(path), head=head)
    assert meta["stage"] == "teacher"
    for name, tensor in network.state_dict().items():
        if kept or not name.startswith(("head.depth.", "head.sky.")):
            assert torch.equal(tensor, source[name]), name
    assert torch.equal(network.head.depth.weight, source["head.depth.weight"]) == kept


def test_the_encoder_alone_leaves_the_decoder_random(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "relu.safetensors", HERE, "relu")
    source = load_network(path)[0].state_dict()
    network, _ = continued_network(recipe_of(tmp_path), "metric", str(path), head="log_depth", parts="encoder")
    random = fresh_network(recipe_of(tmp_path), "metric", head="log_depth").state_dict()
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, source[name] if name.startswith("backbone.") else random[name]), name


@pytest.mark.parametrize(
    ("network", "head", "message"),
    [
        ({"fusion_channels": 16}, "log_depth", r"weights of another network: neck\.convs\.0\.weight is \(8, 8, 3, 3\)"),
        ({"position_grid": 5}, "log_depth", "position_embeddings is"),
        ({"ffn": "swiglu"}, "log_depth", "gate_proj.weight is absent"),
        ({"canonical_focal_px": 500.0}, "exp", "network.canonical_focal_px 300 is accepted, not 500"),
    ],
)
def test_another_network_is_refused(tmp_path: Path, network: dict[str, Any], head: str, message: str) -> None:
    path = write_checkpoint(tmp_path / "start.safetensors", HERE, "log_depth")
    recipe = recipe_of(tmp_path, network={**TINY_NETWORK, **network})
    with pytest.raises(ConfigError, match=message):
        continued_network(recipe, "metric", str(path), head=head)


def test_a_weights_file_of_an_engine_is_no_checkpoint(tmp_path: Path) -> None:
    save_weights(build_network(NetworkConfig.from_dict(TINY_NETWORK), seed=1), tmp_path / "w.safetensors")
    with pytest.raises(ConfigError, match=r"w\.safetensors: the weights of an engine; accepted: that engine, by its"):
        continued_network(recipe_of(tmp_path), "metric", str(tmp_path / "w.safetensors"), head="log_depth")


def test_a_published_checkpoint_is_gone_on_from_with_its_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The V2 trainer itself takes the encoder alone over, whatever it is given."""
    use_tiny_sizes(monkeypatch)
    model = get_model("v2-small")
    file = write_official(model, tmp_path)
    reference = official_weights(official_model(model))
    recipe = recipe_of(tmp_path, network={**vars(TINY["small"]), "num_layers": 12, "taps": list(model.taps)})
    network, meta = continued_network(recipe, "metric", str(file), head="log_depth")
    assert meta["provenance"] == {"model": model.name}
    wanted = reference["depth_head.scratch.output_conv1.weight"]
    assert torch.equal(network.head.conv1.weight, wanted)
    assert torch.equal(network.backbone.embeddings.cls_token, reference["pretrained.cls_token"])


def test_references_to_weights(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, teacher={})
    assert weights_path(recipe, str(tmp_path)) == tmp_path
    with pytest.raises(ConfigError, match="stage teacher is not done; run it first"):
        weights_path(recipe, "teacher")
    with pytest.raises(ConfigError, match=r"absent\.pth: no such checkpoint, and no stage"):
        weights_path(recipe, "absent.pth")
