"""``spec``: a user's ONNX is checked, described and left loadable, or refused without a trace."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from depth_anything_ros import cli_models
from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import (
    ConfigError,
    DepthAnythingError,
    EngineError,
    LicenceError,
    OutputError,
    SpecError,
)
from depth_anything_ros.models import get_model
from depth_anything_ros.spec import ResizeRule
from depth_anything_ros.spec_command import SpecOptions, write_spec
from tests.fetch.foreign_onnx import answer, write_foreign

IMAGE = np.random.default_rng(1).integers(0, 256, (1, 42, 56, 3)).astype(np.uint8)
READY: dict[str, Any] = {"is_float": False, "is_nchw": False, "dims": ("batch", "height", "width")}
SMALL = "long_side:112"


def write(file: Path, like: str = "v2-small", **options: Any) -> tuple[Path, Any]:
    return write_spec(SpecOptions(file=file, like=like, **{"resize": SMALL, **options}), lambda what, fraction: None)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_bytes_in_the_engines_form_get_a_spec_beside_them(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "mine.onnx", **READY)
    before = source.read_bytes()
    path, spec = write(source)
    assert path == source and source.read_bytes() == before
    assert names(tmp_path) == {"mine.onnx", "mine.json", "mine.golden.npz"}
    assert spec.name == "mine" and spec.provenance["like"] == "v2-small" and spec.provenance["source"] == "mine.onnx"
    with load_engine(path, engine="onnxruntime") as engine:
        np.testing.assert_allclose(engine.infer(IMAGE)[0], answer(IMAGE[0], input_range="0..255"), rtol=1e-4)


def test_another_form_is_wrapped_into_a_new_file(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "mine.onnx")
    before = source.read_bytes()
    path, spec = write(source)
    assert path == tmp_path / "mine_engine.onnx" and source.read_bytes() == before
    assert names(tmp_path) == {"mine.onnx", "mine_engine.onnx", "mine_engine.json", "mine_engine.golden.npz"}
    with load_engine(path, engine="onnxruntime") as engine:
        np.testing.assert_allclose(engine.infer(IMAGE)[0], answer(IMAGE[0]), rtol=1e-4, atol=1e-4)
    assert spec.name == "mine"


@pytest.mark.parametrize("form", [READY, {}])
def test_it_may_go_elsewhere(tmp_path: Path, form: dict[str, Any]) -> None:
    path, _ = write(write_foreign(tmp_path / "mine.onnx", **form), out=tmp_path / "robot" / "net.onnx")
    assert names(tmp_path / "robot") == {"net.onnx", "net.json", "net.golden.npz"}
    with load_engine(path.parent, engine="onnxruntime") as engine:
        assert engine.info.golden is not None


def test_every_promise_can_be_another_than_the_models(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "name": "own",
        "description": "trained on our hall",
        "max_batch": 2,
        "min_depth_m": 0.2,
        "max_depth_m": 40.0,
        "training_focal_px": 420.0,
    }
    _, spec = write(write_foreign(tmp_path / "mine.onnx"), "v2-metric-indoor-small", resize="short_side:84", **options)
    assert {key: getattr(spec, key) for key in options} == options
    assert spec.resize == ResizeRule(kind="short_side", side=84) and spec.meaning == "metric_fixed"
    _, spec = write(write_foreign(tmp_path / "other.onnx"), "da3metric-large", canonical_focal_px=250.0)
    assert spec.canonical_focal_px == 250.0 and spec.sky_output is None
    assert spec.resize.interpolation == get_model("da3metric-large").resize.interpolation


def test_the_largest_output_is_the_users_to_say(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "mine.onnx", scale=8.0)
    with pytest.raises(EngineError, match="gives 0 to 20"):
        write(source, "v2-metric-indoor-small")
    assert names(tmp_path) == {"mine.onnx"}
    write(source, "v2-metric-indoor-small", max_depth_m=50.0)


def test_terms_are_accepted_by_name_or_are_the_users_own(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "mine.onnx")
    with pytest.raises(LicenceError, match=r"the weights of v2-base are licensed CC-BY-NC-4\.0"):
        write(source, "v2-base")
    assert names(tmp_path) == {"mine.onnx"}
    _, spec = write(source, "v2-base", accept_license=["CC-BY-NC-4.0"])
    assert spec.licence.id == "CC-BY-NC-4.0" and str(spec.licence_accepted).startswith(
        "cc-by-nc-4.0, named by the user"
    )
    _, spec = write(source, "v2-base", license="MIT", force=True)
    assert (spec.licence.id, spec.licence.source, spec.licence_accepted) == ("MIT", "the user's word", None)


@pytest.mark.parametrize("form", [READY, {}])
def test_files_that_are_there_are_replaced_by_force_only(tmp_path: Path, form: dict[str, Any]) -> None:
    source = write_foreign(tmp_path / "mine.onnx", **form)
    path, _ = write(source)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="exists; --force replaces it"):
        write(source, description="another")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert write(source, description="another", force=True)[1].description == "another"
    with load_engine(path, engine="onnxruntime") as engine:
        assert engine.spec.description == "another"


@pytest.mark.parametrize(
    ("form", "options", "kind", "words"),
    [
        ({"frozen_size": (168, 126)}, {}, EngineError, "gave depth|one value per pixel"),
        ({}, {"like": "v9"}, ConfigError, "no known model 'v9'"),
        ({}, {"resize": "long_side:100"}, ConfigError, "multiple of 14"),
        ({}, {"min_depth_m": 200.0}, SpecError, "max_depth_m is 100.0; accepted: a finite number above min_depth_m"),
        ({}, {"out": Path("net.bin")}, ConfigError, "--out net.bin: accepted: a name that ends in .onnx"),
        ({}, {"out": Path("mine.onnx"), "force": True}, ConfigError, "is the network itself, which must be wrapped"),
        ({}, {"sky_output": "sky"}, ConfigError, "has no output 'sky'; it has predicted_depth"),
    ],
)
def test_a_refusal_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: dict[str, Any],
    options: dict[str, Any],
    kind: type[DepthAnythingError],
    words: str,
) -> None:
    source = write_foreign(tmp_path / "mine.onnx", **form)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        write(source, **options)
    assert names(tmp_path) == {"mine.onnx"} and "\n" not in str(caught.value)


def test_what_is_no_onnx_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"depth_anything_ros fetch .*w\.pth"):
        write(tmp_path / "w.pth")
    with pytest.raises(EngineError, match="no network at"):
        write(tmp_path / "absent.onnx")


def run(arguments: list[str], *, command: str) -> int:
    """One command of the command line, as ``cli`` calls it."""
    parser = argparse.ArgumentParser()
    getattr(cli_models, f"add_{command}_arguments")(parser)
    return int(getattr(cli_models, command)(parser.parse_args(arguments)))


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_foreign(tmp_path / "mine.onnx", dims=(1, 56, 56))
    arguments = [str(source), "--like", "v2-base", "--accept-license", "cc-by-nc-4.0", "--max-depth", "30"]
    assert run(arguments, command="spec") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"{tmp_path / 'mine_engine.onnx'}: {get_model('v2-base').title}"
    assert out[1] == "  relative, up to 30 m; input: square 56 px, 1 images at most"
    assert out[2].startswith("  licence: CC-BY-NC-4.0 (non-commercial), ")
    assert out[3].startswith("  accepted: cc-by-nc-4.0, named by the user on ")


def test_every_option_of_the_commands_has_its_field() -> None:
    from depth_anything_ros.fetch.command import FetchOptions

    for command, options in (("fetch", FetchOptions), ("spec", SpecOptions)):
        parser = argparse.ArgumentParser(add_help=False)
        getattr(cli_models, f"add_{command}_arguments")(parser)
        assert {action.dest for action in parser._actions} == set(options.__dataclass_fields__)
