"""The state of a watch in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from depth_anything_ros.watch.feeds import Feed
from depth_anything_ros.watch.statistics import Age
from depth_anything_ros.watch.text import age_text, diagnostics_lines, level_of, status_line, table
from depth_anything_ros.watch.topics import IMAGE


def feed(topic: str, age_ms: float = 5.0, count: int = 21) -> Feed:
    made = Feed(topic, IMAGE, None)
    for index in range(count):
        made.statistics.add(100.0 + index / 10, age_ms, "optical", "rgb8 64x48")
    return made


def status(name: str, level: Any, message: str = "fine", **values: str) -> Any:
    pairs = [SimpleNamespace(key=key.replace("_", " "), value=value) for key, value in values.items()]
    return SimpleNamespace(name=name, level=level, message=message, values=pairs)


def test_the_table_has_a_line_for_each_topic() -> None:
    lines = table({"image": feed("/image"), "depth": feed("/depth/image", count=0)}, 102.0)
    assert lines[0].split() == ["topic", "rate", "age", "p50", "/", "p99", "size", "frame"]
    assert lines[1].split() == ["/image", "10.0", "/s", "5.0", "/", "5.0", "ms", "rgb8", "64x48", "optical"]
    assert lines[2].split() == ["/depth/image", "0.0", "/s", "-"]
    assert lines[1].index("10.0") == lines[2].index("0.0")


def test_the_status_line_has_rates_and_ages() -> None:
    assert status_line({"image": feed("/image"), "depth": feed("/depth/image", count=0)}, 102.0) == (
        "/image 10.0 /s, age 5.0 / 5.0 ms | /depth/image 0.0 /s"
    )
    assert status_line({}, 1.0) == ""


def test_an_age_that_means_nothing_is_called_so() -> None:
    assert age_text(Age(4e9, 4e9)) == "stamps are not of this clock"
    assert age_text(None) == "-"


def test_diagnostics_show_the_worst_first_and_why_nothing_is_published() -> None:
    statuses = [
        status("engine", b"\x00", "openvino"),
        status("camera", b"\x02", "no depth", why_nothing_is_published="no camera_info", rate="0.0"),
        status("frame", 1, "not optical"),
    ]
    assert diagnostics_lines(statuses) == [
        "error: camera: no depth",
        "  why nothing is published: no camera_info",
        "warning: frame: not optical",
        "ok: engine: openvino",
    ]


def test_many_diagnostics_are_cut() -> None:
    lines = diagnostics_lines([status(f"s{index}", 0) for index in range(9)])
    assert len(lines) == 7 and lines[-1] == "and 3 more"


@pytest.mark.parametrize(("level", "number"), [(b"\x02", 2), (3, 3), (bytearray(b"\x01"), 1)])
def test_levels_are_bytes_or_numbers(level: Any, number: int) -> None:
    assert level_of(status("x", level)) == number


def test_a_reason_that_is_the_message_is_said_once() -> None:
    assert diagnostics_lines([status("camera", 1, "no camera_info", why="no camera_info")]) == [
        "warning: camera: no camera_info"
    ]
