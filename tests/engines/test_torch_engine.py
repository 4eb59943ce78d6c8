"""The torch engine: the same answer as the ONNX file, what it refuses, and what CUDA rounds and allocates."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch engine needs torch (extra convert)")
pytest.importorskip("transformers", reason="the torch engine needs transformers (extra convert)")
pytest.importorskip("safetensors", reason="the torch engine needs safetensors (extra convert)")

from depth_anything_ros.engine import load_engine  # noqa: E402
from depth_anything_ros.errors import EngineError, SpecError  # noqa: E402
from depth_anything_ros.golden import GoldenSample, save_golden  # noqa: E402
from depth_anything_ros.networks import NetworkConfig, build_network  # noqa: E402
from depth_anything_ros.networks.export import export_onnx  # noqa: E402
from depth_anything_ros.networks.weights import save_weights  # noqa: E402
from depth_anything_ros.spec import load_spec, save_spec, sha256_of, spec_path_of  # noqa: E402
from tests.tiny_networks import make_spec  # noqa: E402
from tests.training.tiny_training import TINY_NETWORK  # noqa: E402

HEADS = {"relu": 0.0, "exp": 0.0}


@pytest.fixture(scope="module", params=HEADS)
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with everything that a converted checkpoint has."""
    folder = tmp_path_factory.mktemp("torch")
    network = build_network(NetworkConfig.from_dict({**TINY_NETWORK, "head": request.param}), seed=3).eval()
    has_sky = network.config.has_sky
    with torch.no_grad():
        network.head.depth.weight.mul_(4.0)
        network.head.depth.bias.fill_(1.0)
    onnx, weights, golden = (folder / f"tiny{suffix}" for suffix in (".onnx", ".safetensors", ".golden.npz"))
    export_onnx(network, onnx)
    save_weights(network, weights)
    image = images(1, 42, 56)
    with torch.inference_mode():
        outputs = [output.numpy() for output in network(torch.from_numpy(image))]
    threshold = float(np.quantile(outputs[1], 0.8)) if has_sky else 0.5
    depth = outputs[0][0].copy()
    if has_sky:
        depth[outputs[1][0] > threshold] = np.inf
    save_golden(golden, GoldenSample(image[0], depth, 1e-3))
    spec = make_spec(
        artifact_sha256=sha256_of(onnx), max_batch=4, sky_output="sky" if has_sky else None, sky_threshold=threshold,
        golden=golden.name, golden_sha256=sha256_of(golden), torch_weights=weights.name,
        torch_weights_sha256=sha256_of(weights),
    )  # fmt: skip
    save_spec(spec_path_of(onnx), spec)
    return onnx


def images(n: int, h: int, w: int) -> Any:
    return np.random.default_rng(5).integers(0, 256, (n, h, w, 3)).astype(np.uint8)


def changed(artifact: Path, folder: Path, **changes: Any) -> Path:
    """A copy of the artifact whose spec says something else."""
    for path in artifact.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    copy = folder / artifact.name
    save_spec(spec_path_of(copy), dataclasses.replace(load_spec(spec_path_of(artifact)), **changes))
    return copy


@pytest.mark.parametrize("shape", [(1, 42, 56), (3, 28, 70)])
def test_it_gives_what_onnx_runtime_gives(artifact: Path, shape: tuple[int, int, int]) -> None:
    batch = images(*shape)
    with (
        load_engine(artifact, engine="torch", precision="fp32") as engine,
        load_engine(artifact, engine="onnxruntime") as reference,
    ):
        assert (engine.info.engine, engine.info.precision) == ("torch", "fp32")
        assert engine.info.golden is not None
        found, expected = engine.infer(batch), reference.infer(batch)
        assert found.dtype == np.float32
        assert np.mean(np.isinf(found) != np.isinf(expected)) < 0.01
        both = np.isfinite(found) & np.isfinite(expected)
        np.testing.assert_allclose(found[both], expected[both], rtol=2e-3, atol=2e-4)
        assert not np.shares_memory(found, engine.infer(batch))


def test_without_a_device_only_fp32_runs(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for precision in ("auto", "fp16"):
        with pytest.raises(EngineError, match=r"needs a CUDA device, and PyTorch .* finds none; accepted: .*fp32"):
            load_engine(artifact, engine="torch", precision=precision)
    with load_engine(artifact, engine="torch", precision="fp32", threads=2) as engine:
        assert engine.info.device == "CPU, 2 threads"


def test_a_device_that_is_not_there_is_named(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(EngineError, match="there is no CUDA device 7; accepted: 0 to 1"):
        load_engine(artifact, engine="torch", device=7)


def test_networks_without_torch_weights_are_refused(artifact: Path, tmp_path: Path) -> None:
    path = changed(artifact, tmp_path, torch_weights=None, torch_weights_sha256=None)
    with pytest.raises(EngineError, match="has no weights for the engine torch"):
        load_engine(path, engine="torch", precision="fp32")


def test_weights_that_are_not_the_specs_are_refused(artifact: Path, tmp_path: Path) -> None:
    path = changed(artifact, tmp_path)
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(SpecError, match="its spec names"):
        load_engine(path, engine="torch", precision="fp32")
    weights.unlink()
    with pytest.raises(EngineError, match="no weights at"):
        load_engine(path, engine="torch", precision="fp32")


def test_a_sky_output_that_the_weights_have_not_is_refused(artifact: Path, tmp_path: Path) -> None:
    sky = None if load_spec(spec_path_of(artifact)).sky_output else "sky"
    path = changed(artifact, tmp_path, sky_output=sky)
    with pytest.raises(SpecError, match="sky output, its spec names"):
        load_engine(path, engine="torch", precision="fp32")


def test_other_weights_miss_the_golden_sample(artifact: Path, tmp_path: Path) -> None:
    from depth_anything_ros.networks.weights import load_weights

    network = load_weights(artifact.with_suffix(".safetensors"))
    with torch.no_grad():
        network.head.depth.bias.add_(0.5)
    save_weights(network, tmp_path / "other.safetensors")
    digest = sha256_of(tmp_path / "other.safetensors")
    path = changed(artifact, tmp_path, torch_weights="other.safetensors", torch_weights_sha256=digest)
    with pytest.raises(EngineError, match="misses its golden sample"):
        load_engine(path, engine="torch", precision="fp32")


def test_a_closed_engine_says_so(artifact: Path) -> None:
    engine = load_engine(artifact, engine="torch", precision="fp32")
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.infer(images(1, 28, 28))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_cuda_gives_what_onnx_runtime_gives(artifact: Path, precision: str) -> None:
    tolerance = {"fp16": 1e-2, "fp32": 1e-3}[precision]
    with (
        load_engine(artifact, engine="torch", precision=precision) as engine,
        load_engine(artifact, engine="onnxruntime") as reference,
    ):
        assert engine.info.precision == precision
        # Back and forth between shapes: every one has its own graph and buffers.
        for shape in ((1, 42, 56), (3, 28, 70), (1, 42, 56)):
            batch = images(*shape)
            found, expected = engine.infer(batch), reference.infer(batch)
            both = np.isfinite(found) & np.isfinite(expected)
            assert np.mean(np.isinf(found) != np.isinf(expected)) < 0.02
            assert np.mean(np.abs(found[both] - expected[both]) / np.maximum(expected[both], 1e-2)) < tolerance


@pytest.mark.gpu
def test_cuda_allocates_nothing_per_frame(artifact: Path) -> None:
    with load_engine(artifact, engine="torch") as engine:
        assert engine.info.precision == "fp16"
        batch = images(1, 42, 56)
        engine.infer(batch)
        before = torch.cuda.memory_stats()
        for _ in range(5):
            engine.infer(batch)
        after = torch.cuda.memory_stats()
    for count in ("allocation.all.allocated", "num_alloc_retries", "segment.all.allocated"):
        assert after[count] == before[count]
