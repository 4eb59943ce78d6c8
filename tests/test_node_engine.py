"""The node's engine: options from parameters, opening in a thread, what is said meanwhile. No ROS is needed."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros import node_engine
from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import ConfigError, EngineError, EngineNotReady, LicenceError
from depth_anything_ros.params import check_values
from tests.worlds import require_world

require_world()

from depth_anything_ros.node_engine import (  # noqa: E402
    EngineOpening,
    NodeEngine,
    ProgressLog,
    begin,
    camera_size,
    engine_options,
)


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end_s, "not within 10 s"
        time.sleep(0.002)


def test_options_are_those_of_the_parameters() -> None:
    values = check_values(
        {
            "engine": "tensorrt",
            "precision": "fp16",
            "threads": 3,
            "device": 1,
            "resize": "long_side:392",
            "accept_license": "cc-by-nc-4.0, unclear",
            "cameras": ("front", "left"),
            "engine_meanwhile": "onnxruntime",
            "cpu_fallback": True,
            "plan": "/x/a.plan",
            "workspace_mb": 512,
        }
    )
    options = engine_options(values)
    assert (options.engine, options.precision, options.threads, options.device) == ("tensorrt", "fp16", 3, 1)
    assert options.accept_license == ("cc-by-nc-4.0", "unclear")
    assert (options.max_batch, options.background, options.meanwhile) == (2, True, "onnxruntime")
    assert (options.cpu_fallback, options.plan, options.workspace_mb) == (True, Path("/x/a.plan"), 512)
    assert options.resize == "long_side:392"
    plain = engine_options(check_values({}))
    assert (plain.threads, plain.meanwhile, plain.plan, plain.accept_license) == (None, "", None, ())


@pytest.mark.parametrize("text", ["640", "640x", "0x480", "640x480x3", "a x b"])
def test_a_camera_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"camera_size is '{text}'; accepted: WIDTHxHEIGHT"):
        camera_size({"camera_size": text})
    assert camera_size({"camera_size": "640x480"}) == (640, 480)
    assert camera_size({"camera_size": ""}) is None


class Asked:
    """An engine that is not ready and keeps what it was asked for."""

    def __init__(self) -> None:
        self.spec = load_engine("plane:").spec
        self.shapes: list[tuple[int, ...]] = []

    def infer(self, images_nhw3: np.ndarray) -> np.ndarray:
        self.shapes.append(images_nhw3.shape)
        raise EngineNotReady("building")


def test_an_engine_is_prepared_for_a_camera_before_its_first_image() -> None:
    engine = Asked()
    begin(engine, None)  # type: ignore[arg-type]
    begin(engine, (640, 480))  # type: ignore[arg-type]
    assert engine.shapes == [(1, 392, 518, 3)]


def test_opening_tells_its_progress_and_hands_the_engine_over() -> None:
    go = threading.Event()

    def open_engine(report: Callable[[str, float | None], None]) -> Any:
        report("downloading v2-small", 0.25)
        go.wait(10.0)
        return load_engine("plane:")

    opening = EngineOpening(open_engine, "fetching v2-small")
    until(lambda: opening.progress == "downloading v2-small: 25%")
    assert not opening.is_done
    go.set()
    until(lambda: opening.is_done)
    assert opening.engine is not None and opening.failure == ""


@pytest.mark.parametrize(
    ("error", "failure"),
    [(EngineError("no\nnetwork"), "no network"), (ZeroDivisionError("a bug"), "ZeroDivisionError: a bug")],
)
def test_an_opening_that_fails_says_why(error: Exception, failure: str) -> None:
    def open_engine(report: object) -> Any:
        raise error

    opening = EngineOpening(open_engine, "fetching")
    until(lambda: opening.is_done)
    assert opening.failure == failure and opening.engine is None


def test_giving_up_unwinds_the_work_and_closes_what_comes_too_late() -> None:
    asked, unwound, engine = threading.Event(), threading.Event(), load_engine("plane:")

    def download(report: Callable[[str, float | None], None]) -> Any:
        asked.wait(10.0)
        try:
            report("downloading", 0.5)
        except EngineNotReady:
            unwound.set()
            raise
        return engine

    opening = EngineOpening(download, "fetching")
    opening.cancel()
    asked.set()
    assert unwound.wait(10.0)
    late = threading.Event()
    opening = EngineOpening(lambda report: late.wait(10.0) and engine, "fetching")  # type: ignore[arg-type, return-value]
    opening.cancel()
    late.set()
    opening._thread.join(10.0)
    with pytest.raises(EngineError, match="closed"):
        engine.infer(np.zeros((1, 14, 14, 3), np.uint8))


def open_node_engine(
    monkeypatch: pytest.MonkeyPatch, fetch: Callable[..., Any], **values: Any
) -> tuple[NodeEngine, list[str]]:
    """A NodeEngine whose network must be fetched, and what it says."""
    said: list[str] = []
    monkeypatch.setattr(node_engine, "needs_fetch", lambda model: True)
    monkeypatch.setattr(node_engine, "fetch_model", fetch)
    values = check_values({"model": "v2-metric-indoor-small", **values})
    return NodeEngine(values, lambda model, options, **changes: load_engine("plane:"), said.append), said


def test_a_network_that_must_be_fetched_is_while_the_node_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    engine, said = open_node_engine(monkeypatch, lambda model, *, accept, report: go.wait(10.0))
    assert engine.progress == "fetching v2-metric-indoor-small"
    assert engine.pipeline(check_values({})) is None
    assert not engine.poll()
    go.set()
    until(engine.poll)
    assert engine.pipeline(check_values({})) is not None and engine.progress == ""
    assert said[0] == "fetching v2-metric-indoor-small"
    assert any(text.startswith("plane on plane exact") for text in said)
    assert not engine.poll()
    engine.close()


def test_a_fetch_that_fails_is_the_engines_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(model: str, *, accept: object, report: object) -> None:
        raise EngineError("the hub cannot be reached")

    engine, _ = open_node_engine(monkeypatch, fetch)
    until(lambda: engine.poll() or bool(engine.failure))
    assert engine.failure == "the hub cannot be reached" and engine.engine is None


def test_terms_are_asked_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(model: str, **options: object) -> None:
        raise AssertionError("fetched")

    with pytest.raises(LicenceError, match=r"accept_license:=cc-by-nc-4\.0"):
        open_node_engine(monkeypatch, fetch, model="v2-large")


def test_the_log_says_once_what_runs_now() -> None:
    said: list[str] = []
    plane = load_engine("plane:")
    node = NodeEngine(check_values({}), lambda model, options, **changes: plane, said.append)
    node.poll()
    first = len(said)
    built = dataclasses.replace(plane.info, engine="tensorrt", precision="fp32", notes=("not used: fp16: rejected",))
    fallback = dataclasses.replace(plane.info, engine="onnxruntime", reason="allowed as a fallback, as all failed")
    for info in (built, built, fallback, built, fallback):
        plane.info = info
        node.poll()
    assert said[first:] == [
        f"plane on tensorrt fp32 ({built.reason})",
        "not used: fp16: rejected",
        "plane on onnxruntime exact (allowed as a fallback, as all failed)",
    ]


def test_the_log_says_progress_at_once_and_then_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(node_engine.time, "monotonic", lambda: now_s[0])
    said: list[str] = []
    log = ProgressLog(said.append)
    for second, progress in (
        (0, ""),
        (1, "building: 1%"),
        (2, "building: 2%"),
        (12, "building: 9%"),
        (13, "built; it waits for an image"),
        (23, "built; it waits for an image"),
        (33, "built; it waits for an image"),
        (34, ""),
        (35, ""),
    ):
        now_s[0] = second
        log.update(progress)
    assert said == ["building: 1%", "building: 9%", "built; it waits for an image"]
