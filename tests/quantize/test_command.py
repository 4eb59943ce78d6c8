"""``quantize`` from the command line: an int8 network that loads as any other, or nothing at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.cli import main
from depth_anything_ros.engine import STARTER, load_engine
from depth_anything_ros.quantize import command as command_module
from depth_anything_ros.spec import load_spec, spec_path_of
from tests.quantize.test_images import write_images


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blurred noise: some structure at every size."""
    import cv2

    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(1)
    for index in range(8):
        noise = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC))
    return folder


@pytest.fixture(scope="module")
def int8(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("nncf", reason="NNCF is not installed (extra quantize)")
    out = tmp_path_factory.mktemp("quantized") / "int8"
    assert main(["quantize", "starter", "--images", str(images), "--out", str(out), "--resize", "short_side:70"]) == 0
    return out


def test_the_folder_is_a_network_that_loads_in_int8_and_says_what_it_is(int8: Path) -> None:
    assert sorted(path.name for path in int8.iterdir()) == [
        "starter-int8.golden.npz", "starter-int8.json", "starter-int8.onnx",
    ]  # fmt: skip
    spec = load_spec(int8 / "starter-int8.json")
    before = load_spec(spec_path_of(STARTER))
    assert spec.quantized == "int8" and spec.name == f"{before.name} int8"
    assert (spec.meaning, spec.licence, spec.resize) == (before.meaning, before.licence, before.resize)
    assert spec.provenance["quantized_from_sha256"] == before.artifact_sha256
    assert "the transformer's layers, 6 images" in spec.provenance["quantized_with"]
    assert spec.provenance["int8_on_onnxruntime"].startswith("abs_rel 0.0")
    image = np.random.default_rng(2).integers(0, 256, (2, 70, 98, 3), dtype=np.uint8)
    with load_engine(int8, engine="onnxruntime") as engine, load_engine(engine="onnxruntime") as fp32:
        assert engine.info.precision == "int8" and engine.info.golden is not None
        found, expected = engine.infer(image), fp32.infer(image)
    both = np.isfinite(found) & np.isfinite(expected)
    assert both.mean() > 0.9 and not np.array_equal(found, expected)
    assert np.mean(np.abs(found - expected)[both] / expected[both]) < 0.1


def test_matrix_products_are_int8_and_convolutions_are_not(int8: Path) -> None:
    import onnx

    graph = onnx.load(int8 / "starter-int8.onnx").graph
    made_by = {name: node for node in graph.node for name in node.output}
    kinds: dict[str, set[str]] = {"MatMul": set(), "Conv": set()}
    for node in graph.node:
        if node.op_type in kinds:
            kinds[node.op_type] |= {made_by[name].op_type for name in node.input if name in made_by}
    assert "DequantizeLinear" in kinds["MatMul"] and "DequantizeLinear" not in kinds["Conv"]
    stored = [
        tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert len(stored) == 16, "four products with weights in each of four layers"
    largest = max(int(np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max()) for tensor in stored)
    assert largest <= 64, "7 bits: sums of 8 bits overflow on CPUs without VNNI"
    assert [dim.dim_param for dim in graph.input[0].type.tensor_type.shape.dim[:3]] == ["batch", "height", "width"]


def test_an_int8_network_is_not_quantised_again(
    int8: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quantize", str(int8), "--images", str(images), "--out", str(tmp_path / "again")]) == 2
    assert "is int8 already; accepted: the network that it was made of" in capsys.readouterr().err


def test_too_large_an_error_is_refused_and_leaves_nothing(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed (extra quantize)")
    out = tmp_path / "int8"
    arguments = ["quantize", "starter", "--images", str(images), "--out", str(out), "--max-error", "1e-5"]
    assert main([*arguments, "--all-layers", "--resize", "short_side:70"]) == 2
    captured = capsys.readouterr()
    assert "int8 changes depth too much on" in captured.err and "accepted: abs_rel 1e-05" in captured.err
    assert "without --all-layers" in captured.err and "images that were kept back" in captured.out
    assert list(tmp_path.iterdir()) == []


def test_nncf_reports_to_nobody(tmp_path: Path) -> None:
    """In a process of its own: NNCF keeps quiet under pytest by itself."""
    pytest.importorskip("nncf", reason="NNCF is not installed (extra quantize)")
    code = "import depth_anything_ros.quantize.int8, nncf.telemetry.wrapper as w; print(type(w.telemetry).__name__)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["MagicMock"]


def test_without_nncf_the_extra_is_named(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    monkeypatch.delitem(sys.modules, "depth_anything_ros.quantize.int8", raising=False)
    assert main(["quantize", "starter", "--images", str(images), "--out", str(tmp_path / "x")]) == 2
    assert "pip install 'depth_anything_ros[quantize]'" in capsys.readouterr().err


def test_what_is_there_is_not_overwritten(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept").write_text("mine")
    assert main(["quantize", "starter", "--images", str(images), "--out", str(tmp_path)]) == 2
    assert f"{tmp_path} exists" in capsys.readouterr().err
    assert (tmp_path / "kept").read_text() == "mine"


def test_terms_that_were_not_accepted_are_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "starter.onnx"
    path.write_bytes(STARTER.read_bytes())
    values = json.loads(spec_path_of(STARTER).read_text())
    values["licence"] = {"id": "CC-BY-NC-4.0", "category": "non-commercial", "source": "a test"}
    spec_path_of(path).write_text(json.dumps(values))
    assert main(["quantize", str(path), "--images", str(tmp_path / "none"), "--out", str(tmp_path / "x")]) == 2
    assert "--accept-license cc-by-nc-4.0" in capsys.readouterr().err


def test_too_few_images_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nncf", reason="NNCF is not installed (extra quantize)")
    images = write_images(tmp_path / "images", 3)
    out = tmp_path / "out" / "int8"
    assert main(["quantize", "starter", "--images", str(images), "--out", str(out)]) == 2
    assert "gives 3 usable images" in capsys.readouterr().err
    assert not out.parent.exists()
    assert command_module.QuantizeOptions(model="m", out=out, images="i").max_error == 0.05
