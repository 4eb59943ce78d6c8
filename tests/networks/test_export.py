"""ONNX export: the same numbers as PyTorch at any size, in both runtimes, or no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from depth_anything_ros.errors import ConfigError, EngineError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network
from depth_anything_ros.networks import export as export_module
from depth_anything_ros.networks.export import export_onnx, parity, plain_copy
from depth_anything_ros.networks.known import sized_config
from tests.training.tiny_training import TINY_NETWORK


@pytest.fixture(scope="module", params=[{}, {"stem_channels": 4}, {"ffn": "swiglu"}], ids=["patch", "stem", "swiglu"])
def network(request: pytest.FixtureRequest) -> DepthNetwork:
    network = build_network(NetworkConfig.from_dict({**TINY_NETWORK, **request.param}), seed=3).eval()
    with torch.no_grad():  # LayerScale of other than one, so that folding it is seen
        for layer in network.backbone.encoder.layer:
            layer.layer_scale1.lambda1.uniform_(0.5, 1.5)
            layer.layer_scale2.lambda1.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def exported(network: DepthNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    assert export_onnx(network, path) < 1e-4
    return path


def test_the_plain_copy_gives_the_same_answer(network: DepthNetwork) -> None:
    image = torch.randint(0, 256, (2, 42, 70, 3), dtype=torch.uint8)
    with torch.inference_mode():
        for found, expected in zip(plain_copy(network)(image), network(image), strict=False):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 14, 70), (3, 98, 42)])
def test_sizes_that_the_exporter_never_saw(exported: Path, network: DepthNetwork, shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    found = session.run(["depth", "sky"], {"image": image})
    with torch.inference_mode():
        expected = network(torch.from_numpy(image))
    for got, wanted in zip(found, expected, strict=False):
        assert got.shape == shape
        np.testing.assert_allclose(got, wanted.numpy(), rtol=2e-4, atol=1e-5)


def test_the_graph_is_plain(exported: Path) -> None:
    model = onnx.load(exported)
    operators = {node.op_type for node in model.graph.node}
    assert not operators & {"IsNaN", "Attention", "If", "Loop"}
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [17]
    assert [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim[:3]] == [
        "batch",
        "height",
        "width",
    ]


def test_half_weights_halve_the_file_and_move_depth_by_rounding_only(
    network: DepthNetwork, exported: Path, tmp_path: Path
) -> None:
    path = tmp_path / "half.onnx"
    assert export_onnx(network, path, half_weights=True) < 1e-4
    assert 1e-6 < parity(plain_copy(network), path) < 5e-3
    stored = [tensor.data_type for tensor in onnx.load(path).graph.initializer if np.prod(tensor.dims) >= 16]
    assert onnx.TensorProto.FLOAT16 in stored and onnx.TensorProto.FLOAT not in stored
    weights = sum(p.numel() for p in network.parameters())
    assert exported.stat().st_size - path.stat().st_size > 1.6 * weights


def test_a_graph_that_differs_is_refused_and_leaves_nothing(
    network: DepthNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "parity", lambda *_: 0.5)
    with pytest.raises(EngineError, match=r"differs from PyTorch by 5\.00e-01"):
        export_onnx(network, tmp_path / "bad.onnx")
    assert list(tmp_path.iterdir()) == []


def test_more_weights_than_one_file_holds_are_refused_at_once(tmp_path: Path) -> None:
    with torch.device("meta"):
        giant = DepthNetwork(sized_config("giant", head="relu"))
    with pytest.raises(ConfigError, match=r"giant\.onnx: 5\.0 GB of weights; one ONNX file holds 2\.1 GB"):
        export_onnx(giant, tmp_path / "giant.onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_parity_check_sees_other_weights(network: DepthNetwork, exported: Path) -> None:
    other = build_network(network.config, seed=4).eval()
    assert parity(plain_copy(other), exported) > 1e-3
