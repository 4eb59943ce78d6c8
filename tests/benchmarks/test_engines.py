"""The arithmetic of the engine benchmark, on times and depths made up by hand; the timing itself is run by a person."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def bench(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("engines_benchmark", repository / "benchmarks" / "engines.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def depths(bench: ModuleType, kind: str, factor: float) -> dict[str, np.ndarray]:
    base = np.full((2, 2), 4.0, np.float32)
    return {bench.PYTORCH: base, kind: base * np.float32(factor)}


def test_speed_up_is_the_median_of_the_rounds_not_the_ratio_of_medians(bench: ModuleType) -> None:
    """Rounds of 2, 1 and 5 times: median 2; the medians alone would give 300 / 100."""
    times = {bench.PYTORCH: [200.0, 300.0, 500.0], "openvino fp32": [100.0, 300.0, 100.0]}
    row = bench.make_row("openvino fp32", ["fp32", "1"], times, depths(bench, "openvino fp32", 1.25))
    assert row.speed_up == 2.0 and row.median_ms == 100.0 and row.met
    assert row.abs_rel == pytest.approx(0.25) and row.max_rel == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("kind", "precision", "ms", "factor", "met"),
    [
        ("openvino fp32", "fp32", 100.0, 1.0, True),
        ("openvino fp32", "fp32", 101.0, 1.0, False),
        ("onnxruntime fp32", "fp32", 113.0, 1.0, True),
        ("onnxruntime fp32", "fp32", 114.0, 1.0, False),
        ("openvino auto", "bf16", 48.0, 1.005, True),
        ("openvino auto", "bf16", 49.0, 1.005, False),
        ("openvino auto", "bf16", 48.0, 1.02, False),
    ],
)
def test_targets_against_170_ms_of_pytorch(
    bench: ModuleType, kind: str, precision: str, ms: float, factor: float, met: bool
) -> None:
    times = {bench.PYTORCH: [170.0], kind: [ms]}
    assert bench.make_row(kind, [precision, "1"], times, depths(bench, kind, factor)).met is met


def test_the_matrix_product_has_as_many_operations_as_the_network(bench: ModuleType) -> None:
    """1000 x 2048 times 2048 x 2048 takes 2 * 1000 * 2048 * 2048 operations."""
    assert bench.product_rows(8.388608) == 1000


def test_image_has_structure_and_is_the_same_every_time(bench: ModuleType) -> None:
    image = bench.make_image((28, 42))
    assert image.shape == (28, 42, 3) and image.dtype == np.uint8 and image.std() > 10
    np.testing.assert_array_equal(image, bench.make_image((28, 42)))


@pytest.mark.parametrize(
    "arguments", [["--size", "392"], ["--size", "390x518"], ["--size", "0x14"], ["--threads", "0"], ["--rounds", "0"]]
)
def test_wrong_options_end_with_exit_code_2(
    bench: ModuleType, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["engines.py", *arguments])
    with pytest.raises(SystemExit) as caught:
        bench.main()
    assert caught.value.code == 2 and arguments[0] in capsys.readouterr().err
