"""ONNX export of a ``DepthNetwork``: one graph with free batch, height and width, checked against PyTorch.

Before export a copy of the network is rewritten, exactly: query, key and value become one matrix with the attention
scale inside, LayerScale is folded into the matrix before it, attention is spelt out without a mask. Engines fuse
these forms.
"""

from __future__ import annotations

import copy
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from ..errors import ConfigError, EngineError
from .config import PATCH_SIZE
from .depth_network import DepthNetwork

OPSET = 17
INPUT_NAME = "image"
OUTPUT_NAMES = ("depth", "sky")
"""The second is there where the network has a sky head."""
PARITY_SIZES = ((8, 12), (12, 9), (14, 21))
"""Network sizes in patches (rows, columns) at which every export is compared with PyTorch."""
MAX_WEIGHT_BYTES = 2**31 - 2**24
"""One ONNX file holds 2 GiB; what the graph itself takes is far below 16 MiB."""
PARITY_TOLERANCE = 1e-4
"""Largest accepted mean relative difference of depth in fp32 with the same weights."""


class _PlainAttention(nn.Module):
    """Self-attention by matrix products, with one matrix for query, key and value and the scale inside it."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.num_heads: int = attention.num_attention_heads
        self.head_dim: int = attention.head_dim
        scale = self.head_dim**-0.5
        query, key, value = attention.q_proj, attention.k_proj, attention.v_proj
        self.qkv = nn.Linear(query.in_features, 3 * query.out_features)
        with torch.no_grad():
            self.qkv.weight.copy_(torch.cat([query.weight * scale, key.weight, value.weight]))
            self.qkv.bias.copy_(torch.cat([query.bias * scale, key.bias, value.bias]))
        self.o_proj = attention.o_proj

    def forward(self, tokens_nlc: torch.Tensor, **_: Any) -> tuple[torch.Tensor, None]:
        batch, length, width = tokens_nlc.shape
        qkv = self.qkv(tokens_nlc).reshape(batch, length, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(qkv[0] @ qkv[1].transpose(-2, -1), dim=-1)
        mixed = (weights @ qkv[2]).transpose(1, 2).reshape(batch, length, width)
        return self.o_proj(mixed), None


def plain_copy(network: DepthNetwork) -> DepthNetwork:
    """A copy in evaluation mode with the rewritten attention and the folded LayerScale; same outputs up to rounding."""
    plain = copy.deepcopy(network).eval()
    for layer in plain.backbone.encoder.layer:
        layer.attention = _PlainAttention(layer.attention)
        last = layer.mlp.down_proj if network.config.ffn == "swiglu" else layer.mlp.fc2
        for linear, scale in ((layer.attention.o_proj, "layer_scale1"), (last, "layer_scale2")):
            gamma = getattr(layer, scale).lambda1
            with torch.no_grad():
                linear.weight.mul_(gamma[:, None])
                linear.bias.mul_(gamma)
            setattr(layer, scale, nn.Identity())
    return plain


def export_onnx(network: DepthNetwork, path: Path, *, half_weights: bool = False) -> float:
    """Write ``path`` and return its worst mean relative difference from PyTorch over ``PARITY_SIZES``.

    Input ``image`` uint8 (batch, height, width, 3) RGB; outputs ``depth`` and, where the network has a sky head,
    ``sky``, float32 (batch, height, width).
    ``half_weights`` rounds the weights to fp16 first (in the network that parity is measured against too) and stores
    them so; the graph still computes in fp32. Raises ``EngineError`` when parity fails, and ``ConfigError`` for more
    weights than one ONNX file holds (the size giant); nothing is left at ``path`` then.
    """
    size = 4 * sum(parameter.numel() for parameter in network.parameters())
    if size > MAX_WEIGHT_BYTES:
        raise ConfigError(
            f"{path.name}: {size / 1e9:.1f} GB of weights; one ONNX file holds {MAX_WEIGHT_BYTES / 1e9:.1f} GB;"
            " label with the checkpoint itself and export a student of it"
        )
    plain = plain_copy(network)
    if half_weights:
        with torch.no_grad():
            for parameter in plain.parameters():
                parameter.copy_(parameter.half().float())
    temporary = path.with_name(f".{path.name}.tmp{os.getpid()}")
    outputs = output_names(network)
    axes = {0: "batch", 1: "height", 2: "width"}
    try:
        with warnings.catch_warnings():
            # The tracing exporter is deprecated, but keeps free sizes free where the graph is spelt out as here.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                plain, (torch.zeros(1, 8 * PATCH_SIZE, 12 * PATCH_SIZE, 3, dtype=torch.uint8),), str(temporary),
                dynamo=False, opset_version=OPSET, input_names=[INPUT_NAME], output_names=list(outputs),
                dynamic_axes=dict.fromkeys((INPUT_NAME, *outputs), axes),
            )  # fmt: skip
        model = onnx.load(temporary)
        _check_opset(model)
        if half_weights:
            _store_half(model)
            onnx.save(model, temporary)
        del model  # a large network is in memory often enough
        onnx.checker.check_model(str(temporary))
        error = parity(plain, temporary)
        if not error <= PARITY_TOLERANCE:
            raise EngineError(
                f"{path.name}: the exported graph differs from PyTorch by {error:.2e} on average,"
                f" {PARITY_TOLERANCE:.0e} is accepted"
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return error


def parity(network: DepthNetwork, path: Path) -> float:
    """Worst mean relative difference of depth (and mean difference of sky) between ``network`` and the file on ONNX
    Runtime, over ``PARITY_SIZES``.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    worst = 0.0
    for rows, columns in PARITY_SIZES:
        coarse = rng.integers(0, 256, size=(2, rows, columns, 3)).astype(np.uint8)
        image = coarse.repeat(PATCH_SIZE, axis=1).repeat(PATCH_SIZE, axis=2)
        with torch.inference_mode():
            expected = [output.numpy() for output in network(torch.from_numpy(image))]
        names = output_names(network)
        found = session.run(list(names), {INPUT_NAME: image})
        for name, wanted, got in zip(names, expected, found, strict=True):
            if wanted.shape != got.shape or not np.isfinite(got).all():
                raise EngineError(
                    f"{path.name}: output {name} is {got.shape} at input {image.shape},"
                    f" {wanted.shape} and finite is expected"
                )
        # Disparity reaches 0 far away: there a difference is taken relative to a hundredth of the middle value.
        floor = max(0.01 * float(np.median(expected[0])), 1e-6)
        worst = max(worst, float(np.mean(np.abs(found[0] - expected[0]) / np.maximum(expected[0], floor))))
        for got, wanted in zip(found[1:], expected[1:], strict=True):
            worst = max(worst, float(np.mean(np.abs(got - wanted))))
    return worst


def output_names(network: DepthNetwork) -> tuple[str, ...]:
    """Names of the graph's outputs."""
    return OUTPUT_NAMES if network.config.has_sky else OUTPUT_NAMES[:1]


def _check_opset(model: onnx.ModelProto) -> None:
    # Exporters may return another opset than the one asked for without a word.
    found = {entry.domain: entry.version for entry in model.opset_import}
    if found.get("") != OPSET:
        raise EngineError(f"the exporter wrote opset {found}, {OPSET} was asked for")


def _store_half(model: onnx.ModelProto) -> None:
    """Store every float weight as fp16 and cast it back at its use: half the file; engines fold the cast at load."""
    graph, casts = model.graph, []
    for index, tensor in enumerate(list(graph.initializer)):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims, dtype=np.int64) < 16:
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_half")
        graph.initializer[index].CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT, name=f"{name}_to_float"))
    nodes = casts + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
