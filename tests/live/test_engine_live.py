"""An engine that is slow or fails: what is published stays young; after repeated errors the node stops and says so."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tests.live.actors import Graph

SMALL: dict[str, Any] = {"width": 320, "height": 240, "fx": 250.0, "fy": 250.0, "cx": 160.0, "cy": 120.0}
ENGINE_S = 0.2


@pytest.mark.parametrize("duration_s", [20.0, pytest.param(600.0, marks=pytest.mark.slow)])
def test_what_is_published_is_younger_than_two_engine_periods(graph: Graph, duration_s: float) -> None:
    """30 Hz in, 5 Hz engine: the newest frame is taken, nothing queues."""
    camera, consumer = graph.camera(), graph.consumer("depth/image", "points")
    node = graph.node(delay_s=ENGINE_S)
    camera.wait_for_subscribers()
    camera.stream(rate=30.0, **SMALL)
    consumer.wait_for_message("depth/image")
    memory = node.ask("facts")["memory_mb"]
    time.sleep(duration_s)
    camera.stop_stream()
    for topic in ("depth/image", "points"):
        # The first frame may wait for intrinsics and the first use of everything.
        ages_ms = np.array([record["age_ms"] for record in consumer.of(topic)][1:])
        stamps = [record["stamp_ns"] for record in consumer.of(topic)]
        assert ages_ms.max() < 2 * ENGINE_S * 1e3
        assert len(ages_ms) > 0.75 * duration_s / ENGINE_S
        assert stamps == sorted(set(stamps))
    values = consumer.wait_for_status(": camera")["values"]
    assert int(values["dropped: a newer frame came first"]) > 3 * duration_s / ENGINE_S
    assert node.ask("facts")["memory_mb"] < memory + 30


def test_one_error_drops_the_frame_and_is_counted(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    node = graph.node(max_failures=1000)
    camera.wait_for_subscribers()
    camera.stream(rate=20.0, **SMALL)
    consumer.wait_for_message("depth/image")
    node.ask("fail", reason="the device was lost")
    engine = consumer.wait_for_status(": engine", lambda s: int(s["values"]["engine errors"]) >= 3)
    assert engine["values"]["state"] == "active"
    values = consumer.wait_for_status(": camera", lambda s: s["values"].get("dropped: engine error"))["values"]
    assert "the device was lost" in values["dropped: engine error"]
    node.ask("fail", reason="")
    mark = camera.stamps()[-1]
    consumer.wait_for_message("depth/image", lambda record: record["stamp_ns"] > mark)


def test_an_engine_that_cannot_run_is_an_error_before_anybody_subscribes(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer()
    node = graph.node()
    node.ask("fail", reason="no plan passes its check")
    camera.stream(rate=20.0, **SMALL)
    engine = consumer.wait_for_status(": engine", lambda status: status["level"] == 2)
    assert engine["message"] == "active: no plan passes its check"
    node.ask("fail", reason="")
    graph.consumer("depth/image", name="listener").wait_for_message("depth/image")
    consumer.wait_for_status(": engine", lambda status: status["level"] == 0)


def test_repeated_errors_end_in_unconfigured_with_the_reason_and_configuring_mends_it(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    node = graph.node(max_failures=3)
    camera.wait_for_subscribers()
    camera.stream(rate=20.0, **SMALL)
    consumer.wait_for_message("depth/image")
    since = len(camera.records)
    node.ask("fail", reason="the device was lost")
    engine = consumer.wait_for_status(": engine", lambda s: s["values"]["state"] == "unconfigured")
    assert engine["level"] == 2
    assert engine["message"].startswith("3 engine errors in a row, the last: the device was lost; configure the node")
    assert node.wait_for_log("cannot go on: 3 engine errors in a row")
    camera.wait_for_subscribers(0, since=since)
    node.ask("fail", reason="")
    since = len(camera.records)
    assert node.ask("transition", name="configure") == "SUCCESS"
    assert node.ask("transition", name="activate") == "SUCCESS"
    camera.wait_for_subscribers(since=since)
    mark = camera.stamps()[-1]
    consumer.wait_for_message("depth/image", lambda record: record["stamp_ns"] > mark)
    assert consumer.wait_for_status(": engine", lambda s: s["values"]["state"] == "active")["level"] == 0


def test_max_rate_is_kept(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    graph.node(max_rate=5.0)
    camera.wait_for_subscribers()
    camera.stream(rate=30.0, **SMALL)
    stamps = [record["stamp_ns"] for record in consumer.wait_for_messages("depth/image", 12)]
    gaps_s = np.diff(stamps) / 1e9
    assert np.median(gaps_s) == pytest.approx(0.2, abs=0.05)
