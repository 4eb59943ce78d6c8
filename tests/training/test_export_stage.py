"""A checkpoint goes through the stage ``export`` and comes back as an engine that ``load_engine`` accepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import SpecError
from depth_anything_ros.spec import load_spec
from tests.training.tiny_training import tiny_recipe, write_shards
from training.__main__ import main
from training.checkpoint import load_network
from training.config import config_from_dict
from training.loop import fit


@pytest.fixture(scope="module")
def engine_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage")
    checkpoint = fit(config_from_dict(tiny_recipe(write_shards(folder / "shards"), steps=3), "test"), folder / "run")
    out = str(folder / "engine" / "tiny.onnx")
    assert main(["export", "--checkpoint", str(checkpoint), "--out", out, "--torch-weights"]) == 0
    return folder / "engine" / "tiny.onnx"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
def test_the_engine_answers_as_the_checkpoint(engine_path: Path, runtime: str) -> None:
    pytest.importorskip(runtime)
    network, _ = load_network(engine_path.parents[1] / "run" / "last.safetensors")
    image = np.random.default_rng(0).integers(0, 256, (1, 28, 42, 3)).astype(np.uint8)
    with load_engine(engine_path, engine=runtime, precision="fp32") as engine:
        depth = engine.infer(image)
        assert engine.info.golden is not None and engine.info.golden.abs_rel < 1e-3
    with torch.inference_mode():
        expected, sky = (output.numpy() for output in network(torch.from_numpy(image)))
    seen = sky <= engine.spec.sky_threshold
    np.testing.assert_allclose(depth[seen], expected[seen], rtol=0.01)  # fp16 weights


def test_the_spec_tells_what_the_recipe_did(engine_path: Path) -> None:
    spec = load_spec(engine_path.with_suffix(".json"))
    assert spec.meaning == "metric_canonical" and spec.canonical_focal_px == 300.0
    assert spec.provenance["recipe"] == "tiny" and spec.provenance["steps"] == "3"
    assert spec.resize.side == 28 and spec.resize.interpolation == "area"
    assert spec.trained_frames == ()


def test_a_golden_sample_that_is_not_reproduced_is_refused(engine_path: Path, tmp_path: Path) -> None:
    for path in engine_path.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tiny.golden.npz").write_bytes(b"other")
    with pytest.raises(SpecError, match="SHA-256"):
        load_engine(tmp_path / "tiny.onnx", engine="onnxruntime")


def test_an_absent_checkpoint_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--checkpoint", str(tmp_path / "no.safetensors"), "--out", str(tmp_path / "x.onnx")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"training: error: {tmp_path / 'no.safetensors'}: no such checkpoint"
    ]
