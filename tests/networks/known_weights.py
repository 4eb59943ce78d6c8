"""Checkpoints with random weights in the published layouts, small enough for a test."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from depth_anything_ros.models import LAYERS, KnownModel
from depth_anything_ros.networks import known
from tests.networks.official_model import OfficialModel, official_weights

TINY = {
    "small": known.Size(24, 2, (8, 12, 16, 20), 8),
    "base": known.Size(32, 2, (8, 12, 16, 20), 8),
    "large": known.Size(40, 2, (12, 16, 20, 24), 12),
}
"""Widths in place of the real ones; layers, taps, heads of the output and file layouts stay as they are."""


def use_tiny_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the known checkpoints as narrow as ``TINY``."""
    for name, size in TINY.items():
        monkeypatch.setitem(known.SIZES, name, size)


def official_model(model: KnownModel, *, seed: int = 0, sizes: dict[str, known.Size] = TINY) -> OfficialModel:
    """The authors' assembly of a known checkpoint, with random weights."""
    size = sizes[model.size]
    return OfficialModel(
        size.hidden_size, LAYERS[model.size], size.num_heads, size.neck_channels, size.fusion_channels,
        has_sky=model.family == "da3", seed=seed,
    ).eval()  # fmt: skip


def write_official(model: KnownModel, folder: Path, *, seed: int = 0) -> Path:
    """The file that the authors would have published: .pth of V1 and V2, safetensors of Depth Anything 3."""
    weights = official_weights(official_model(model, seed=seed), prefix="model." if model.family == "da3" else "")
    file = folder / model.hub_file
    if file.suffix == ".safetensors":
        save_file(weights, file)
    else:
        torch.save(weights, file)
    return file


def transformers_model(model: KnownModel, *, sizes: dict[str, known.Size] = TINY) -> DepthAnythingForDepthEstimation:
    """The assembly of ``transformers`` of the same checkpoint, with its own random weights."""
    size = sizes[model.size]
    encoder = Dinov2Config(
        hidden_size=size.hidden_size, num_hidden_layers=LAYERS[model.size], num_attention_heads=size.num_heads,
        image_size=518, patch_size=14, out_indices=[tap + 1 for tap in model.taps], apply_layernorm=True,
        reshape_hidden_states=False, attn_implementation="eager",
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=encoder, reassemble_hidden_size=size.hidden_size,
        neck_hidden_sizes=list(size.neck_channels), fusion_hidden_size=size.fusion_channels, head_hidden_size=32,
        depth_estimation_type="metric" if model.head == "sigmoid" else "relative",
        max_depth=int(model.max_depth_m) if model.head == "sigmoid" else 1,
    )  # fmt: skip
    return DepthAnythingForDepthEstimation(config).eval()


def write_transformers(model: KnownModel, folder: Path, *, seed: int = 0) -> DepthAnythingForDepthEstimation:
    """A "-hf" folder, written by ``transformers`` itself; returns the network in it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = transformers_model(model)
        for name, parameter in network.named_parameters():
            # As created, layer scales are 1, biases 0 and outputs nearly constant: a mistake there would not be seen.
            if parameter.ndim == 1 or name.endswith(("_token", "position_embeddings")):
                parameter.data.add_(0.3 * torch.randn(parameter.shape))
            else:
                parameter.data.normal_(0.0, parameter[0].numel() ** -0.5)
        network.head.conv3.bias.data.fill_(0.5)
    network.save_pretrained(folder)
    return network


def with_range(model: KnownModel, max_depth_m: float) -> KnownModel:
    """The same checkpoint, trained further for another range."""
    return dataclasses.replace(model, max_depth_m=max_depth_m)
