"""``bench``: a row per engine and size with plausible figures; the full tables only from a checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from depth_anything_ros import bench
from depth_anything_ros.cli import main
from depth_anything_ros.engine_options import EngineOptions
from depth_anything_ros.engines.plane_engine import PlaneEngine
from depth_anything_ros.errors import ConfigError
from tests.tiny_networks import write_network


def test_stages_add_up() -> None:
    with PlaneEngine() as engine:
        row = bench.measure("plane", engine, 64, 48, seconds=0.3)
    assert row.size == "64x48 (518x392)"
    assert row.num_frames >= 5
    assert list(row.stages) == ["decode", "network", "around it", "cloud", "encode", "total"]
    parts = sum(values["p50"] for stage, values in row.stages.items() if stage != "total")
    assert row.stages["total"]["max"] >= row.stages["total"]["p50"] > 0
    assert parts == pytest.approx(row.stages["total"]["p50"], rel=0.5)


def test_table_has_a_line_for_each_row_and_the_rate() -> None:
    stages = {stage: {"p50": 10.0, "p99": 12.0, "max": 13.0} for stage in ("network", "total")}
    lines = bench.table([bench.Row("onnxruntime fp32", "64x48 (56x42)", stages, 9)])
    assert len(lines) == 2
    assert lines[1].split() == ["onnxruntime", "fp32", "64x48", "(56x42)", *("10.00", "/", "12.0") * 2, "100.0"]
    assert len(lines[0]) == len(lines[1])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES", ((64, 48),))


@pytest.mark.usefixtures("small")
def test_every_engine_that_is_installed_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--model", str(write_network(tmp_path)), "--seconds", "0.01", "--threads", "1"]) == 0
    labels = [line.split("64x48")[0].strip() for line in capsys.readouterr().out.splitlines() if "64x48" in line]
    installed = [name for name in ("openvino", "onnxruntime") if importlib.util.find_spec(name)]
    assert [label.split()[0] for label in labels] == [*installed, "everything"]
    assert "onnxruntime fp32" in labels


@pytest.mark.usefixtures("small")
def test_bf16_brings_a_row_of_fp32_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = bench.load_engine

    def load(path: str | None, options: EngineOptions) -> object:
        asked.append((options.engine, options.precision))
        loaded = real("plane:")
        native = "exact" if options.engine == "plane" else "bf16"
        precision = native if options.precision == "auto" else options.precision
        loaded.info = type(loaded.info)(options.engine, precision, "CPU", "auto", "1")
        return loaded

    monkeypatch.setattr(bench, "load_engine", load)
    bench.print_bench("net.onnx", EngineOptions(engine="openvino"), seconds=0.01)
    assert asked == [("openvino", "auto"), ("openvino", "fp32"), ("plane", "auto")]


@pytest.mark.usefixtures("small")
def test_a_network_that_no_engine_runs_is_an_error_after_what_could_be_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--model", str(tmp_path / "absent.onnx"), "--seconds", "0.01"]) == 2
    printed = capsys.readouterr()
    assert "everything else" in printed.out
    assert "onnxruntime: no network at" in printed.err and "Traceback" not in printed.err


@pytest.mark.usefixtures("small")
def test_a_relative_network_is_measured_without_a_calibration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = write_network(tmp_path, meaning="relative", canonical_focal_px=None)
    assert main(["bench", "--model", str(network), "--engine", "onnxruntime", "--seconds", "0.01"]) == 0
    printed = capsys.readouterr().out
    assert "onnxruntime fp32" in printed and "not measured" not in printed


def test_full_tables_need_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "package" / "bench.py"))
    with pytest.raises(ConfigError, match="--full needs a checkout"):
        bench.benchmark_scripts()
    (tmp_path / "benchmarks").mkdir()
    for name in ("overhead", "engines"):
        (tmp_path / "benchmarks" / f"{name}.py").write_text("raise SystemExit(3)")
    assert [script.stem for script in bench.benchmark_scripts()] == ["overhead", "engines"]


@pytest.mark.usefixtures("small")
def test_full_runs_the_scripts_and_passes_their_exit_code_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scripts = []
    for name, code in (("overhead", 0), ("engines", 3)):
        scripts.append(tmp_path / f"{name}.py")
        scripts[-1].write_text(f"open({str(tmp_path / name)!r}, 'w').close()\nraise SystemExit({code})")
    monkeypatch.setattr(bench, "benchmark_scripts", lambda: scripts)
    assert main(["bench", "--engine", "plane", "--seconds", "0.01", "--full"]) == 3
    assert (tmp_path / "overhead").exists() and (tmp_path / "engines").exists()
