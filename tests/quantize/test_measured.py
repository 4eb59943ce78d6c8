"""What was measured decides, and is said; quantisation itself is stood in for, so that NNCF is not needed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from depth_anything_ros.cli import main
from depth_anything_ros.engine import load_engine
from depth_anything_ros.quantize import command as command_module
from depth_anything_ros.quantize.measure import Int8Error
from tests.quantize.test_images import write_images

GOOD = Int8Error(engine="onnxruntime", abs_rel=0.01, worst=0.02, sky_changed=0.0, speed=1.5, precision="fp32")


@pytest.fixture
def quantize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command with given results of measuring; the int8 network is the starter itself."""
    images = write_images(tmp_path / "images", 8)

    def run(*errors: Int8Error, arguments: tuple[str, ...] = ()) -> int:
        int8 = SimpleNamespace(VERSION="nncf 0", quantize_network=lambda data, *_, **__: data)
        monkeypatch.setattr(command_module, "_nncf", lambda: int8)
        monkeypatch.setattr(command_module, "measure_int8", lambda *_: list(errors))
        return main(["quantize", "starter", "--images", str(images), "--out", str(tmp_path / "out"), *arguments])

    return run


def errors_with(**changes: Any) -> Int8Error:
    return dataclasses.replace(GOOD, **changes)


def test_what_is_accepted_is_written_with_its_figures(
    quantize: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantize(GOOD) == 0
    printed = capsys.readouterr().out
    assert "onnxruntime: abs_rel 0.0100, 0.0200 in the worst image" in printed
    assert "1.50 times as fast as its fp32" in printed and "gains nothing" not in printed
    with load_engine(tmp_path / "out", engine="onnxruntime") as engine:
        assert engine.info.precision == "int8"
        assert engine.spec.provenance["int8_on_onnxruntime"].startswith("abs_rel 0.0100")
        assert engine.info.golden is not None and engine.info.golden.abs_rel < 1e-6
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("changes", "arguments", "refused"),
    [
        ({"abs_rel": 0.051}, (), True),
        ({"abs_rel": 0.051}, ("--max-error", "0.06"), False),
        ({"abs_rel": 0.011}, ("--max-error", "0.0105"), True),
        ({"sky_changed": 0.03}, (), True),
        ({"worst": 0.3}, (), False),
    ],
)
def test_the_limit_is_on_the_mean_of_the_worst_engine_and_on_sky(
    quantize: Any, tmp_path: Path, changes: dict[str, float], arguments: tuple[str, ...], refused: bool
) -> None:
    assert quantize(GOOD, errors_with(**changes), arguments=arguments) == (2 if refused else 0)
    assert (tmp_path / "out").exists() is not refused


def test_where_int8_gains_nothing_that_is_said(quantize: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantize(errors_with(speed=0.8)) == 0
    assert "int8 gains nothing on this machine" in capsys.readouterr().out
