"""OpenVINO and ONNX Runtime give what a NumPy reference gives, at several shapes and batches, and refuse alike."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.engine import DepthEngine, load_engine
from depth_anything_ros.engines.network_engine import NetworkEngine
from depth_anything_ros.errors import EngineError, SpecError
from depth_anything_ros.spec import load_spec, sha256_of, spec_path_of
from tests.tiny_networks import make_spec, reference_infer, write_network

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")

RUNTIMES = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed (extra openvino)"
        ),
    ),
]
SHAPES = [(1, 28, 42), (1, 42, 28), (1, 14, 14), (2, 28, 42), (3, 56, 70)]


def random_images(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def assert_same_depth(found: np.ndarray, expected: np.ndarray, tolerance: Mapping[str, float]) -> None:
    np.testing.assert_array_equal(np.isposinf(found), np.isposinf(expected))
    finite = np.isfinite(expected)
    assert finite.any() and not finite.all()
    np.testing.assert_allclose(found[finite], expected[finite], **tolerance)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_parity_with_the_reference_at_every_shape(
    tmp_path: Path, runtime: str, tolerance: Mapping[str, Mapping[str, float]]
) -> None:
    with load_engine(write_network(tmp_path), engine=runtime, precision="fp32", threads=1) as engine:
        for shape in SHAPES:
            images = random_images(shape)
            found = engine.infer(images)
            assert found.shape == shape and found.dtype == np.float32
            assert_same_depth(found, reference_infer(images), tolerance["engine"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_batch_is_its_images_one_by_one(
    tmp_path: Path, runtime: str, tolerance: Mapping[str, Mapping[str, float]]
) -> None:
    images = random_images((3, 28, 56), seed=5)
    with load_engine(write_network(tmp_path), engine=runtime, precision="fp32", threads=1) as engine:
        together = engine.infer(images)
        one_by_one = np.concatenate([engine.infer(images[i : i + 1]) for i in range(3)])
    assert_same_depth(together, one_by_one, tolerance["engine"])
    assert not np.array_equal(together[0], together[1])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_results_stay_after_the_next_frame(tmp_path: Path, runtime: str) -> None:
    """A runtime may hand out its own memory, which the next frame overwrites."""
    with load_engine(write_network(tmp_path), engine=runtime, threads=1) as engine:
        first = engine.infer(random_images((1, 28, 42), seed=1))
        kept = first.copy()
        engine.infer(random_images((1, 28, 42), seed=2))
        np.testing.assert_array_equal(first, kept)
        first[:] = 0.0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_network_without_sky(tmp_path: Path, runtime: str, tolerance: Mapping[str, Mapping[str, float]]) -> None:
    path = write_network(tmp_path, sky_output=None, with_golden=False)
    images = random_images((1, 28, 42))
    with load_engine(path, engine=runtime, precision="fp32", threads=1) as engine:
        expected = reference_infer(images, sky_threshold=None)
        np.testing.assert_allclose(engine.infer(images), expected, **tolerance["engine"])


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_corrupt_network_is_one_line(tmp_path: Path, runtime: str) -> None:
    for content in (b"", b"not a network", write_network(tmp_path, name="whole").read_bytes()[:200]):
        path = write_network(tmp_path, with_golden=False)
        path.write_bytes(content)
        spec_path = spec_path_of(path)
        spec_path.write_text(spec_path.read_text().replace(load_spec(spec_path).artifact_sha256, sha256_of(path)))
        with pytest.raises(EngineError) as caught, load_engine(path, engine=runtime, threads=1) as engine:
            engine.infer(random_images((1, 14, 14)))
        assert "cannot load" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nan_in_the_output_is_refused(tmp_path: Path, runtime: str) -> None:
    path = write_network(tmp_path, log_of_zero=True, with_golden=False)
    with load_engine(path, engine=runtime, threads=1) as engine, pytest.raises(EngineError, match="NaN in depth"):
        engine.infer(random_images((1, 14, 14)))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("field", ["input_name", "depth_output", "sky_output"])
def test_names_that_the_network_does_not_have_are_refused(tmp_path: Path, runtime: str, field: str) -> None:
    path = write_network(tmp_path, with_golden=False, **{field: "elsewhere"})
    with pytest.raises(SpecError, match="'elsewhere', which its spec names"):
        load_engine(path, engine=runtime, threads=1).infer(random_images((1, 14, 14)))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_network_of_one_fixed_size_is_refused_at_another(tmp_path: Path, runtime: str) -> None:
    path = write_network(tmp_path, dimensions=(1, 28, 42), with_golden=False)
    with load_engine(path, engine=runtime, threads=1) as engine:
        engine.infer(random_images((1, 28, 42)))
        with pytest.raises(EngineError, match=r"tiny\.onnx"):
            engine.infer(random_images((1, 42, 42)))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_network_that_wants_floats_is_refused(tmp_path: Path, runtime: str) -> None:
    path = write_network(tmp_path, input_type="FLOAT", with_golden=False)
    with pytest.raises(EngineError, match="accepted: uint8"):
        load_engine(path, engine=runtime, threads=1).infer(random_images((1, 28, 42)))


def test_onnxruntime_tells_which_names_free_dimensions_have(tmp_path: Path) -> None:
    path = write_network(tmp_path, dimensions=("n", "h", "w"), with_golden=False)
    with pytest.raises(EngineError, match="named batch, height, width"):
        load_engine(path, engine="onnxruntime", threads=1).infer(random_images((1, 28, 42)))


def test_onnxruntime_never_mixes_in_a_replaced_file(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    with load_engine(path, engine="onnxruntime", threads=1) as engine:
        write_network(tmp_path, bias=1.0, with_golden=False)
        with pytest.raises(SpecError, match="SHA-256"):
            engine.infer(random_images((1, 14, 14)))


def test_onnxruntime_refuses_bf16(tmp_path: Path) -> None:
    with pytest.raises(
        EngineError, match="bf16 is not available: it is not native to ONNX Runtime on a CPU; accepted: auto, fp32"
    ):
        load_engine(write_network(tmp_path), engine="onnxruntime", precision="bf16")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_int8_is_refused_for_a_network_that_was_not_quantised(tmp_path: Path, engine: str) -> None:
    pytest.importorskip(engine)
    with pytest.raises(EngineError, match="tiny was not quantised: depth_anything_ros quantize"):
        load_engine(write_network(tmp_path), engine=engine, precision="int8")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_quantised_network_runs_as_what_it_is_and_as_nothing_else(tmp_path: Path, engine: str) -> None:
    pytest.importorskip(engine)
    path = write_network(tmp_path, quantized="int8")
    with load_engine(path, engine=engine) as loaded:
        assert loaded.info.precision == "int8"
    with pytest.raises(EngineError, match="fp32 is not available: tiny is int8 itself; accepted: auto, int8"):
        load_engine(path, engine=engine, precision="fp32")


def test_openvino_reports_to_nobody_and_leaves_no_copy_of_the_process() -> None:
    """Its telemetry forks the process from a thread; the copy hung with the pipes of a node open."""
    pytest.importorskip("openvino")
    code = (
        "import sys, threading; import depth_anything_ros.engines.openvino_engine;"
        "assert sys.modules['openvino_telemetry'] is None;"
        "assert threading.active_count() == 1, threading.enumerate(); assert 'multiprocessing' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def openvino_leaf() -> object:
    pytest.importorskip("openvino", reason="OpenVINO is not installed (extra openvino)")
    return importlib.import_module("depth_anything_ros.engines.openvino_engine")


def test_openvino_takes_bf16_only_where_it_is_native() -> None:
    choose = openvino_leaf().choose_precision  # type: ignore[attr-defined]
    assert choose("auto", ["FP32", "BF16"])[0] == "bf16"
    assert choose("bf16", ["FP32", "BF16"])[0] == "bf16"
    assert choose("fp32", ["FP32", "BF16"])[0] == "fp32"
    assert choose("auto", ["FP32", "INT8"])[0] == "fp32"
    with pytest.raises(EngineError, match="bf16 is not native to this CPU"):
        choose("bf16", ["FP32", "INT8"])
    assert "native" in choose("auto", ["FP32", "BF16"])[1][0] and choose("fp32", [])[1] == ()


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_openvino_compiles_for_the_precision_that_it_reports(
    tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The precision is asked of the compiled network itself, not of what was set."""
    leaf = openvino_leaf()
    asked: list[str] = []
    core = leaf.openvino.Core  # type: ignore[attr-defined]

    class WatchedCore(core):  # type: ignore[misc, valid-type]
        def compile_model(self, *args: object) -> object:
            compiled = super().compile_model(*args)
            asked.append(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
            return compiled

    monkeypatch.setattr(leaf.openvino, "Core", WatchedCore)  # type: ignore[attr-defined]
    with load_engine(write_network(tmp_path), engine="openvino", precision=precision, threads=1) as engine:
        assert asked == [{"fp32": "f32", "bf16": "bf16"}[engine.info.precision]]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_engines_satisfy_the_protocol(tmp_path: Path, runtime: str) -> None:
    engine: DepthEngine = load_engine(write_network(tmp_path), engine=runtime, threads=1)
    assert isinstance(engine, NetworkEngine) and engine.info.precision in ("fp32", "bf16")
    assert engine.spec == make_spec(
        artifact_sha256=engine.spec.artifact_sha256, golden="tiny.golden.npz", golden_sha256=engine.spec.golden_sha256
    )
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(random_images((1, 14, 14)))
