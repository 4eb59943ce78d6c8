"""From a checkpoint to a folder that the engines load: what is in it, that it is checked, and that it is whole."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import ConfigError, EngineError, LicenceError
from depth_anything_ros.golden import load_golden
from depth_anything_ros.models import KnownModel, get_model
from depth_anything_ros.networks import convert as convert_module
from depth_anything_ros.networks.checkpoint import load_known
from depth_anything_ros.networks.convert import convert
from depth_anything_ros.networks.weights import load_weights
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.spec import load_spec, sha256_of
from tests.networks.known_weights import official_model, use_tiny_sizes, write_official, write_transformers
from tests.networks.official_model import normalised


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_sizes(monkeypatch)


def reported(_what: str, _fraction: float | None) -> None:
    """Progress that nobody looks at."""


def expected_golden(model: KnownModel, image_hw3: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        value, sky = official_model(model)(normalised(torch.from_numpy(image_hw3)[None]), model.taps)
    if model.head == "relu":
        return torch.relu(value)[0].numpy()
    if model.head == "sigmoid":
        return (torch.sigmoid(value) * model.max_depth_m)[0].numpy()
    assert sky is not None
    return torch.where(sky > 0.3, torch.inf, torch.exp(value))[0].numpy()


@pytest.mark.parametrize(
    ("name", "accept"),
    [
        ("v1-small", ()),
        ("v2-metric-outdoor-base", ("unclear",)),
        ("da3metric-large", ()),
    ],
)
def test_an_official_file_becomes_an_engine(name: str, accept: tuple[str, ...], tmp_path: Path) -> None:
    model = get_model(name)
    source = write_official(model, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    steps: list[tuple[str, float | None]] = []
    spec = convert(source, model, out, accept=accept, torch_weights=False, report=lambda *step: steps.append(step))
    assert sorted(path.name for path in out.iterdir()) == [f"{name}.golden.npz", f"{name}.json", f"{name}.onnx"]
    assert load_spec(out / f"{name}.json") == spec
    assert (spec.meaning, spec.quantity, spec.resize) == (model.meaning, model.quantity, model.resize)
    assert (spec.sky_output, spec.sky_threshold) == (("sky", 0.3) if model.family == "da3" else (None, 0.5))
    assert (spec.licence, bool(spec.licence_accepted)) == (model.licence, bool(accept))
    assert spec.provenance["source_sha256"] == sha256_of(source)
    assert (spec.provenance["model"], spec.provenance["keys"]) == (name, "official")
    assert [fraction for _, fraction in steps] == sorted(fraction or 0.0 for _, fraction in steps)
    assert (steps[0][1], steps[-1][1]) == (0.0, 1.0)
    sample = load_golden(out / str(spec.golden), str(spec.golden_sha256))
    assert sample.depth_hw.shape == network_size(640, 480, model.resize)
    np.testing.assert_allclose(sample.depth_hw, expected_golden(model, sample.image_hw3), rtol=1e-3, atol=1e-4)
    for engine in ("onnxruntime", "openvino"):
        if importlib.util.find_spec(engine):
            with load_engine(out, engine=engine, precision="fp32") as loaded:
                assert loaded.info.golden is not None
                assert loaded.info.golden.abs_rel < 1e-4


def test_a_folder_of_transformers_keeps_its_own_resize_rule(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    out.mkdir()
    write_transformers(get_model("v2-metric-indoor-small"), source)
    spec = convert(source, None, out, accept=(), torch_weights=True, report=reported)
    assert spec.resize.kind == "closest_side"
    assert spec.provenance["keys"] == "transformers"
    assert spec.torch_weights == "v2-metric-indoor-small.safetensors"
    assert spec.torch_weights_sha256 == sha256_of(out / spec.torch_weights)
    network, original = load_weights(out / spec.torch_weights), load_known(source, None)[0]
    assert network.config == original.config
    state = original.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert (out / spec.torch_weights).stat().st_mode & 0o777 == 0o644


def test_terms_that_were_not_accepted_leave_nothing(tmp_path: Path) -> None:
    model = get_model("v2-base")
    source = write_official(model, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(LicenceError, match="cc-by-nc"):
        convert(source, model, out, accept=("unclear",), torch_weights=False, report=reported)
    with pytest.raises(ConfigError, match="no such folder"):
        convert(source, model, tmp_path / "absent", accept=(), torch_weights=False, report=reported)
    assert list(out.iterdir()) == []


def test_a_failure_leaves_what_was_there_and_success_replaces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = get_model("v2-small")
    out = tmp_path / "out"
    out.mkdir()
    convert(write_official(model, tmp_path), model, out, accept=(), torch_weights=False, report=reported)
    before = {path.name: sha256_of(path) for path in out.iterdir()}
    other = write_official(model, tmp_path, seed=5)

    def fail(*_: object) -> None:
        raise EngineError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(convert_module, "save_golden", fail)
        with pytest.raises(EngineError, match="the disk is full"):
            convert(other, model, out, accept=(), torch_weights=True, report=reported)
    assert {path.name: sha256_of(path) for path in out.iterdir()} == before
    convert(other, model, out, accept=(), torch_weights=False, report=reported)
    assert all(sha256_of(path) != before[path.name] for path in out.iterdir())
    load_engine(out, engine="onnxruntime").close()
