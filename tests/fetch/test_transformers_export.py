"""The exports that people really have: those that torch makes of transformers' network, right and silently wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import EngineError
from depth_anything_ros.spec import ResizeRule
from depth_anything_ros.spec_command import SpecOptions, write_spec
from tests.fetch.foreign_onnx import MEAN, STD


@pytest.fixture(scope="module")
def network() -> DepthAnythingForDepthEstimation:
    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=112,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16
    )
    torch.manual_seed(0)
    network = DepthAnythingForDepthEstimation(config).eval()
    with torch.no_grad():  # its own random weights give next to nothing
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.15)
        network.head.conv3.bias.fill_(5.0)
    return network


class _DepthOnly(torch.nn.Module):
    def __init__(self, network: DepthAnythingForDepthEstimation) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.network(pixel_values=pixel_values).predicted_depth


def export(network: DepthAnythingForDepthEstimation, path: Path, *, free: bool) -> Path:
    axes = {0: "batch_size", 2: "height", 3: "width"}
    free_axes = {"pixel_values": axes, "predicted_depth": {0: "batch_size", 1: "height", 2: "width"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _DepthOnly(network), (torch.zeros(1, 3, 112, 112),), str(path), dynamo=False, opset_version=17,
            input_names=["pixel_values"], output_names=["predicted_depth"], dynamic_axes=free_axes if free else None,
        )  # fmt: skip
    return path


def test_an_export_of_one_size_answers_as_the_network(network: DepthAnythingForDepthEstimation, tmp_path: Path) -> None:
    source = export(network, tmp_path / "own.onnx", free=False)
    path, spec = write_spec(SpecOptions(file=source, like="v2-small"), lambda what, fraction: None)
    assert spec.resize == ResizeRule(kind="fixed", side=112)
    image = np.random.default_rng(2).integers(0, 256, (1, 112, 112, 3)).astype(np.uint8)
    pixels = torch.from_numpy(((image / 255.0 - MEAN) / STD).astype(np.float32)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network(pixel_values=pixels).predicted_depth.numpy()
    assert expected.std() > 0.1
    with load_engine(path, engine="onnxruntime") as engine:
        np.testing.assert_allclose(engine.infer(image), expected, rtol=1e-3, atol=1e-3)


def test_an_export_whose_free_sizes_are_frozen_inside_is_refused(
    network: DepthAnythingForDepthEstimation, tmp_path: Path
) -> None:
    source = export(network, tmp_path / "own.onnx", free=True)
    with pytest.raises(EngineError, match=r"own\.onnx (does not run|gives) .*for an image of"):
        write_spec(SpecOptions(file=source, like="v2-small", resize="long_side:112"), lambda what, fraction: None)
    assert [path.name for path in tmp_path.iterdir()] == ["own.onnx"]
