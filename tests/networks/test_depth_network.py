"""The network: shapes, the meaning of its outputs, and parity with an independent assembly of the same parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network
from tests.training.tiny_training import TINY_NETWORK


def tiny(**changes: Any) -> DepthNetwork:
    return build_network(NetworkConfig.from_dict({**TINY_NETWORK, **changes}), seed=3).eval()


@pytest.mark.parametrize("stem", [0, 4])
@pytest.mark.parametrize("size", [(28, 42), (56, 28), (14, 14)])
def test_outputs_have_the_input_size_and_their_ranges(size: tuple[int, int], stem: int) -> None:
    image = torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8)
    depth, sky = tiny(stem_channels=stem)(image)
    assert depth.shape == sky.shape == (2, *size)
    assert (depth > 0).all() and torch.isfinite(depth).all()
    assert (sky > 0).all() and (sky < 1).all()


def test_depth_is_the_exponential_of_the_logit_within_the_bound() -> None:
    network = tiny()
    image = torch.randint(0, 256, (1, 28, 28, 3), dtype=torch.uint8)
    torch.testing.assert_close(network(image)[0], torch.exp(network.logits(image)[0]))
    with torch.no_grad():
        network.head.depth.bias.fill_(1000.0)
    assert torch.isfinite(network(image)[0]).all()


def transformers_twin(network: DepthNetwork) -> DepthAnythingForDepthEstimation:
    """``transformers``' own model with the same weights, its relative head lifted so that its ReLU changes nothing."""
    config = network.config
    encoder = Dinov2Config(
        hidden_size=config.hidden_size, num_hidden_layers=config.num_layers, num_attention_heads=config.num_heads,
        image_size=config.position_grid * 14, patch_size=14, out_indices=[tap + 1 for tap in config.taps],
        apply_layernorm=True, reshape_hidden_states=False, use_mask_token=False, attn_implementation="eager",
        use_swiglu_ffn=config.ffn == "swiglu",
    )  # fmt: skip
    reference = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=encoder, reassemble_hidden_size=config.hidden_size,
            neck_hidden_sizes=list(config.neck_channels), fusion_hidden_size=config.fusion_channels,
            head_hidden_size=config.head_channels,
            depth_estimation_type="relative",
        )
    ).eval()  # fmt: skip
    state = {f"backbone.{key}": value for key, value in network.backbone.state_dict().items()}
    state |= {f"neck.{key}": value for key, value in network.neck.state_dict().items()}
    state |= {
        f"head.{key}": value for key, value in network.head.state_dict().items() if key.startswith(("conv1", "conv2"))
    }
    state |= {f"head.conv3.{key}": value for key, value in network.head.depth.state_dict().items()}
    reference.load_state_dict(state, strict=True)
    with torch.no_grad():
        reference.head.conv3.bias.add_(100.0)
    return reference


@pytest.mark.parametrize("ffn", ["mlp", "swiglu"])
def test_outputs_and_gradients_equal_those_of_transformers_own_model(ffn: str) -> None:
    network = tiny(ffn=ffn, head="relu").double()
    reference = transformers_twin(network).double()
    image = torch.randint(0, 256, (1, 42, 56, 3), dtype=torch.uint8)
    expected = reference(network.normalise(image)).predicted_depth - 100.0
    (found,) = network.logits(image)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    weights = torch.rand(expected.shape, dtype=torch.float64)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    own = dict(network.named_parameters())
    for name, parameter in reference.named_parameters():
        if parameter.grad is not None:
            wanted = own[name.replace("head.conv3", "head.depth")].grad
            torch.testing.assert_close(parameter.grad, wanted, rtol=1e-4, atol=1e-5, msg=name)
    without = [name for name, parameter in own.items() if parameter.grad is None]
    assert without and all(name.startswith("neck.fusion_stage.layers.0.residual_layer1.") for name in without)
    assert not any(own[name].requires_grad for name in without)


def test_tokens_are_the_last_taps_and_come_with_the_logits() -> None:
    network = tiny(stem_channels=4)
    image = torch.randint(0, 256, (2, 28, 42, 3), dtype=torch.uint8)
    with torch.inference_mode():
        logits, tokens = network.logits_with_tokens(image)
        assert tokens.shape == (2, 2 * 3, 24)
        assert all(torch.equal(a, b) for a, b in zip(logits, network.logits(image), strict=True))
        assert torch.equal(tokens, network.tokens(network.normalise(image)))
    torch.testing.assert_close(tokens.mean(dim=2), torch.zeros(2, 6), atol=1e-5, rtol=0)


def test_weights_follow_the_seed() -> None:
    config = NetworkConfig.from_dict(TINY_NETWORK)
    first, same, other = (build_network(config, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"taps": [0, 1, 2, 9]}, "taps"),
        ({"taps": [0, 1, 2]}, "taps"),
        ({"num_heads": 5}, "num_heads"),
        ({"canonical_focal_px": 0}, "canonical_focal_px"),
        ({"ffn": "relu"}, "ffn 'relu': mlp, swiglu are accepted"),
        ({"hiden_size": 3}, "did you mean hidden_size"),
    ],
)
def test_a_wrong_configuration_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NetworkConfig.from_dict({**TINY_NETWORK, **change})


def test_small_has_the_size_of_depth_anything_v2_small() -> None:
    network = DepthNetwork(NetworkConfig.vit_small())
    sky_head = sum(p.numel() for p in network.head.sky.parameters())
    mask_token = 384
    assert sum(p.numel() for p in network.parameters()) - sky_head + mask_token == 24_785_089
