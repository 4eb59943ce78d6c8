"""What a training may go on from: checkpoints, engines with torch weights, published networks; or one line why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from depth_anything_ros.engine import STARTER, load_engine
from depth_anything_ros.errors import ConfigError, DepthAnythingError, EngineError, SpecError
from depth_anything_ros.golden import load_golden
from depth_anything_ros.models import get_model
from depth_anything_ros.spec import load_spec, spec_path_of
from tests.networks.known_weights import use_tiny_sizes, write_official, write_transformers
from tests.training.made import write_checkpoint
from tests.training.tiny_training import tiny_recipe
from training.bag_recipe import describe_start, learning_of, network_tree, open_start
from training.checkpoint import load_checkpoint, load_network, save_checkpoint
from training.export import export_checkpoint
from training.initial import continued_network, weights_path
from training.predictor import open_predictor
from training.start_weights import StartWeights, open_weights

HERE = Path("shards")


def with_meta(path: Path, **changes: Any) -> Path:
    tensors, meta = load_checkpoint(path)
    save_checkpoint(path, tensors, {**meta, **changes})
    return path


def begun(start: StartWeights, out: Path, head: str) -> dict[str, torch.Tensor]:
    """The weights that the stage metric begins with."""
    recipe = tiny_recipe(HERE, out, network=network_tree(start.config), metric={})
    network, _ = continued_network(recipe, "metric", start.name, head=head)
    return network.state_dict()


def test_the_shipped_starter_can_be_trained_further(tmp_path: Path) -> None:
    start, spec = open_start("starter"), load_spec(spec_path_of(STARTER))
    assert (start.title, start.resize, start.keeps_head) == ("starter", spec.resize, True)
    assert start.meta["trained_frames"] == list(spec.trained_frames) and len(spec.trained_frames) == 64
    assert start.meta["provenance"]["model"] == "starter 192x4"
    network = start.load()
    image = load_golden(STARTER.with_name(spec.golden or ""), spec.golden_sha256 or "").image_hw3
    with torch.inference_mode():
        found, sky = (output.numpy() for output in network(torch.from_numpy(image)[None]))
    with load_engine("starter", engine="onnxruntime", threads=1) as engine:
        expected = engine.infer(image[None])
    seen = np.isfinite(expected) & (sky <= spec.sky_threshold)
    assert seen.mean() > 0.5
    np.testing.assert_allclose(found[seen], expected[seen], rtol=1e-4)
    state = network.state_dict()
    for name, tensor in begun(start, tmp_path, "log_depth").items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, state[name]), name
    recipe = tiny_recipe(HERE, tmp_path, metric={})
    assert weights_path(recipe, "starter") == STARTER.with_suffix(".safetensors")


def test_an_exported_engine_with_torch_weights(tmp_path: Path) -> None:
    checkpoint, out = write_checkpoint(tmp_path / "made.safetensors", HERE), tmp_path / "engine" / "tiny.onnx"
    export_checkpoint(checkpoint, out, torch_weights=True)
    trained = load_network(checkpoint)[0].state_dict()
    for name in (out, out.parent):
        start = open_weights(name)
        assert start.title == "tiny" and start.resize.side == 28
        for key, tensor in start.load().state_dict().items():
            assert torch.equal(tensor, trained[key].half().float()), key
    assert "its metres at a focal length of 300 px are refined" in describe_start(start)
    weights = out.with_suffix(".safetensors")
    assert weights.stat().st_size < 0.6 * sum(4 * value.numel() for value in trained.values()) + 20_000
    with pytest.raises(ConfigError, match="the weights of an engine; accepted: that engine, by its"):
        open_weights(weights)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(SpecError, match="its spec names"):
        open_weights(out)


def test_an_engine_without_torch_weights_says_how_they_are_made(tmp_path: Path) -> None:
    out = tmp_path / "tiny.onnx"
    export_checkpoint(write_checkpoint(tmp_path / "made.safetensors", HERE), out)
    with pytest.raises(EngineError, match=r"tiny\.onnx: its spec names no torch weights, .* export --torch-weights"):
        open_weights(out)


def test_a_published_file_brings_its_resize_rule_and_a_new_head_learns_metres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tiny_sizes(monkeypatch)
    start = open_start(write_official(get_model("v2-small"), tmp_path))
    assert (start.title, start.resize, start.is_metric) == ("v2-small", get_model("v2-small").resize, False)
    assert "it gives disparity without a unit; a new head (log_depth) learns metres" in describe_start(start)
    source, state = start.load().state_dict(), begun(start, tmp_path, "log_depth")
    assert torch.equal(state["head.conv2.weight"], source["head.conv2.weight"])
    learning = learning_of(start)
    assert learning["learning_rate"] == 3e-4
    assert learning["learning_rate"] * learning["encoder_rate"] == pytest.approx(0.3 * 5e-6)
    image = np.random.default_rng(0).integers(0, 256, (2, 28, 42, 3)).astype(np.uint8)
    with open_predictor(start.name, device="cpu", threads=1) as predictor, torch.inference_mode():
        assert (predictor.meaning, predictor.resize) == ("relative", start.resize) and len(predictor.sha256) == 64
        expected = start.load()(torch.from_numpy(image))[0].numpy()
        np.testing.assert_allclose(predictor.predict(image), expected, rtol=1e-5)


def test_a_folder_of_transformers_and_terms_that_hold_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_sizes(monkeypatch)
    write_transformers(get_model("v2-metric-indoor-small"), tmp_path)
    start = open_start(tmp_path)
    assert (start.title, start.resize.kind) == ("v2-metric-indoor-small", "closest_side")
    assert start.is_metric and not start.keeps_head
    said = describe_start(start)
    assert "metres of the camera that it was trained with; a new head (log_depth)" in said and "terms" not in said
    write_official(get_model("v2-base"), tmp_path)
    bound = describe_start(open_start(tmp_path / "depth_anything_v2_vitb.pth"))
    assert bound.endswith("; its terms, CC-BY-NC-4.0, hold for the result")


def test_a_head_with_depth_up_to_scale_goes_on_to_metres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_sizes(monkeypatch)
    write_official(get_model("da3mono-large"), tmp_path)
    (tmp_path / "config.json").write_text('{"model_name": "da3mono-large"}')
    start = open_start(tmp_path)
    assert (start.meaning, start.quantity, start.keeps_head) == ("relative", "depth", True)
    assert "it gives depth without a unit; its head learns metres" in describe_start(start)
    state = start.load().state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in begun(start, tmp_path, "exp").items())
    with open_predictor(start.name, device="cpu", threads=1) as predictor:
        assert (predictor.meaning, predictor.quantity, predictor.canonical_focal_px) == ("relative", "depth", None)


def test_a_checkpoint_goes_on_as_it_was_trained(tmp_path: Path) -> None:
    start = open_start(write_checkpoint(tmp_path / "made.safetensors", HERE))
    section = start.meta["recipe"]["metric"]
    assert start.title == "tiny" and learning_of(start)["learning_rate"] == pytest.approx(
        0.3 * section["learning_rate"]
    )
    assert learning_of(start)["encoder_rate"] == section["encoder_rate"]


def test_a_checkpoint_without_its_recipe_is_told_where_the_size_is_needed(tmp_path: Path) -> None:
    path = with_meta(write_checkpoint(tmp_path / "old.safetensors", HERE), recipe={})
    start = open_weights(path)
    assert start.title == "old"
    source = start.load().state_dict()
    assert all(torch.equal(tensor, source[name]) for name, tensor in begun(start, tmp_path, "log_depth").items())
    message = r"old\.safetensors: the checkpoint's recipe does not say at which size it was trained; accepted: as init"
    for refused in (lambda: open_start(path), lambda: export_checkpoint(path, tmp_path / "old.onnx")):
        with pytest.raises(ConfigError, match=message):
            refused()


def test_what_is_none_of_them_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_sizes(monkeypatch)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    write_official(get_model("v2-small"), tmp_path).rename(tmp_path / "mine.pth")
    (tmp_path / "text.txt").write_text("no weights")
    (tmp_path / "cut.safetensors").write_bytes(b"no tensors")
    pretrained = with_meta(write_checkpoint(tmp_path / "patches.safetensors", HERE), stage="pretrain")
    told: dict[str | Path, str] = {
        tmp_path / "absent.safetensors": r"absent\.safetensors: no such checkpoint$",
        tmp_path / "absent.pth": "no such checkpoint; accepted: one of training",
        "v2-smal": "no known model 'v2-smal'; did you mean v2-small?",
        "v2-small": "v2-small was not fetched yet: depth_anything_ros fetch v2-small",
        tmp_path / "mine.pth": "do not tell which of these it is: v1-small, v2-small.*; accepted: the file name",
        tmp_path / "text.txt": "accepted: a file ending in",
        tmp_path / "cut.safetensors": "not a readable safetensors file",
        pretrained: "an encoder alone; accepted: a depth network",
    }
    for name, message in told.items():
        with pytest.raises(DepthAnythingError, match=message) as caught:
            open_start(name)
        assert "\n" not in str(caught.value)
