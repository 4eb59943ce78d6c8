"""The golden sample: round trip, hand-computed differences, refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.engine import EngineInfo
from depth_anything_ros.engines.plane_engine import PlaneEngine
from depth_anything_ros.errors import EngineError, SpecError
from depth_anything_ros.golden import (
    COSINE_FROM,
    TOLERANCES,
    GoldenSample,
    check_golden,
    compare_golden,
    load_golden,
    measure_golden,
    require_golden,
    save_golden,
)
from depth_anything_ros.spec import sha256_of


def make_sample(depth: float = 2.0, tolerance: float = 1e-3) -> GoldenSample:
    return GoldenSample(np.zeros((14, 28, 3), np.uint8), np.full((14, 28), depth, np.float32), tolerance)


def engine_in(precision: str) -> PlaneEngine:
    engine = PlaneEngine(z_m=2.0)
    engine.info = EngineInfo("plane", precision, "CPU", "asked for", "1")
    return engine


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.golden.npz"
    save_golden(path, make_sample())
    loaded = load_golden(path, sha256_of(path))
    np.testing.assert_array_equal(loaded.depth_hw, make_sample().depth_hw)
    assert loaded.tolerance == 1e-3 and loaded.image_hw3.dtype == np.uint8
    assert [item.name for item in tmp_path.iterdir()] == ["a.golden.npz"]


def test_difference_by_hand() -> None:
    """One row of 14 is 4 m instead of 2 m (relative error 0.5 there), one row is sky in the sample only."""
    sample = make_sample()
    sample.depth_hw[0] = 4.0
    sample.depth_hw[1] = np.inf
    error = measure_golden(engine_in("fp32"), sample)
    assert error.abs_rel == pytest.approx(0.5 / 13)
    assert error.max_rel == pytest.approx(0.5)
    assert error.sky_changed == pytest.approx(1 / 14)


def test_bf16_gets_room_for_rounding_but_not_for_more() -> None:
    one_percent, five_percent = make_sample(2.02), make_sample(2.1)
    check_golden(engine_in("bf16"), one_percent)
    with pytest.raises(EngineError, match="golden"):
        check_golden(engine_in("fp32"), one_percent)
    with pytest.raises(EngineError, match="golden"):
        check_golden(engine_in("bf16"), five_percent)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_every_precision_has_its_own_room(precision: str) -> None:
    room = TOLERANCES[precision]
    check_golden(engine_in(precision), make_sample(2.0 / (1.0 - 0.9 * room)))
    with pytest.raises(EngineError, match=rf"{precision}\) misses its golden sample: abs_rel .*accepted {room:.2g}"):
        check_golden(engine_in(precision), make_sample(2.0 / (1.0 - 1.1 * room)))


def test_an_answer_of_the_right_size_and_the_wrong_shape_is_refused() -> None:
    """A small mean can hide a region that is wholly wrong: the cosine tells. One column of 28 at twice its depth."""
    sample = make_sample()
    found_hw = sample.depth_hw.copy()
    found_hw[:, 0] *= 2.0
    error = compare_golden(found_hw, sample)
    assert error.abs_rel < TOLERANCES["int8"] and error.cosine < COSINE_FROM
    with pytest.raises(EngineError, match=r"cosine 0\.98"):
        require_golden(error, sample, "int8", "it")


def test_far_things_of_no_disparity_are_compared_with_the_mean() -> None:
    sample = dataclasses.replace(make_sample(), depth_hw=np.array([[0.0, 10.0, 10.0, 20.0]], np.float32))
    found_hw = np.array([[0.001, 10.0, 10.0, 20.0]], np.float32)
    assert compare_golden(found_hw, sample).abs_rel == pytest.approx(0.001 / 0.1 / 4)
    assert compare_golden(found_hw, sample, quantity="disparity").abs_rel == pytest.approx(0.001 / 1.0 / 4)


def test_changed_sky_is_refused() -> None:
    sample = make_sample()
    sample.depth_hw[0] = np.inf
    with pytest.raises(EngineError, match="sky"):
        check_golden(engine_in("fp32"), sample)


def test_all_sky_has_no_depth_to_compare() -> None:
    assert measure_golden(PlaneEngine(z_m=None, pitch_deg=-80), make_sample(np.inf)).abs_rel == 0.0


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.golden.npz"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=r"a\.golden\.npz"):
        load_golden(path, sha256_of(path))


@pytest.mark.parametrize(
    "changes",
    [
        {"depth_hw": np.zeros((14, 28))},
        {"depth_hw": np.zeros((14, 14), np.float32)},
        {"image_hw3": np.zeros((14, 28, 3), np.float32)},
    ],
)
def test_wrong_arrays_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "a.golden.npz"
    save_golden(path, dataclasses.replace(make_sample(), **changes))
    with pytest.raises(SpecError, match="accepted"):
        load_golden(path, sha256_of(path))


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.golden.npz"
    np.savez(path, image_hw3=np.array([{}], dtype=object), depth_hw=0, tolerance=0)
    with pytest.raises(SpecError, match="not a golden sample"):
        load_golden(path, sha256_of(path))


def test_absent_and_exchanged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.golden.npz"
    with pytest.raises(SpecError, match="no golden sample"):
        load_golden(path, "0" * 64)
    save_golden(path, make_sample())
    with pytest.raises(SpecError, match="SHA-256"):
        load_golden(path, "0" * 64)
