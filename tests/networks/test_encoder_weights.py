"""Encoders from every published layout: complete or not at all, what is not used is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import Dinov2Config, Dinov2Model

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network
from depth_anything_ros.networks.encoder_weights import load_encoder
from depth_anything_ros.networks.known import sized_config
from depth_anything_ros.networks.weights import save_weights
from tests.networks.official_model import Encoder, OfficialModel, normalised, official_weights
from tests.training.tiny_training import TINY_NETWORK

IMAGE = torch.randint(0, 256, (2, 28, 42, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


class SwiGlu(torch.nn.Module):
    """DINOv2 giant's feed-forward as its authors name it: one matrix for gate and value."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (int(4 * width * 2 / 3) + 7) // 8 * 8
        self.w12, self.w3 = torch.nn.Linear(width, 2 * hidden), torch.nn.Linear(hidden, width)

    def fc1(self, x: torch.Tensor) -> torch.Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        return F.silu(gate) * value


def network_of(**changes: Any) -> DepthNetwork:
    return build_network(NetworkConfig.from_dict({**TINY_NETWORK, "position_rule": "offset", **changes}), seed=3).eval()


def official_encoder(ffn: str = "mlp", grid: int = 4) -> Encoder:
    torch.manual_seed(1)
    encoder = Encoder(24, 4, 2, grid, has_mask_token=True).eval()
    if ffn == "swiglu":
        for block in encoder.blocks:
            block.mlp = SwiGlu(24)
            block.forward = lambda x, b=block: _swiglu_forward(b, x)
    return encoder


def _swiglu_forward(block: Any, x: torch.Tensor) -> torch.Tensor:
    x = x + block.ls1.gamma * block.attn(block.norm1(x))
    return x + block.ls2.gamma * block.mlp.w3(block.mlp.fc1(block.norm2(x)))


def tokens_of(network: DepthNetwork) -> torch.Tensor:
    with torch.inference_mode():
        return network.tokens(network.normalise(IMAGE))


@pytest.mark.parametrize("ffn", ["mlp", "swiglu"])
@pytest.mark.parametrize("prefix", ["", "module.", "teacher.backbone."])
def test_dinov2s_own_file_gives_its_features(ffn: str, prefix: str, tmp_path: Path) -> None:
    encoder, network = official_encoder(ffn), network_of(ffn=ffn)
    decoder = {name: tensor.clone() for name, tensor in network.neck.state_dict().items()}
    torch.save({f"{prefix}{name}": tensor for name, tensor in encoder.state_dict().items()}, tmp_path / "dinov2.pth")
    origin = load_encoder(network, tmp_path / "dinov2.pth")
    assert origin.unused == (f"{prefix}mask_token",) and (origin.grid, origin.own_grid) == (4, 4)
    with torch.inference_mode():
        expected = encoder(normalised(IMAGE), [3])[0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens_of(network), expected, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(tensor, decoder[name]) for name, tensor in network.neck.state_dict().items())


@pytest.mark.parametrize("ffn", ["mlp", "swiglu"])
def test_a_folder_of_transformers_gives_its_features(ffn: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    reference = Dinov2Model(
        Dinov2Config(
            hidden_size=24, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
            use_swiglu_ffn=ffn == "swiglu", attn_implementation="eager",
        )
    ).eval()  # fmt: skip
    for name, parameter in reference.named_parameters():
        parameter.data.normal_(1.0 if "norm" in name or "lambda" in name else 0.0, 0.2)
    reference.save_pretrained(tmp_path)
    network = network_of(ffn=ffn, position_rule="size")
    origin = load_encoder(network, tmp_path)
    assert origin.unused == ("embeddings.mask_token",)
    with torch.inference_mode():
        expected = reference(normalised(IMAGE)).last_hidden_state[:, 1:]
    torch.testing.assert_close(tokens_of(network), expected, rtol=1e-5, atol=1e-5)


def test_position_embeddings_of_another_grid_are_resized_and_said_to_be(tmp_path: Path) -> None:
    encoder, network = official_encoder(grid=7), network_of()
    torch.save(encoder.state_dict(), tmp_path / "dinov2.pth")
    origin = load_encoder(network, tmp_path / "dinov2.pth")
    square = encoder.pos_embed[:, 1:].reshape(1, 7, 7, 24).permute(0, 3, 1, 2)
    expected = F.interpolate(square, size=(4, 4), mode="bicubic").flatten(2).transpose(1, 2)
    found = network.backbone.embeddings.position_embeddings
    torch.testing.assert_close(found[:, 1:], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[:, :1], encoder.pos_embed[:, :1])
    assert "resized from 7x7 to 4x4" in str(origin)


def test_the_encoder_of_a_depth_network_is_taken_and_the_rest_is_listed(tmp_path: Path) -> None:
    model = OfficialModel(24, 4, 2, (8, 8, 8, 8), 8, grid=4)
    torch.save({"model": official_weights(model, prefix="module.")}, tmp_path / "latest.pth")
    network = network_of()
    origin = load_encoder(network, tmp_path / "latest.pth")
    others = [name for name in origin.unused if not name.startswith("module.depth_head.")]
    assert others == ["module.pretrained.mask_token"] and len(origin.unused) > 20
    assert "not used" in str(origin)
    with torch.inference_mode():
        expected = model.pretrained(normalised(IMAGE), [3])[0].flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens_of(network), expected, rtol=1e-5, atol=1e-5)


def test_checkpoints_of_this_project_load_and_the_averaged_weights_are_preferred(tmp_path: Path) -> None:
    trained, averaged = network_of(stem_channels=4), build_network(network_of(stem_channels=4).config, seed=9).eval()
    tensors = {f"net.{name}": tensor for name, tensor in trained.state_dict().items()}
    tensors |= {f"ema.{name}": tensor for name, tensor in averaged.state_dict().items()}
    save_file(tensors, tmp_path / "last.safetensors")
    network = network_of(stem_channels=4)
    load_encoder(network, tmp_path / "last.safetensors")
    assert torch.equal(tokens_of(network), tokens_of(averaged))
    save_weights(trained, tmp_path / "weights.safetensors")
    load_encoder(network, tmp_path / "weights.safetensors")
    assert torch.equal(tokens_of(network), tokens_of(trained))


@pytest.mark.parametrize(
    ("change", "network", "message"),
    [
        ({"register_tokens": torch.zeros(1, 4, 24)}, {}, "no DINOv2 encoder known here, such as register_tokens"),
        ({}, {"hidden_size": 32}, "accepted: float"),
        ({}, {"num_layers": 5}, "5 layers, 24 wide: lacks"),
        ({}, {"num_layers": 5, "taps": [0, 1, 2, 4]}, "lacks"),
        ({}, {"ffn": "swiglu"}, "mlp.gate_proj"),
        ({}, {"stem_channels": 4}, "lacks"),
        ({"pos_embed": torch.zeros(1, 14, 24)}, {}, "13 position embeddings; those of a square grid"),
        ({"norm.weight": torch.full((24,), float("nan"))}, {}, "NaN"),
    ],
)
def test_another_architecture_is_named_and_nothing_is_loaded(
    change: dict[str, torch.Tensor], network: dict[str, Any], message: str, tmp_path: Path
) -> None:
    torch.save({**official_encoder().state_dict(), **change}, tmp_path / "dinov2.pth")
    target = network_of(**network)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        load_encoder(target, tmp_path / "dinov2.pth")
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())


def test_a_file_without_an_encoder_is_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="no encoder: cls_token is expected among the keys; the first are weight"):
        load_encoder(network_of(), tmp_path / "other.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(ConfigError, match="not a readable weights file"):
        load_encoder(network_of(), tmp_path / "cut.safetensors")


def test_giant_has_the_size_that_its_published_shapes_add_up_to() -> None:
    with torch.device("meta"):
        network = DepthNetwork(sized_config("giant", head="relu"))
    mask_token = 1536
    assert sum(parameter.numel() for parameter in network.parameters()) + mask_token == 1_258_132_225
    assert network.config.taps == (9, 19, 29, 39)
    with pytest.raises(ConfigError, match=r"network.size 'huge': tiny, small, base, large, giant are accepted"):
        sized_config("huge")
