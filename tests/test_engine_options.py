"""What is accepted of an engine's options, and another size than the network's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.engine_options import EngineOptions, resize_rule
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.spec import ResizeRule

OWN = ResizeRule(kind="short_side", side=518, interpolation="area")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"engine": "cuda"}, "engine is 'cuda'; accepted: auto, openvino"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
        ({"meanwhile": "tensorrt"}, "meanwhile is 'tensorrt'; accepted: auto, openvino, onnxruntime"),
        ({"threads": 0}, "threads is 0"),
        ({"device": -1}, "device is -1; accepted: a whole number of at least 0"),
        ({"max_batch": 0}, "max_batch is 0"),
        ({"workspace_mb": -1}, "workspace_mb is -1"),
        ({"plan": Path("a.plan")}, "for the engine tensorrt, not for auto"),
    ],
)
def test_a_value_outside_the_table_is_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        EngineOptions(**values)


def test_progress_reaches_whoever_asked() -> None:
    told: list[tuple[str, float | None]] = []
    EngineOptions(report=lambda what, fraction: told.append((what, fraction))).tell("building", 0.5)
    EngineOptions().tell("to nobody")
    assert told == [("building", 0.5)]


def test_resize_keeps_the_networks_own_multiple_and_interpolation() -> None:
    assert resize_rule("", OWN) is OWN
    assert resize_rule("long_side:392", OWN) == ResizeRule(kind="long_side", side=392, interpolation="area")


@pytest.mark.parametrize(
    "text", ["392", "short_side", "short_side:390", "short_side:0", "both:392", "short_side:-14", "long_side:14014"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"resize is '{text}'"):
        resize_rule(text, OWN)
