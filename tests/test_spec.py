"""EngineSpec and its JSON: round trip, and every way in which a file can promise something that is not understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros.errors import SpecError
from depth_anything_ros.spec import (
    EngineSpec,
    Licence,
    ResizeRule,
    load_spec,
    save_spec,
    sha256_of,
    spec_from_dict,
    spec_path_of,
    spec_to_dict,
)
from tests.tiny_networks import make_spec


def as_json(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(spec_to_dict(make_spec())))
    data.update(changes)
    return data


def test_json_round_trip(tmp_path: Path) -> None:
    spec = make_spec(provenance={"recipe": "starter.yaml"}, trained_frames=("a", "b"), licence_accepted=None)
    save_spec(tmp_path / "tiny.json", spec)
    assert load_spec(tmp_path / "tiny.json") == spec
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.json"]


_TEXT = st.text(alphabet=st.characters(exclude_characters="/\\", exclude_categories=("Cs",)), min_size=1, max_size=8)
_FOCAL = st.none() | st.floats(1e-3, 1e6)


@given(
    name=_TEXT,
    multiple=st.integers(1, 32),
    patches=st.integers(1, 64),
    max_batch=st.integers(1, 64),
    near=st.floats(1e-3, 1.0),
    threshold=st.floats(0.0, 1.0),
    training_focal_px=_FOCAL,
    frames=st.lists(_TEXT, max_size=3),
    provenance=st.dictionaries(_TEXT, _TEXT, max_size=3),
)
def test_any_valid_spec_survives_json(
    name: str,
    multiple: int,
    patches: int,
    max_batch: int,
    near: float,
    threshold: float,
    training_focal_px: float | None,
    frames: list[str],
    provenance: dict[str, str],
) -> None:
    spec = make_spec(
        name=name,
        resize=ResizeRule(kind="short_side", side=multiple * patches, multiple=multiple),
        max_batch=max_batch,
        min_depth_m=near,
        sky_threshold=threshold,
        training_focal_px=training_focal_px,
        trained_frames=tuple(frames),
        provenance=provenance,
    )
    assert spec_from_dict(json.loads(json.dumps(spec_to_dict(spec)))) == spec


def test_whole_numbers_are_read_where_a_number_is_asked() -> None:
    """JSON writers drop the point: 300.0 arrives as 300."""
    spec = spec_from_dict(as_json(canonical_focal_px=300, max_depth_m=20))
    assert type(spec.canonical_focal_px) is float and type(spec.max_depth_m) is float


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format_version": 2}, "newer"),
        ({"format_version": 0}, "format_version is 0"),
        ({"format_version": True}, "format_version is True"),
        ({"format_version": "1"}, "format_version is '1'"),
        ({"colour": "bgr"}, "unknown key colour"),
        ({"name": 3}, "name is 3"),
        ({"max_batch": 1.0}, "max_batch is 1.0"),
        ({"max_batch": True}, "max_batch is True"),
        ({"max_batch": 0}, "max_batch is 0"),
        ({"resize": 518}, "resize is 518"),
        ({"resize": {"kind": "long_side"}}, "resize.side is missing"),
        ({"resize": {"kind": "long_side", "side": 520}}, "resize.side is 520"),
        ({"resize": {"kind": "wide", "side": 518}}, "resize.kind is 'wide'"),
        ({"resize": {"kind": "fixed", "side": 518, "interpolation": "linear"}}, "resize.interpolation is 'linear'"),
        ({"meaning": "disparity"}, "meaning is 'disparity'"),
        ({"canonical_focal_px": None}, "canonical_focal_px is None"),
        ({"canonical_focal_px": -1.0}, "canonical_focal_px is -1.0"),
        ({"canonical_focal_px": "300"}, "canonical_focal_px is '300'; accepted: a number or null"),
        ({"min_depth_m": 0.0}, "min_depth_m is 0.0"),
        ({"max_depth_m": 0.05}, "max_depth_m is 0.05"),
        ({"artifact": "../tiny.onnx"}, "artifact is '../tiny.onnx'"),
        ({"artifact": "."}, "artifact is '.'"),
        ({"golden": "a\0", "golden_sha256": "0" * 64}, "golden is 'a"),
        ({"min_depth_m": 10**400}, "min_depth_m has more than 308 digits"),
        ({"artifact_sha256": "abc"}, "artifact_sha256 is 'abc'"),
        ({"golden": "g.npz"}, "golden_sha256 is ''"),
        ({"golden_sha256": "0" * 64}, "golden_sha256"),
        ({"licence": {"id": "MIT", "category": "free", "source": ""}}, "licence.category is 'free'"),
        ({"provenance": {"epochs": 3}}, "provenance is"),
        ({"trained_frames": "all"}, "trained_frames is 'all'"),
    ],
)
def test_what_is_not_understood_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_from_dict(as_json(**changes))
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "artifact_sha256", "resize", "licence", "meaning", "max_depth_m"])
def test_a_missing_promise_is_refused(key: str) -> None:
    data = as_json()
    del data[key]
    with pytest.raises(SpecError, match=f"{key} is missing"):
        spec_from_dict(data)


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", '{"max_depth_m": NaN}', '{"format_version": 1}', "\x00\xff", "[" * 100_000]
)
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tiny.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError, match=r"tiny\.json"):
        load_spec(path)


def test_absent_spec_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no spec at .*absent\.json"):
        load_spec(tmp_path / "absent.json")


def test_a_number_that_json_does_not_have_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be written"):
        save_spec(tmp_path / "tiny.json", make_spec(sky_threshold=float("nan")))
    assert list(tmp_path.iterdir()) == []


def test_spec_lies_beside_its_artifact() -> None:
    assert spec_path_of("nets/vits.v2.onnx") == Path("nets/vits.v2.json")


def test_sha256_of_known_bytes(tmp_path: Path) -> None:
    """The digest of 'abc' as printed in FIPS 180-2."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_an_engine_without_weights_needs_no_hash() -> None:
    spec = make_spec(artifact="", artifact_sha256="")
    assert isinstance(spec, EngineSpec) and isinstance(spec.licence, Licence)
    with pytest.raises(SpecError, match="artifact_sha256"):
        make_spec(artifact="", artifact_sha256="0" * 64)
