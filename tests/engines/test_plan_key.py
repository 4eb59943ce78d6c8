"""What a plan depends on: each part alone makes another plan."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from depth_anything_ros.engines.plan_key import RUNGS, key_from_dict
from tests.plan_samples import make_key

OTHERS: dict[str, Any] = {
    "network": "other",
    "artifact_sha256": "b" * 64,
    "rung": "fp32",
    "max_batch": 2,
    "height": 56,
    "width": 56,
    "tensorrt": "10.16.1",
    "cuda": 13,
    "gpu": "NVIDIA Thor",
    "compute_capability": "11.0",
    "num_multiprocessors": 8,
    "workspace_mb": 512,
    "package": "99.0",
    "format_version": 99,
}


def test_every_part_has_its_case() -> None:
    assert set(OTHERS) == {field.name for field in dataclasses.fields(make_key())}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_each_part_alone_makes_another_plan(name: str) -> None:
    key, other = make_key(), make_key(**{name: OTHERS[name]})
    assert key.digest != other.digest and key.stem != other.stem
    assert key.differences(other) == [f"{name} {OTHERS[name]}, here {getattr(key, name)}"]


def test_equal_keys_have_one_name() -> None:
    assert make_key().stem == make_key().stem
    assert make_key().differences(make_key()) == []


def test_timings_are_shared_by_all_plans_of_a_machine_and_by_no_other() -> None:
    key = make_key()
    assert key.machine_digest == make_key(rung="fp32", height=56, artifact_sha256="b" * 64).machine_digest
    others = ("tensorrt", "cuda", "gpu", "compute_capability", "num_multiprocessors")
    digests = {make_key(**{name: OTHERS[name]}).machine_digest for name in others}
    assert len(digests) == len(others) and key.machine_digest not in digests


def test_names_are_safe_for_any_file_system() -> None:
    stem = make_key(network="a/b c:\\d" + "x" * 300).stem
    assert "/" not in stem and " " not in stem and ":" not in stem and len(stem) < 150


def test_a_key_goes_through_a_dict() -> None:
    data = dataclasses.asdict(make_key())
    assert key_from_dict(data) == make_key()
    assert key_from_dict({**data, "extra": 1}) is None
    assert key_from_dict({name: value for name, value in data.items() if name != "gpu"}) is None
    assert key_from_dict({**data, "cuda": "12"}) is None
    assert key_from_dict({**data, "height": True}) is None


def test_words_and_precision() -> None:
    assert make_key().label == "tiny 42x28 fp16"
    assert make_key(max_batch=3, rung="fp16-unfused").label == "tiny 42x28 fp16-unfused, batches up to 3"
    assert [make_key(rung=rung).precision for rung in RUNGS] == ["fp16", "fp16", "fp16", "fp32"]


def test_rungs_are_those_that_graphs_are_made_for() -> None:
    graphs = pytest.importorskip("depth_anything_ros.graphs", reason="onnx is not installed (extra tensorrt)")
    assert graphs.RUNGS == RUNGS
