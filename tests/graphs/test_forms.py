"""``make_graph``: rungs and what is refused, for every head that a network can have."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from depth_anything_ros.errors import EngineError
from depth_anything_ros.graphs import RUNGS, make_graph
from depth_anything_ros.graphs.parity import Parity, compare, on_onnxruntime
from depth_anything_ros.graphs.rounding import rounding_graph
from tests.graphs.graph_helpers import graph_of, nodes_of, pictures, run, starter
from tests.tiny_networks import make_spec

HEADS: dict[str, dict[str, Any]] = {
    "log_depth": {},
    "relu": {"head": "relu"},
    "sigmoid": {"head": "sigmoid", "max_depth_m": 20.0},
    "exp": {"head": "exp"},
    "relu with official positions": {"head": "relu", "position_rule": "offset"},
}


@pytest.mark.parametrize("head", HEADS)
def test_every_rung_of_every_head_gives_what_pytorch_gives(head: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="exports with PyTorch (extra convert)")
    from depth_anything_ros.networks import NetworkConfig, build_network
    from depth_anything_ros.networks.export import export_onnx

    sizes = {"hidden_size": 32, "num_layers": 4, "num_heads": 2, "taps": (0, 1, 2, 3), "fusion_channels": 8}
    config = NetworkConfig(**sizes, neck_channels=(8, 8, 16, 16), head_channels=8, position_grid=5, **HEADS[head])
    network = build_network(config, seed=1).eval()
    path = tmp_path / "network.onnx"
    export_onnx(network, path)
    outputs = [entry.name for entry in onnx.load(path).graph.output]
    spec = dataclasses.replace(make_spec(), sky_output="sky" if "sky" in outputs else None, sky_threshold=1e9)
    images = pictures(1, 56, 70)

    def pytorch(images_nhw3: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            found = network(torch.from_numpy(images_nhw3))
        return (found[0] if isinstance(found, tuple) else found).numpy()

    expected = pytorch(images)
    assert expected.mean() > 0 and expected.std() > 0, "a head that gives one value shows nothing"
    for rung in RUNGS:
        data = make_graph(path.read_bytes(), spec, rung, shape=(1, 56, 70))
        assert [entry.name for entry in onnx.load_from_string(data).graph.output][: len(outputs)] == outputs
        found = on_onnxruntime(rounding_graph(data), spec)(images)
        # Relative to the mean: disparity may be zero.
        error = float(np.abs(found - expected).mean() / expected.mean())
        assert error < (1e-4 if rung == "fp32" else 5e-3), rung


def test_what_cannot_be_made_is_refused() -> None:
    data, spec = starter()
    with pytest.raises(EngineError, match="rung is 'fp8'; accepted: fp16, fp16-attention-fp32, fp16-unfused, fp32"):
        make_graph(data, spec, "fp8", shape=(1, 98, 126))
    with pytest.raises(EngineError, match="quantised to int8, for CPU engines"):
        make_graph(data, dataclasses.replace(spec, quantized="int8"), "fp16", shape=(1, 98, 126))


def test_the_same_input_makes_the_same_bytes() -> None:
    """The plan's key holds the network's hash, not the graph's: one must follow from the other."""
    for rung in ("fp16", "fp16-unfused"):
        assert len({make_graph(*starter(), rung, shape=(None, 70, 98)) for _ in range(2)}) == 1


def test_fp16_on_a_cpu_is_rounded_where_the_graph_says() -> None:
    """ONNX Runtime computes chains of fp16 in fp32; 2048 + 1 + 1 is 2048 only where every sum is rounded."""
    node = helper.make_node
    data, spec = graph_of(
        [
            node("Cast", ["image"], ["bytes"], to=TensorProto.FLOAT),
            node("ReduceMean", ["bytes"], ["grey"], axes=[3], keepdims=1),
            node("MatMul", ["grey", "identity"], ["value"]),
            node("Add", ["value", "one"], ["plus1"]),
            node("Add", ["plus1", "one"], ["plus2"]),
            node("MatMul", ["plus2", "identity"], ["far"]),
            node("Squeeze", ["far", "last"], ["depth"]),
        ],
        identity=np.full((1, 1), 32.0, np.float32),
        one=np.array([1.0], np.float32),
        last=np.array([3]),
    )
    half = make_graph(data, spec, "fp16", shape=(1, 14, 14))
    image = np.full((1, 14, 14, 3), 64, np.uint8)
    assert len(nodes_of(rounding_graph(half), "Cast")) > len(nodes_of(half, "Cast"))
    assert run(data, image)["depth"].max() == (2048 + 2) * 32
    assert run(rounding_graph(half), image)["depth"].max() == 2048 * 32


def test_parity_tells_the_worst_image_and_pixel() -> None:
    images = list(pictures(2, 14, 14))
    images[1][:] = 200

    def reference(batch: np.ndarray) -> np.ndarray:
        return np.full(batch.shape[:3], 2.0, np.float32)

    def found(batch: np.ndarray) -> np.ndarray:
        depth = reference(batch)
        if batch.min() == 200:
            depth[0, 0, :7] += 0.2
            depth[0, 1, 0] = np.inf
        return depth

    result = compare(found, reference, images)
    assert result == Parity(
        abs_rel=pytest.approx(0.1 * 7 / 195 / 2),
        worst=pytest.approx(0.1 * 7 / 195),
        max_rel=pytest.approx(0.1),
        cosine=pytest.approx(1.0, abs=1e-3),
        sky_changed=pytest.approx(1 / 196 / 2),
    )
