"""load_engine: which engine is taken and why, and every reason to refuse before the first frame."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros import engine as engine_module
from depth_anything_ros.engine import DONE, apply_sky, check_images, load_engine, read_artifact, resolve_artifact
from depth_anything_ros.errors import ConfigError, EngineError, LicenceError, MissingDependency, SpecError
from depth_anything_ros.spec import Licence, load_spec, save_spec, sha256_of, spec_path_of
from tests.tiny_networks import make_spec, reference_infer, write_network

pytest.importorskip("onnx", reason="the networks of these tests are built with onnx (extra test)")


def hide(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Let ``import library`` fail as if it were not installed, also for a leaf that was imported before."""
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"depth_anything_ros.engines.{library}_engine", raising=False)


def test_auto_takes_openvino_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed (extra openvino)")
    with load_engine(write_network(tmp_path), threads=1) as engine:
        assert engine.info.engine == "openvino" and "auto" in engine.info.reason


def test_auto_takes_onnxruntime_elsewhere_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "openvino")
    with load_engine(write_network(tmp_path), threads=1) as engine:
        assert engine.info.engine == "onnxruntime" and "OpenVINO is not installed" in engine.info.reason
        assert engine.info.version.startswith("onnxruntime ")


def test_asked_openvino_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "openvino")
    with pytest.raises(MissingDependency, match=r"depth_anything_ros\[openvino\]"):
        load_engine(write_network(tmp_path), engine="openvino")


def test_broken_base_install_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "onnxruntime")
    with pytest.raises(EngineError, match="onnxruntime, which the base install brings"):
        load_engine(write_network(tmp_path), engine="onnxruntime")


def test_golden_sample_is_measured_and_told(tmp_path: Path) -> None:
    with load_engine(write_network(tmp_path), engine="onnxruntime", threads=1) as engine:
        assert engine.info.golden is not None and engine.info.golden.abs_rel < 1e-5
        assert any("golden sample reproduced in fp32" in note for note in engine.info.notes)


def test_engine_without_golden_sample_says_so(tmp_path: Path) -> None:
    path = write_network(tmp_path, with_golden=False)
    with load_engine(path, engine="onnxruntime", threads=1) as engine:
        assert engine.info.golden is None and any("not checked" in note for note in engine.info.notes)


def test_missed_golden_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="misses its golden sample"):
        load_engine(write_network(tmp_path, bias=0.1), engine="onnxruntime", threads=1)


def test_onnx_without_spec_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    spec_path_of(path).unlink()
    with pytest.raises(SpecError, match="no spec"):
        load_engine(path)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_wrong_hash_is_refused_before_a_library_is_imported(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_network(tmp_path)
    path.write_bytes(path.read_bytes() + b"\x00")
    hide(monkeypatch, engine)
    with pytest.raises(SpecError, match="SHA-256"):
        load_engine(path, engine=engine)


def test_spec_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    spec_path = spec_path_of(path)
    spec_path.write_text(spec_path.read_text().replace('"format_version": 1', '"format_version": 7'))
    with pytest.raises(SpecError, match="format_version 7 is newer"):
        load_engine(path)


def test_spec_of_another_artifact_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    save_spec(spec_path_of(path), dataclasses.replace(load_spec(spec_path_of(path)), artifact="other.onnx"))
    with pytest.raises(SpecError, match=r"other\.onnx"):
        load_engine(path)


def test_lost_golden_sample_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    (tmp_path / "tiny.golden.npz").unlink()
    with pytest.raises(SpecError, match="no golden sample"):
        load_engine(path)


@pytest.mark.parametrize("name", ["absent.onnx", "network.plan", "stater"])
def test_what_is_no_network_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(EngineError, match="no network"):
        load_engine(tmp_path / name)


def test_a_folder_stands_for_the_network_in_it(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    assert resolve_artifact(tmp_path) == path
    write_network(tmp_path, name="other")
    with pytest.raises(EngineError, match=r"holds 2 networks with a spec \(other.onnx, tiny.onnx\)"):
        resolve_artifact(tmp_path)


def test_a_known_model_is_found_where_it_was_fetched_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "depth_anything_ros" / "models" / "v2-small"
    folder.mkdir(parents=True)
    path = write_network(folder)
    with pytest.raises(EngineError, match="v2-small was not fetched yet: depth_anything_ros fetch v2-small"):
        resolve_artifact("V2-Small")  # without DONE the folder may be half of it
    (folder / DONE).touch()
    assert resolve_artifact("V2-Small") == path
    assert resolve_artifact("depth-anything/Depth-Anything-V2-Small") == path
    with pytest.raises(ConfigError, match="no known model 'v2-smal'; did you mean v2-small"):
        resolve_artifact("v2-smal")


def test_terms_that_need_acceptance_keep_a_network_from_running_until_they_are_named(tmp_path: Path) -> None:
    licence = Licence(id="CC-BY-NC-4.0", category="non-commercial", source="its README")
    path = write_network(tmp_path, licence=licence)
    with pytest.raises(LicenceError, match=r"tiny are licensed CC-BY-NC-4.0 .*--accept-license cc-by-nc-4.0"):
        load_engine(path, engine="onnxruntime")
    with pytest.raises(LicenceError):
        load_engine(path, engine="onnxruntime", accept_license=("unclear",))
    with load_engine(path, engine="onnxruntime", accept_license=("cc-by-nc-4.0",)) as engine:
        assert engine.spec.licence_accepted is not None
        assert engine.spec.licence_accepted.startswith("cc-by-nc-4.0, named by the user on 20")
    accepted = write_network(tmp_path, name="accepted", licence=licence, licence_accepted="cc-by-nc-4.0 in 2026")
    with load_engine(accepted, engine="onnxruntime") as engine:
        assert engine.spec.licence_accepted == "cc-by-nc-4.0 in 2026"


def test_another_size_is_asked_for_by_an_option(tmp_path: Path) -> None:
    with load_engine(write_network(tmp_path), engine="onnxruntime", resize="short_side:28") as engine:
        assert (engine.spec.resize.kind, engine.spec.resize.side) == ("short_side", 28)


def test_absent_starter_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "STARTER", tmp_path / "starter.onnx")
    with pytest.raises(EngineError, match="starter network is missing"):
        load_engine()
    (tmp_path / "starter.onnx").touch()
    assert resolve_artifact("starter") == tmp_path / "starter.onnx"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "opencl"}, "engine is 'opencl'"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
        ({"threads": 0}, "threads is 0"),
        ({"engine": "plane"}, "plane takes no network"),
    ],
)
def test_options_outside_the_table_are_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_engine(write_network(tmp_path), **options)


def test_plane_is_told_by_its_name_or_by_the_engine() -> None:
    for name, options in (("plane:z=3", {}), ("plane:z=3", {"engine": "plane"})):
        assert load_engine(name, **options).infer(np.zeros((1, 14, 14, 3), np.uint8))[0, 0, 0] == 3.0
    assert load_engine(engine="plane").spec.name == "plane"
    assert load_engine("plane").spec.name == "plane"
    with pytest.raises(ConfigError, match="not on openvino"):
        load_engine("plane:z=3", engine="openvino")


def test_read_artifact_checks_the_bytes_it_returns(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(b"abc")
    assert read_artifact(path, make_spec(artifact_sha256=sha256_of(path))) == b"abc"
    with pytest.raises(SpecError, match="ba7816bf8f01"):
        read_artifact(path, make_spec())
    with pytest.raises(EngineError, match="cannot read"):
        read_artifact(tmp_path / "absent.onnx", make_spec())


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((1, 28, 28, 3), np.float32), "float32"),
        (np.zeros((28, 28, 3), np.uint8), r"\(28, 28, 3\)"),
        (np.zeros((1, 3, 28, 28), np.uint8), r"\(1, 3, 28, 28\)"),
        (np.zeros((1, 28, 30, 3), np.uint8), r"\(1, 28, 30, 3\)"),
        (np.zeros((0, 28, 28, 3), np.uint8), r"\(0, 28, 28, 3\)"),
        (np.zeros((4, 28, 28, 3), np.uint8), "n up to 3"),
        (np.zeros((1, 0, 28, 3), np.uint8), r"\(1, 0, 28, 3\)"),
        ([[1]], "list"),
    ],
)
def test_wrong_batches_are_refused(images: Any, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        check_images(images, make_spec())


def test_sky_is_strictly_above_the_threshold() -> None:
    depth_nhw = np.full((1, 1, 3), 5.0, np.float32)
    sky_nhw = np.array([[[0.2, 0.5, 0.500001]]], np.float32)
    assert apply_sky(depth_nhw, sky_nhw, make_spec(sky_threshold=0.5)).tolist() == [[[5.0, 5.0, np.inf]]]
    assert apply_sky(np.ones((1, 1, 1), np.float32), None, make_spec()).tolist() == [[[1.0]]]


def test_reference_network_matches_its_formula() -> None:
    """A black image has patches of 0 and mean 0: exp(0) = 1 m; a white one is sky."""
    assert reference_infer(np.zeros((1, 14, 14, 3), np.uint8)).min() == 1.0
    assert np.isposinf(reference_infer(np.full((1, 14, 14, 3), 255, np.uint8))).all()
