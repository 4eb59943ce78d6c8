"""Rates and ages of a topic: over the last seconds, over everything, and when a stamp says nothing."""

from __future__ import annotations

import json

import pytest

from depth_anything_ros.watch.statistics import TopicStatistics


def filled(rate: float, count: int, age_ms: float = 5.0, start_s: float = 100.0) -> TopicStatistics:
    statistics = TopicStatistics()
    for index in range(count):
        statistics.add(start_s + index / rate, age_ms + index % 2, "frame", "rgb8 64x48")
    return statistics


def test_rate_and_age_of_a_steady_topic() -> None:
    statistics = filled(10.0, 101)
    assert statistics.rate(110.0) == pytest.approx(10.0, rel=0.01)
    age = statistics.age()
    assert age is not None and age.is_of_this_clock
    assert (age.p50_ms, age.p99_ms) == (pytest.approx(5.0, abs=1.0), 6.0)


def test_the_rate_follows_changes_and_goes_down_in_silence() -> None:
    statistics = filled(10.0, 101)
    for index in range(1, 31):
        statistics.add(110.0 + index / 5.0, 5.0, "frame", "")
    assert statistics.rate(116.0) == pytest.approx(5.0, rel=0.05)
    assert statistics.rate(118.0) < 4.0
    assert statistics.silent_s(118.0) == pytest.approx(2.0)
    assert statistics.rate(130.0) == 0.0
    assert statistics.age() is None


def test_nothing_has_no_rate_and_no_age() -> None:
    statistics = TopicStatistics()
    assert (statistics.rate(1.0), statistics.age(), statistics.silent_s(1.0)) == (0.0, None, 0.0)
    assert statistics.as_dict()["rate_hz"] is None


@pytest.mark.parametrize("age_ms", [3_600_001.0, -3_700_000.0, 1.6e12])
def test_stamps_of_another_clock_are_told(age_ms: float) -> None:
    statistics = filled(10.0, 5, age_ms)
    age = statistics.age()
    assert age is not None and not age.is_of_this_clock
    assert (statistics.as_dict()["age_ms"], statistics.as_dict()["stamps_are_of_this_clock"]) == (None, False)


def test_the_totals_are_plain_values() -> None:
    totals = filled(10.0, 201).as_dict()
    assert json.loads(json.dumps(totals)) == totals
    assert totals["count"] == 201
    assert totals["rate_hz"] == pytest.approx(10.0)
    assert totals["age_ms"] == {"p50": 5.0, "p99": 6.0}
    assert (totals["shape"], totals["frame_id"]) == ("rgb8 64x48", "frame")
