"""A checkpoint of every head goes through the stage ``export`` and comes back as an engine that is loaded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import ConfigError, EngineError, LicenceError, OutputError, SpecError
from depth_anything_ros.spec import load_spec
from tests.training.made import HEADS, tree_of, write_checkpoint
from tests.training.tiny_training import write_shards
from training import export
from training.__main__ import main
from training.checkpoint import load_checkpoint, load_network, save_checkpoint
from training.config import recipe_from_dict
from training.evaluate import answer_of
from training.export import export_checkpoint, run
from training.predictor import open_predictor
from training.scores import score
from training.sources import open_source
from training.stage_configs import ExportConfig

EXPORTED = ("log_depth", "relu")
"""Heads whose graph is traced here; ``tests/networks`` traces them all."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with HEAD/best.safetensors and, made of it, HEAD/engine/tiny.onnx."""
    folder = tmp_path_factory.mktemp("heads")
    shards = write_shards(folder / "shards")
    for head in HEADS:
        checkpoint = write_checkpoint(folder / head / "best.safetensors", shards, head)
        if head in EXPORTED:
            out = str(folder / head / "engine" / "tiny.onnx")
            assert main(["export", "--checkpoint", str(checkpoint), "--out", out, "--torch-weights"]) == 0
    return folder


@pytest.fixture
def no_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something is written in place of the graph, for what comes beside it; tracing a network takes seconds."""

    def write(network: Any, path: Path, *, half_weights: bool) -> float:
        path.write_bytes(b"graph")
        return 0.0

    monkeypatch.setattr(export, "export_onnx", write)


@pytest.mark.parametrize("head", EXPORTED)
def test_the_engine_answers_as_the_checkpoint(engines: Path, head: str) -> None:
    network, _ = load_network(engines / head / "best.safetensors")
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 42, 3)).astype(np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(image))[0].numpy()
    for runtime in ("onnxruntime", "openvino", "torch") if head == "log_depth" else ("onnxruntime",):
        pytest.importorskip(runtime)
        with load_engine(engines / head / "engine", engine=runtime, precision="fp32") as engine:
            assert engine.info.golden is not None and engine.info.golden.abs_rel < 1e-3
            np.testing.assert_allclose(engine.infer(image), expected, rtol=0.01, atol=1e-3)  # fp16 weights


def test_the_engine_measures_as_the_checkpoint(engines: Path) -> None:
    found = []
    samples = open_source("synthetic", str(engines / "shards"), {})
    for model in (engines / "log_depth" / "best.safetensors", engines / "log_depth" / "engine"):
        with open_predictor(model) as predictor:
            found.append(score(answer_of(predictor), samples))
    for name in ("abs_rel", "median_abs_rel", "affine_abs_rel"):
        assert found[0][name] == pytest.approx(found[1][name], rel=0.01)  # fp16 weights


def test_the_spec_says_what_the_head_means(engines: Path, tmp_path: Path, no_graph: None) -> None:
    specs = {head: export_checkpoint(engines / head / "best.safetensors", tmp_path / f"{head}.onnx") for head in HEADS}
    told = {head: (spec.meaning, spec.quantity, spec.sky_output, spec.max_depth_m) for head, spec in specs.items()}
    assert told == {
        "log_depth": ("metric_canonical", "depth", "sky", 50.0),
        "exp": ("metric_canonical", "depth", "sky", 50.0),
        "sigmoid": ("metric_fixed", "depth", None, 20.0),
        "relu": ("relative", "disparity", None, 100.0),
    }
    assert specs["log_depth"].canonical_focal_px == 300.0
    # The shards' camera has 50 px at 48 rows; the network sees 28.
    assert specs["sigmoid"].training_focal_px == pytest.approx(50 * 28 / 48, abs=0.1)


def test_the_spec_tells_where_the_weights_come_from(engines: Path) -> None:
    spec = load_spec(engines / "log_depth" / "engine" / "tiny.json")
    assert spec.provenance == {
        "kind": "trained", "recipe": "tiny", "stage": "metric", "steps": "3", "sources": "made",
    }  # fmt: skip
    assert (spec.resize.kind, spec.resize.side, spec.resize.interpolation) == ("short_side", 28, "area")
    assert spec.trained_frames == ("dhash:0123456789abcdef",)
    assert (spec.licence.id, spec.licence.category, spec.licence.source) == (
        "Apache-2.0", "permissive", "the recipe tiny",
    )  # fmt: skip


def test_the_stage_exports_the_checkpoint_of_its_recipe_once(engines: Path, tmp_path: Path, no_graph: None) -> None:
    section = {"model": str(engines / "exp" / "best.safetensors"), "licence": "CC-BY-NC-4.0"}
    section |= {"licence_category": "non-commercial", "licence_source": "the weights that it started from"}
    recipe = recipe_from_dict(tree_of(engines / "shards", tmp_path, export=section), "test")
    out = run(recipe)
    assert out == tmp_path / "export" / "tiny.onnx"
    with pytest.raises(LicenceError, match="the weights that it started from"):
        load_engine(out, engine="onnxruntime")
    before = out.stat().st_mtime_ns
    assert run(recipe) == out and out.stat().st_mtime_ns == before


def test_a_golden_sample_that_is_not_reproduced_is_refused(engines: Path, tmp_path: Path) -> None:
    shutil.copytree(engines / "log_depth" / "engine", tmp_path / "engine")
    (tmp_path / "engine" / "tiny.golden.npz").write_bytes(b"other")
    with pytest.raises(SpecError, match="SHA-256"):
        load_engine(tmp_path / "engine", engine="onnxruntime")


def changed(checkpoint: Path, out: Path, bias: float) -> Path:
    """A copy of a checkpoint whose last convolution says the same everywhere."""
    tensors, meta = load_checkpoint(checkpoint)
    tensors["ema.head.depth.weight"] *= 0
    tensors["ema.head.depth.bias"][:] = bias
    save_checkpoint(out, tensors, meta)
    return out


def test_a_network_that_answers_nothing_is_not_exported(engines: Path, tmp_path: Path, no_graph: None) -> None:
    dead = changed(engines / "relu" / "best.safetensors", tmp_path / "dead.safetensors", -1.0)
    with pytest.raises(EngineError, match="answers 0 everywhere"):
        export_checkpoint(dead, tmp_path / "out" / "dead.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_failed_export_leaves_the_one_before(engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(engines / "log_depth" / "engine", tmp_path / "engine")
    before = {path.name: path.read_bytes() for path in (tmp_path / "engine").iterdir()}

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "save_golden", full)
    with pytest.raises(OutputError, match="No space left on device"):
        export_checkpoint(engines / "exp" / "best.safetensors", tmp_path / "engine" / "tiny.onnx")
    assert {path.name: path.read_bytes() for path in (tmp_path / "engine").iterdir()} == before


def test_cameras_that_cannot_be_read_any_more_leave_the_focal_open(
    tmp_path: Path, no_graph: None, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = write_checkpoint(tmp_path / "gone.safetensors", tmp_path / "no_shards", "sigmoid")
    assert export_checkpoint(gone, tmp_path / "gone.onnx").training_focal_px is None
    assert "cannot be read, so the spec names no focal" in capsys.readouterr().out


def test_the_torch_weights_never_take_the_place_of_the_checkpoint(engines: Path) -> None:
    checkpoint = engines / "exp" / "best.safetensors"
    with pytest.raises(ConfigError, match="would take the place of the checkpoint"):
        export_checkpoint(checkpoint, checkpoint.with_suffix(".onnx"), ExportConfig(torch_weights=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "no.safetensors", "--out", "x.onnx"], "no.safetensors: no such checkpoint"),
        (["--checkpoint", "no.safetensors", "--out", "x.pt"], "x.pt: a file name that ends in .onnx is accepted"),
        (
            ["--checkpoint", "no.safetensors"],
            "export: --recipe FILE [key=value ...], or --checkpoint FILE --out FILE.onnx is accepted",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == 2
    assert capsys.readouterr().err.splitlines() == [f"training: error: {message}"]
