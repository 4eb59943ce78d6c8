"""A foreign ONNX becomes a network that the engines load, and one that is none is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import ConfigError, DepthAnythingError, EngineError, SpecError
from depth_anything_ros.fetch import onnx_form
from depth_anything_ros.fetch.ready_onnx import OnnxChoices, convert_onnx
from depth_anything_ros.models import get_model
from depth_anything_ros.spec import EngineSpec, ResizeRule, load_spec
from tests.fetch.foreign_onnx import answer, write_foreign

COARSE = np.random.default_rng(5).integers(0, 256, (2, 3, 4, 3)).astype(np.uint8)
IMAGE = COARSE.repeat(14, axis=1).repeat(14, axis=2)


def convert(
    tmp_path: Path, *, model: str = "v2-small", choices: dict[str, Any] | None = None, **form: Any
) -> EngineSpec:
    source = write_foreign(tmp_path / "foreign.onnx", **form)
    (tmp_path / "made").mkdir()
    return convert_onnx(
        source,
        get_model(model),
        tmp_path / "made" / "made.onnx",
        OnnxChoices(**{"changes": {"resize": ResizeRule(kind="long_side", side=112)}, **(choices or {})}),
        lambda what, fraction: None,
    )


@pytest.mark.parametrize(
    ("form", "input_range"),
    [
        ({}, "normalised"),
        ({"rank": 4}, "normalised"),
        ({"rank": 4, "opset": 11}, "normalised"),
        ({"is_nchw": False}, "normalised"),
        ({"dims": ("N", "H", "W"), "input_name": "image", "output_name": "depth"}, "normalised"),
        ({}, "0..1"),
        ({"is_nchw": False}, "0..255"),
        ({"is_float": False}, "0..255"),
        ({"is_float": False, "is_nchw": False, "rank": 4}, "0..255"),
        ({"is_float": False, "is_nchw": False, "dims": ("batch", "height", "width")}, "0..255"),
        ({"external": True}, "normalised"),
        ({"external": True, "is_float": False, "is_nchw": False, "dims": ("batch", "height", "width")}, "0..255"),
        ({"second_output": "confidence"}, "normalised"),
    ],
)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_every_form_answers_as_before(tmp_path: Path, form: dict[str, Any], input_range: str, engine: str) -> None:
    pytest.importorskip(engine)
    spec = convert(tmp_path, choices={"input_range": input_range}, **form)
    assert spec.max_batch == 8 and spec.golden is not None
    assert load_spec(tmp_path / "made" / "made.json") == spec
    (tmp_path / "foreign.onnx").unlink()
    with load_engine(tmp_path / "made" / "made.onnx", engine=engine, precision="fp32") as loaded:
        found = loaded.infer(IMAGE)
        assert loaded.info.golden is not None and loaded.info.golden.abs_rel < 1e-5
    expected = [answer(image, input_range=input_range) for image in IMAGE]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_file_in_the_engines_form_is_taken_as_it_is(tmp_path: Path) -> None:
    form = {"is_float": False, "is_nchw": False, "dims": ("batch", "height", "width")}
    spec = convert(tmp_path, **form)
    assert (tmp_path / "made" / "made.onnx").read_bytes() == (tmp_path / "foreign.onnx").read_bytes()
    assert (spec.input_name, spec.depth_output) == ("pixel_values", "predicted_depth")


def test_the_spec_says_what_the_known_model_promises(tmp_path: Path) -> None:
    spec = convert(tmp_path, model="v2-metric-indoor-small", choices={"changes": {}, "transformers_rule": True})
    model = get_model("v2-metric-indoor-small")
    assert (spec.name, spec.meaning, spec.quantity) == (model.name, "metric_fixed", "depth")
    assert (spec.max_depth_m, spec.training_focal_px) == (20.0, model.training_focal_px)
    assert spec.resize == model.transformers_resize and spec.licence == model.licence


@pytest.mark.parametrize("sides", [(56, 56), (42, 70)])
def test_a_fixed_size_is_kept(tmp_path: Path, sides: tuple[int, int]) -> None:
    spec = convert(tmp_path, choices={"changes": {}}, dims=(1, *sides))
    kind = "fixed" if sides[0] == sides[1] else "long_side"
    assert spec.resize == ResizeRule(kind=kind, side=max(sides)) and spec.max_batch == 1
    with load_engine(tmp_path / "made" / "made.onnx", engine="onnxruntime") as engine:
        image = np.zeros((1, *sides, 3), np.uint8)
        np.testing.assert_allclose(engine.infer(image)[0], answer(image[0]), rtol=1e-4)


def test_a_batch_that_the_graph_does_not_keep_apart_is_not_promised(tmp_path: Path) -> None:
    assert convert(tmp_path, frozen_batch=True).max_batch == 1


def test_sky_is_taken_where_it_is_named(tmp_path: Path) -> None:
    choices = {
        "sky_output": "sky",
        "changes": {"resize": ResizeRule(kind="long_side", side=112), "sky_threshold": 0.85},
    }
    spec = convert(tmp_path, model="da3metric-large", choices=choices, second_output="sky", output_name="depth")
    assert (spec.depth_output, spec.sky_output, spec.sky_threshold) == ("depth", "sky", 0.85)
    with load_engine(tmp_path / "made" / "made.onnx", engine="onnxruntime") as engine:
        found = engine.infer(IMAGE[:1])[0]
    expected = answer(IMAGE[0])
    is_sky = 1.0 / (1.0 + np.exp(-expected)) > 0.85
    assert 0.05 < is_sky.mean() < 0.95
    np.testing.assert_allclose(found, np.where(is_sky, np.inf, expected), rtol=1e-4)


@pytest.mark.parametrize(
    ("form", "more", "kind", "words"),
    [
        ({"frozen_size": (168, 126)}, {}, EngineError, "gave depth as float32|one value per pixel"),
        ({"scale": -1.0}, {}, EngineError, r"where v2-small gives nothing below 0"),
        ({"scale": 0.0}, {}, EngineError, "gives 0 for every pixel"),
        (
            {"scale": 40.0},
            {"model": "v2-metric-indoor-small"},
            EngineError,
            r"where v2-metric-indoor-small gives 0 to 20",
        ),
        ({"scale": float("nan")}, {}, EngineError, "NaN"),
        ({"dims": (2, 56, 56)}, {"choices": {"changes": {}}}, EngineError, "takes 2 images at once"),
        ({"dims": (1, 56, 56)}, {}, ConfigError, "takes 56x56 only"),
        ({"dims": (1, 50, 50)}, {"choices": {"changes": {}}}, SpecError, "multiple of 14"),
        ({"dims": (1, 56, "w")}, {}, EngineError, "both free, or fixed"),
        ({"second_output": "b", "output_name": "a"}, {}, ConfigError, r"several outputs \(a, b\); name the one"),
        ({}, {"choices": {"depth_output": "nothing"}}, ConfigError, "no output 'nothing'; it has predicted_depth"),
        ({}, {"choices": {"input_name": "nothing"}}, ConfigError, "no input 'nothing'; it has pixel_values"),
        ({}, {"choices": {"input_range": "bgr"}}, ConfigError, "input range is 'bgr'; accepted: normalised"),
    ],
)
def test_what_cannot_be_right_is_refused(
    tmp_path: Path, form: dict[str, Any], more: dict[str, Any], kind: type[DepthAnythingError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        convert(tmp_path, **more, **form)
    assert "\n" not in str(caught.value)


def test_a_wrong_wrapping_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_form, "IMAGENET_MEAN", (0.0, 0.0, 0.0))
    with pytest.raises(EngineError, match="differs from"):
        convert(tmp_path)


@pytest.mark.parametrize("data", [b"", b"not a network", b"\x00" * 64])
def test_no_network_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(data)
    with pytest.raises(EngineError, match="no ONNX network"):
        convert_onnx(tmp_path / "x.onnx", get_model("v2-small"), tmp_path / "y.onnx", OnnxChoices(), lambda *_: None)


def test_weights_beside_the_file_are_missed_by_name(tmp_path: Path) -> None:
    source = write_foreign(tmp_path / "x.onnx", external=True)
    (tmp_path / "x.onnx.data").unlink()
    with pytest.raises(EngineError, match=r"x\.onnx\.data"):
        convert_onnx(source, get_model("v2-small"), tmp_path / "y.onnx", OnnxChoices(), lambda *_: None)
