"""Counters of a camera: totals, rates of a period, percentiles, drops by cause."""

from __future__ import annotations

import threading

import pytest

from depth_anything_ros.channel_stats import ChannelStats


def test_rates_are_of_the_period_since_the_last_report():
    stats = ChannelStats()
    first = stats.report(10.0)
    assert (first.rate_in, first.rate_out) == (0.0, 0.0)
    for stamp in range(30):
        stats.count_received(stamp)
    for _ in range(5):
        stats.count_published({})
    second = stats.report(11.0)
    assert (second.rate_in, second.rate_out) == (30.0, 5.0)
    assert (second.received, second.published) == (30, 5)
    third = stats.report(13.0)
    assert (third.rate_in, third.rate_out, third.received) == (0.0, 0.0, 30)


def test_times_are_percentiles_by_stage():
    stats = ChannelStats()
    for milliseconds in range(1, 102):
        stats.count_published({"engine": float(milliseconds)})
    assert stats.report(0.0).times_ms == {"engine": {"p50": 51.0, "p99": 100.0, "max": 101.0}}


def test_only_the_last_samples_count():
    stats = ChannelStats()
    for _ in range(512):
        stats.count_published({"engine": 1000.0})
    for _ in range(512):
        stats.count_published({"engine": 1.0})
    assert stats.report(0.0).times_ms["engine"]["max"] == 1.0


def test_drops_are_counted_by_cause_with_the_last_detail_and_those_of_the_period():
    stats = ChannelStats()
    assert stats.count_drop("bad", "step 3")
    assert not stats.count_drop("bad", "step 4")
    first = stats.report(0.0)
    assert (first.drops, first.new_drops, first.last_drop) == ({"bad": 2}, {"bad": 2}, {"bad": "step 4"})
    stats.count_drop("bad", "step 5")
    second = stats.report(1.0)
    assert (second.drops, second.new_drops, second.last_drop) == ({"bad": 3}, {"bad": 1}, {"bad": "step 5"})
    assert stats.report(2.0).new_drops == {}


def test_stamps_that_go_back_are_counted():
    stats = ChannelStats()
    for stamp in (5, 6, 6, 2, 3):
        stats.count_received(stamp)
    assert stats.report(0.0).stamps_back == 1
    assert stats.report(1.0).stamps_back == 0  # those of the period only


def test_a_slow_stream_is_alive_between_its_frames_and_a_silent_one_is_not(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("depth_anything_ros.channel_stats.time.monotonic", lambda: now[0])
    stats = ChannelStats()
    assert not stats.report(now[0]).is_receiving
    for second in (100.0, 105.0, 110.0):
        now[0] = second
        stats.count_received(0)
        stats.count_published({})
    stats.report(now[0])
    for second, alive in ((124.0, True), (126.0, False)):  # three gaps of 5 s
        now[0] = second
        report = stats.report(second)
        assert (report.rate_out, report.is_receiving, report.is_publishing) == (0.0, alive, alive)


def test_a_pause_is_no_rhythm(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("depth_anything_ros.channel_stats.time.monotonic", lambda: now[0])
    stats = ChannelStats()
    for second in (100.0, 100.1, 160.0):
        now[0] = second
        stats.count_received(0)
    stats.report(now[0])
    now[0] = 162.0
    assert not stats.report(now[0]).is_receiving


def test_two_threads_lose_no_count():
    stats = ChannelStats()

    def count() -> None:
        for _ in range(5000):
            stats.count_drop("x")
            stats.count_received(1)

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = stats.report(0.0)
    assert (report.received, report.drops["x"]) == (10_000, 10_000)
    assert report.rate_in == pytest.approx(0.0)
