"""Random weights in every published layout: our loader gives what independent assemblies give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import DepthAnythingForDepthEstimation

from depth_anything_ros.models import BY_NAME, MODELS, NUM_PARAMETERS, KnownModel, get_model
from depth_anything_ros.networks import DepthNetwork, NetworkConfig
from depth_anything_ros.networks.checkpoint import load_known
from depth_anything_ros.networks.known import SIZES, config_of
from tests.networks.known_weights import (
    TINY,
    official_model,
    transformers_model,
    use_tiny_sizes,
    write_official,
    write_transformers,
)
from tests.networks.official_model import OfficialModel, normalised, official_weights

SIZES_HW = [(56, 84), (42, 28)]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
OF_TRANSFORMERS = [model for model in MODELS if model.transformers_id]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_tiny_sizes(monkeypatch)
    return


def image_of(size_hw: tuple[int, int]) -> torch.Tensor:
    return torch.randint(0, 256, (2, *size_hw, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def by_the_paper(model: KnownModel, value: torch.Tensor) -> torch.Tensor:
    """What a last convolution's value means, spelt out once more."""
    if model.head == "relu":
        return F.relu(value)
    return torch.exp(value) if model.head == "exp" else model.max_depth_m / (1 + torch.exp(-value))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_official_weights_give_what_the_official_assembly_gives(model: KnownModel, tmp_path: Path) -> None:
    file = write_official(model, tmp_path)
    network, found, origin = load_known(file, model)
    assert (found, origin.file, origin.keys) == (model, file, "official")
    assert origin.unused == (() if model.family == "da3" else ("pretrained.mask_token",))
    reference = official_model(model)
    for size in SIZES_HW:
        with torch.inference_mode():
            value, sky = reference(normalised(image_of(size)), model.taps)
            outputs = network(image_of(size))
        assert value.std() > 0.01
        assert len(outputs) == (1 if sky is None else 2)
        torch.testing.assert_close(outputs[0], by_the_paper(model, value), **CLOSE)
        if sky is not None:
            torch.testing.assert_close(outputs[1], sky, **CLOSE)
            assert sky.max() > 0


@pytest.mark.parametrize("model", OF_TRANSFORMERS, ids=lambda model: model.name)
def test_a_folder_of_transformers_gives_what_transformers_gives(model: KnownModel, tmp_path: Path) -> None:
    """Without a name: its config tells family, kind and range."""
    reference = write_transformers(model, tmp_path)
    network, found, origin = load_known(tmp_path, None)
    assert (found, origin.keys) == (model, "transformers")
    assert origin.unused == ("backbone.embeddings.mask_token",)
    for size in SIZES_HW:
        with torch.inference_mode():
            expected = reference(normalised(image_of(size))).predicted_depth
            (depth,) = network(image_of(size))
        assert expected.std() > 0.01
        torch.testing.assert_close(depth, expected, **CLOSE)


def key_of_transformers(official: str) -> list[str]:
    """The key map of the published conversion, written a second time, by replacement of words."""
    name = official
    for old, new in (
        ("pretrained.blocks.", "backbone.encoder.layer."), ("pretrained.norm.", "backbone.layernorm."),
        ("pretrained.patch_embed.proj", "backbone.embeddings.patch_embeddings.projection"),
        ("pretrained.pos_embed", "backbone.embeddings.position_embeddings"),
        ("pretrained.", "backbone.embeddings."), (".attn.proj", ".attention.o_proj"),
        (".ls1.gamma", ".layer_scale1.lambda1"), (".ls2.gamma", ".layer_scale2.lambda1"),
        ("depth_head.projects.", "neck.reassemble_stage.layers.P"), ("depth_head.scratch.", ""),
        ("depth_head.resize_layers.", "neck.reassemble_stage.layers.R"),
        ("output_conv1", "head.conv1"), ("output_conv2.0", "head.conv2"), ("output_conv2.2", "head.conv3"),
        ("out_conv", "projection"), ("resConfUnit", "residual_layer"), (".conv", ".convolution"),
    ):  # fmt: skip
        name = name.replace(old, new)
    name = name.replace("head.convolution", "head.conv")
    name = re.sub(r"layers\.P(\d)", r"layers.\1.projection", re.sub(r"layers\.R(\d)", r"layers.\1.resize", name))
    name = re.sub(r"^layer(\d)_rn", lambda found: f"neck.convs.{int(found[1]) - 1}", name)
    name = re.sub(r"^refinenet(\d)", lambda found: f"neck.fusion_stage.layers.{4 - int(found[1])}", name)
    return [name.replace("attn.qkv", f"attention.{part}_proj") for part in "qkv"] if "qkv" in name else [name]


def fed_by_hand(model: KnownModel, source: OfficialModel) -> DepthAnythingForDepthEstimation:
    network = transformers_model(model)
    state = {}
    for official, tensor in official_weights(source).items():
        keys = key_of_transformers(official)
        state.update(zip(keys, tensor.chunk(len(keys)), strict=True))
    network.load_state_dict(state, strict=True)
    return network


@pytest.mark.parametrize("name", ["v1-small", "v2-small", "v1-large", "v2-metric-outdoor-large"])
def test_official_weights_in_transformers_own_network(name: str, tmp_path: Path) -> None:
    """At 518x518 the two position rules agree, so the official file must give what transformers gives."""
    model = get_model(name)
    network, _, _ = load_known(write_official(model, tmp_path), model)
    image = image_of((518, 518))[:1]
    with torch.inference_mode():
        expected = fed_by_hand(model, official_model(model))(normalised(image)).predicted_depth
        torch.testing.assert_close(network(image)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("first", "second"), [("v1-base", "v2-base"), ("v1-large", "v2-large")])
def test_v1_and_v2_read_the_same_weights_at_different_layers(first: str, second: str, tmp_path: Path) -> None:
    file = write_official(get_model(first), tmp_path)
    with torch.inference_mode():
        outputs = [load_known(file, get_model(name))[0](image_of((56, 84)))[0] for name in (first, second)]
    assert (outputs[0] - outputs[1]).abs().mean() > 1e-3


def test_the_two_position_rules_differ_off_the_learned_grid_only(tmp_path: Path) -> None:
    model = get_model("v2-small")
    file = write_official(model, tmp_path)
    official, _, _ = load_known(file, model)
    other = DepthNetwork(config_of(model, transformers_layout=True)).eval()
    other.load_state_dict(official.state_dict())
    with torch.inference_mode():
        for size, differs in (((56, 84), True), ((518, 518), False)):
            difference = (official(image_of(size)[:1])[0] - other(image_of(size)[:1])[0]).abs().mean()
            assert (difference > 1e-4) if differs else (difference < 1e-6)


def test_the_real_sizes_have_the_published_numbers_of_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert TINY["small"] != SIZES["small"]
    with torch.device("meta"):
        for model in (BY_NAME["v1-small"], BY_NAME["v2-base"], BY_NAME["v2-large"]):
            network = DepthNetwork(config_of(model, transformers_layout=False))
            mask_token = network.config.hidden_size
            assert sum(p.numel() for p in network.parameters()) + mask_token == NUM_PARAMETERS[model.size]


def test_the_configuration_of_every_known_checkpoint() -> None:
    for model in MODELS:
        config = config_of(model, transformers_layout=False)
        assert config == NetworkConfig.from_dict(config.to_dict())
        assert (config.taps, config.head, config.has_sky) == (model.taps, model.head, model.family == "da3")
        assert config.max_depth_m == (model.max_depth_m if model.head == "sigmoid" else 0.0)
        assert config.position_rule == "offset"
        assert config_of(model, transformers_layout=True).position_rule == "size"
    assert config_of(get_model("da3metric-large"), transformers_layout=False).canonical_focal_px == 300.0
