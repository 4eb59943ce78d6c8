"""From the hub's official file to an engine, with the real conversion: the weights are random, all else is as it is."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch

from depth_anything_ros.engine import load_engine
from depth_anything_ros.fetch import fetch_model
from tests.fetch.hub_server import Hub

HIDDEN, LAYERS, FEATURES, CHANNELS = 384, 12, 64, (48, 96, 192, 384)


def official_weights() -> dict[str, torch.Tensor]:
    """Random weights of ViT-S under the names and shapes of the official file."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, torch.Tensor] = {}

    def add(name: str, *shape: int, spread: float = 0.02, around: float = 0.0) -> None:
        weights[name] = around + spread * torch.randn(*shape, generator=generator)

    def add_layer(name: str, outputs: int, *rest: int, spread: float = 0.02, bias: float = 0.0) -> None:
        add(f"{name}.weight", outputs, *rest, spread=spread)
        add(f"{name}.bias", outputs, around=bias)

    add("pretrained.cls_token", 1, 1, HIDDEN)
    add("pretrained.pos_embed", 1, 1 + 37 * 37, HIDDEN)
    add("pretrained.mask_token", 1, HIDDEN)
    add_layer("pretrained.patch_embed.proj", HIDDEN, 3, 14, 14)
    for index in range(LAYERS):
        block = f"pretrained.blocks.{index}"
        for norm in ("norm1", "norm2"):
            add(f"{block}.{norm}.weight", HIDDEN, around=1.0)
            add(f"{block}.{norm}.bias", HIDDEN)
        add_layer(f"{block}.attn.qkv", 3 * HIDDEN, HIDDEN)
        add_layer(f"{block}.attn.proj", HIDDEN, HIDDEN)
        add_layer(f"{block}.mlp.fc1", 4 * HIDDEN, HIDDEN)
        add_layer(f"{block}.mlp.fc2", HIDDEN, 4 * HIDDEN)
        add(f"{block}.ls1.gamma", HIDDEN, around=1.0)
        add(f"{block}.ls2.gamma", HIDDEN, around=1.0)
    add("pretrained.norm.weight", HIDDEN, around=1.0)
    add("pretrained.norm.bias", HIDDEN)
    for index, channels in enumerate(CHANNELS):
        add_layer(f"depth_head.projects.{index}", channels, HIDDEN, 1, 1, spread=0.05)
        add(f"depth_head.scratch.layer{index + 1}_rn.weight", FEATURES, channels, 3, 3, spread=0.05)
    for index, side in ((0, 4), (1, 2), (3, 3)):
        add_layer(f"depth_head.resize_layers.{index}", CHANNELS[index], CHANNELS[index], side, side, spread=0.05)
    for index in range(1, 5):
        block = f"depth_head.scratch.refinenet{index}"
        add_layer(f"{block}.out_conv", FEATURES, FEATURES, 1, 1, spread=0.1)
        for unit in (1, 2):
            for conv in (1, 2):
                add_layer(f"{block}.resConfUnit{unit}.conv{conv}", FEATURES, FEATURES, 3, 3, spread=0.04)
    add_layer("depth_head.scratch.output_conv1", FEATURES // 2, FEATURES, 3, 3, spread=0.05)
    add_layer("depth_head.scratch.output_conv2.0", 32, FEATURES // 2, 3, 3, spread=0.06)
    add_layer("depth_head.scratch.output_conv2.2", 1, 32, 1, 1, spread=0.3, bias=2.0)
    return weights


@pytest.mark.slow
def test_the_official_file_of_the_hub_becomes_an_engine(hub: Hub, own_folders: Path) -> None:
    weights = official_weights()
    assert (len(weights), sum(tensor.numel() for tensor in weights.values())) == (239, 24_785_089)
    file = io.BytesIO()
    torch.save(weights, file)
    hub.files["depth-anything/Depth-Anything-V2-Small/depth_anything_v2_vits.pth"] = file.getvalue()
    told: list[str] = []
    path = fetch_model("v2-small", accept=(), report=lambda what, fraction: told.append(what))
    assert path == own_folders / "v2-small" / "v2-small.onnx"
    assert {file.name for file in path.parent.iterdir()} == {
        *("v2-small.onnx", "v2-small.json", "v2-small.golden.npz", "v2-small.safetensors", "DONE")
    }
    assert any("downloading" in what for what in told) and any("PyTorch" in what for what in told)
    with load_engine("v2-small", engine="onnxruntime") as engine:
        assert engine.info.golden is not None and engine.info.golden.abs_rel < 1e-3
        depth = engine.infer(np.random.default_rng(0).integers(0, 256, (1, 70, 98, 3)).astype(np.uint8))
    assert depth.shape == (1, 70, 98) and depth.std() > 1e-3
