"""A checkpoint and an exported engine, asked in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from depth_anything_ros.errors import ConfigError, EngineError, SpecError
from depth_anything_ros.networks import build_network
from depth_anything_ros.spec import ResizeRule, sha256_of
from tests.tiny_networks import reference_infer, write_network
from tests.training.made import write_checkpoint
from training.checkpoint import load_network
from training.predictor import model_sha256, network_predictor, open_predictor

RULE = ResizeRule(kind="short_side", side=28)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 42, 3), np.uint8)


def checkpoint(folder: Path, head: str, **changes: Any) -> Path:
    return write_checkpoint(folder / f"{head}.safetensors", folder / "no_shards", head, **changes)


@pytest.mark.parametrize(
    ("head", "quantity", "meaning", "focal"),
    [
        ("relu", "disparity", "relative", None),
        ("sigmoid", "depth", "metric_fixed", None),
        ("log_depth", "depth", "metric_canonical", 300.0),
        ("exp", "depth", "metric_canonical", 300.0),
    ],
)
def test_a_checkpoint_says_what_its_numbers_mean(
    tmp_path: Path, head: str, quantity: str, meaning: str, focal: float | None
) -> None:
    path = checkpoint(tmp_path, head)
    with open_predictor(path, device="cpu", threads=1) as predictor:
        assert (predictor.quantity, predictor.meaning, predictor.canonical_focal_px) == (quantity, meaning, focal)
        assert (predictor.resize.kind, predictor.resize.side, predictor.resize.interpolation) == (
            "short_side", 28, "area",
        )  # fmt: skip
        assert predictor.sha256 == sha256_of(path) == model_sha256(path)
        assert predictor.trained_frames == ("dhash:0123456789abcdef",)
        values = predictor.predict(images(3))
    network, _ = load_network(path)
    with torch.inference_mode():
        outputs = [output.numpy() for output in network(torch.from_numpy(images(3)))]
    expected = outputs[0].copy()
    if len(outputs) == 2:
        expected[outputs[1] > 0.5] = np.inf
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_an_engine_says_what_its_spec_says_and_takes_any_batch(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    with open_predictor(path, device="cpu", threads=1) as predictor:
        assert (predictor.quantity, predictor.meaning, predictor.canonical_focal_px) == (
            "depth", "metric_canonical", 300.0,
        )  # fmt: skip
        assert (predictor.max_batch, predictor.sha256) == (3, model_sha256(path))
        found = predictor.predict(images(7))
    expected = reference_infer(images(7))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    seen = np.isfinite(expected)
    np.testing.assert_allclose(found[seen], expected[seen], rtol=2e-3)


def fixed(head: str, depth: float, sky: float = 0.0, **options: Any) -> Any:
    """A predictor whose network always gives these values."""
    from depth_anything_ros.networks import NetworkConfig
    from tests.training.tiny_training import TINY_NETWORK

    config = NetworkConfig.from_dict({**TINY_NETWORK, "head": head})

    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = config
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            maps = tuple(torch.full(image.shape[:3], value) for value in (depth, sky))
            return maps if config.has_sky else maps[:1]

    return network_predictor(Fixed(), RULE, **options)  # type: ignore[arg-type]


def test_disparity_of_depth_is_its_inverse_and_zero_where_sky() -> None:
    assert (fixed("log_depth", 4.0).disparity(images(1)) == 0.25).all()
    assert (fixed("log_depth", 4.0, sky=0.6).disparity(images(1)) == 0.0).all()
    assert np.isnan(fixed("log_depth", 0.0).disparity(images(1))).all()
    assert np.isnan(fixed("log_depth", float("nan")).disparity(images(1))).all()
    assert (fixed("relu", 0.0).disparity(images(1)) == 0.0).all()


def test_the_threshold_of_sky_can_be_another() -> None:
    assert np.isfinite(fixed("exp", 4.0, sky=0.4).predict(images(1))).all()
    assert np.isposinf(fixed("exp", 4.0, sky=0.4, sky_threshold=0.3).predict(images(1))).all()


def test_bf16_is_close_to_fp32() -> None:
    from depth_anything_ros.networks import NetworkConfig
    from tests.training.tiny_training import TINY_NETWORK

    network = build_network(NetworkConfig.from_dict({**TINY_NETWORK, "head": "exp"})).eval()
    exact = network_predictor(network, RULE).predict(images(2))
    rough = network_predictor(network, RULE, precision="bf16").predict(images(2))
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough / exact - 1).max() < 0.1


def test_an_empty_batch_is_an_empty_answer() -> None:
    assert fixed("relu", 1.0).predict(images(0)).shape == (0, 28, 42)


@pytest.mark.parametrize("batch", [images(1)[0], images(1)[:, :27], images(1).astype(np.float32), images(1)[..., :2]])
def test_other_batches_are_refused(batch: np.ndarray) -> None:
    with pytest.raises(EngineError, match=r"network got .*accepted: uint8 \(n, h, w, 3\), h and w multiples of 14"):
        fixed("relu", 1.0).predict(batch)


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("gone.safetensors", {}, ConfigError, "gone.safetensors: no such checkpoint"),
        ("gone.onnx", {}, EngineError, "no network at .*gone.onnx"),
        ("relu.safetensors", {"device": "tpu9"}, ConfigError, "device 'tpu9': cpu, cuda or cuda:N is accepted"),
        ("relu.safetensors", {"device": "cuda:99"}, ConfigError, "device cuda:99: this machine has"),
        ("relu.safetensors", {"precision": "fp8"}, ConfigError, "precision 'fp8': auto, fp32 or bf16"),
        ("strange.safetensors", {}, ConfigError, "the checkpoint's recipe does not say"),
    ],
)
def test_what_cannot_be_opened_is_said(
    tmp_path: Path, name: str, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    from training.checkpoint import load_checkpoint, save_checkpoint

    tensors, meta = load_checkpoint(checkpoint(tmp_path, "relu"))
    save_checkpoint(tmp_path / "strange.safetensors", tensors, {**meta, "recipe": {}})
    with pytest.raises(error, match=words):
        open_predictor(tmp_path / name, **{"device": "cpu", **options})


@pytest.mark.parametrize(("name", "error"), [("gone.safetensors", ConfigError), ("gone.onnx", EngineError)])
def test_there_is_no_hash_of_nothing(tmp_path: Path, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        model_sha256(tmp_path / name)


@pytest.mark.gpu
def test_torch_weights_of_an_engine_run_on_cuda(tmp_path: Path) -> None:
    from depth_anything_ros.networks import NetworkConfig
    from depth_anything_ros.networks.weights import save_weights
    from tests.training.tiny_training import TINY_NETWORK

    network = build_network(NetworkConfig.from_dict({**TINY_NETWORK, "head": "relu"})).eval()
    weights = tmp_path / "tiny.weights.safetensors"
    save_weights(network, weights)
    relative = {"meaning": "relative", "quantity": "disparity", "sky_output": None, "canonical_focal_px": None}
    given = {"torch_weights": weights.name, "torch_weights_sha256": sha256_of(weights)}
    path = write_network(tmp_path, with_golden=False, **relative, **given)
    found = open_predictor(path).predict(images(5))
    np.testing.assert_allclose(found, network_predictor(network, RULE).predict(images(5)), rtol=1e-2, atol=1e-3)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(SpecError, match="its spec names"):
        open_predictor(path, device="cuda")
