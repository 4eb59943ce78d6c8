"""A teacher's disparity in metres: by the start, by a calibration, by itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.scale_calibration import calibration_to_yaml, quantity_of, unit_calibration
from depth_anything_ros.spec import EngineSpec, Licence, ResizeRule
from tests.training.made import ramp, sample
from training import metric_labels
from training.metric_labels import fit_trimmed, label_with_calibration, label_with_start, label_with_teacher
from training.predictor import Predictor

TRUTH = np.broadcast_to(ramp(8.0, 1.0), (48, 64)).astype(np.float32)
FRAME = sample(TRUTH)


def f32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def relative_spec(quantity: str = "disparity") -> EngineSpec:
    return EngineSpec(
        name="net", description="", artifact="", artifact_sha256="", resize=ResizeRule(kind="short_side", side=28),
        max_batch=1, meaning="relative", quantity=quantity, min_depth_m=0.1, max_depth_m=100.0,
        licence=Licence(id="MIT", category="permissive", source="made"),
    )  # fmt: skip


def teacher(meaning: str = "relative", name: str = "made", **changes: Any) -> Predictor:
    made = Predictor(
        name=name, sha256="", quantity="disparity" if meaning == "relative" else "depth", meaning=meaning,
        canonical_focal_px=30.0 if meaning == "metric_canonical" else None,
        resize=ResizeRule(kind="short_side", side=28), trained_frames=(), max_batch=None,
        run=lambda images: f32(images[..., 0]), close=lambda: None,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


@given(st.floats(0.01, 50), st.floats(-0.05, 5), st.integers(0, 100))
def test_scale_and_shift_are_found_past_a_fifth_of_wrong_pixels(scale: float, shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.1, 10, 500)
    y = scale * x + scale * shift
    wrong = rng.random(500) < 0.15
    found = fit_trimmed(x, np.where(wrong, y * 3, y))
    assert found is not None
    np.testing.assert_allclose(found[0] * x + found[1], y, rtol=1e-3)


def test_no_positive_scale_no_label() -> None:
    x = np.linspace(1, 2, 300)
    assert fit_trimmed(x, 3 - x) is None
    upside_down = label_with_start(lambda one: TRUTH, teacher())
    assert upside_down(TRUTH, FRAME) is None


def test_a_relative_teacher_gets_the_metres_of_the_start() -> None:
    label = label_with_start(lambda one: f32(1.5 * TRUTH), teacher())
    metres = label(f32(7 / TRUTH + 3), FRAME)
    assert metres is not None
    np.testing.assert_allclose(metres, 1.5 * TRUTH, rtol=1e-3)


def test_a_metric_teacher_is_scaled_not_shifted() -> None:
    own = np.where(TRUTH > 4, TRUTH + 1, TRUTH).astype(np.float32)
    metres = label_with_start(lambda one: f32(2 * TRUTH), teacher("metric_fixed"))(f32(1 / own), FRAME)
    assert metres is not None
    factor = metres / own
    assert factor.max() - factor.min() < 1e-4 and 1.5 < factor[0, 0] <= 2.0


def test_small_disparity_is_enlarged_and_far_or_unknown_is_no_label() -> None:
    disparity = np.full((24, 32), 0.5, np.float32)
    disparity[:, :8], disparity[:, 24:] = 0.0, np.nan
    metres = label_with_teacher(teacher("metric_canonical"))(disparity, FRAME)
    assert metres is not None and metres.shape == (48, 64)
    assert np.isnan(metres[:, :14]).all() and np.isnan(metres[:, 50:]).all()
    # 2 m at 30 px; the frame's focal length at 24x32 is 30 px too.
    assert metres[:, 20:44] == pytest.approx(2.0)


def test_the_teachers_metres_follow_the_focal_length() -> None:
    longer = FRAME.replace(camera=dataclasses.replace(FRAME.camera, fx=120.0, fy=120.0))
    disparity = np.full((24, 32), 0.5, np.float32)
    metres = label_with_teacher(teacher("metric_canonical"))(disparity, longer)
    assert metres == pytest.approx(4.0)


@pytest.mark.parametrize("meaning", ["relative", "metric_fixed"])
def test_a_teacher_without_metres_for_this_camera_is_refused(meaning: str) -> None:
    with pytest.raises(ConfigError, match=rf"made is {meaning}.*\(--scale-file\) is accepted"):
        label_with_teacher(teacher(meaning))


@pytest.mark.parametrize(("quantity", "output"), [("disparity", f32(1 / TRUTH)), ("depth", TRUTH)])
def test_a_calibration_gives_metres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quantity: str, output: NDArray[np.float32]
) -> None:
    spec = relative_spec(quantity)
    monkeypatch.setattr(metric_labels, "load_spec", lambda path: spec)
    monkeypatch.setattr(metric_labels, "resolve_artifact", Path)
    unit = unit_calibration(spec)
    assert unit is not None and quantity_of(spec) == quantity
    file = tmp_path / "scale.yaml"
    file.write_text(calibration_to_yaml(dataclasses.replace(unit, scale=2.0, shift=0.1)))
    disparity = output if quantity == "disparity" else f32(1 / output)
    metres = label_with_calibration(file, teacher(name="net.onnx", quantity=quantity))(disparity, FRAME)
    assert metres is not None
    expected = 1 / (2 * output + 0.1) if quantity == "disparity" else 2 * output + 0.1
    np.testing.assert_allclose(metres, f32(expected), rtol=1e-5)


def test_a_calibration_of_another_network_or_of_a_checkpoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = relative_spec()
    unit = unit_calibration(spec)
    assert unit is not None
    file = tmp_path / "scale.yaml"
    file.write_text(calibration_to_yaml(unit))
    with pytest.raises(ConfigError, match="not of the checkpoint /made/teacher"):
        label_with_calibration(file, teacher(name="/made/teacher.safetensors"))
    monkeypatch.setattr(metric_labels, "load_spec", lambda path: dataclasses.replace(spec, name="other"))
    monkeypatch.setattr(metric_labels, "resolve_artifact", Path)
    with pytest.raises(ConfigError, match="the scale calibration is of the network 'net'"):
        label_with_calibration(file, teacher(name="net.onnx"))
