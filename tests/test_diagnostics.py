"""What the node says of itself, in plain words."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from depth_anything_ros.channel_stats import NOT_READY, StatsReport
from depth_anything_ros.diagnostics import (
    ERROR,
    OK,
    WARN,
    CameraFacts,
    Status,
    camera_status,
    engine_status,
    memory_mb,
    to_message,
    why_nothing,
)
from depth_anything_ros.engine import load_engine

STATS = StatsReport(
    received=30,
    published=10,
    rate_in=30.0,
    rate_out=10.0,
    is_receiving=True,
    is_publishing=True,
    stamps_back=0,
    drops={"a newer frame came first": 20},
    new_drops={"a newer frame came first": 20},
    last_drop={"a newer frame came first": ""},
    times_ms={"engine": {"p50": 80.0, "p99": 95.0, "max": 99.0}, "age": {"p50": 90.0, "p99": 120.0, "max": 150.0}},
)
SILENT = StatsReport(
    received=0,
    published=0,
    rate_in=0.0,
    rate_out=0.0,
    is_receiving=False,
    is_publishing=False,
    stamps_back=0,
    drops={},
    new_drops={},
    last_drop={},
    times_ms={},
)
WORKING = CameraFacts(
    name="",
    image_topic="/image",
    camera_info_topic="/camera_info",
    wanted=("depth_image",),
    image_publishers=("/usb_cam",),
    camera_info_publishers=("/usb_cam",),
    camera_problem="",
    frame_id="camera_color_optical_frame",
    unreached=(),
    stats=STATS,
)
NO_INFO = "no camera_info yet"
MISMATCH = "/image: /usb_cam publishes best effort, the subscription asks reliable"


def test_a_working_camera_is_ok_with_its_figures():
    status = camera_status("depth_anything", WORKING)
    assert (status.name, status.level, status.message) == ("depth_anything: camera", OK, "publishing")
    expected = {
        "rate in [Hz]": "30.00",
        "rate out [Hz]": "10.00",
        "engine p50 [ms]": "80.00",
        "age p99 [ms]": "120.00",
        "dropped: a newer frame came first": "20",
        "frame_id": "camera_color_optical_frame",
        "subscribed to outputs": "depth_image",
    }
    assert expected.items() <= status.values.items()
    assert "why nothing is published" not in status.values


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"wanted": ()}, OK, ["nobody subscribes to an output"]),
        ({"wanted": (), "unreached": (MISMATCH,)}, WARN, ["nobody subscribes", "/usb_cam publishes best effort"]),
        ({"image_publishers": ()}, WARN, ["no publisher on /image"]),
        ({}, WARN, ["no image on /image, though /usb_cam publishes there"]),
        ({"unreached": (MISMATCH,)}, WARN, ["/usb_cam publishes best effort"]),
        (
            {"camera_problem": NO_INFO, "camera_info_publishers": ()},
            WARN,
            ["no camera_info yet: no publisher on /camera_info"],
        ),
    ],
)
def test_why_nothing_is_published(changes, level, words):
    status = camera_status("n", replace(WORKING, stats=SILENT, **changes))
    assert status.level == level
    for word in words:
        assert word in status.message
        assert word in status.values["why nothing is published"]


def test_an_uncalibrated_camera_is_an_error():
    receiving = replace(SILENT, received=9, rate_in=30.0, is_receiving=True)
    facts = replace(WORKING, stats=receiving, camera_problem="camera_info on /camera_info: uncalibrated, K[0] = 0")
    status = camera_status("n", facts)
    assert (status.level, status.message) == (ERROR, "camera_info on /camera_info: uncalibrated, K[0] = 0")


def test_frames_that_are_all_dropped_are_explained_by_the_most_frequent_fault_of_the_period():
    stats = replace(
        SILENT,
        received=2000,
        rate_in=30.0,
        is_receiving=True,
        drops={"a newer frame came first": 1000, "image cannot be used": 9, "engine error": 700},
        new_drops={"a newer frame came first": 20, "image cannot be used": 9, "engine error": 1},
        last_drop={"a newer frame came first": "", "image cannot be used": "step 3", "engine error": "lost"},
    )
    facts = replace(WORKING, stats=stats)
    assert why_nothing(facts) == ["frames are dropped: image cannot be used: step 3"]
    status = camera_status("n", facts)
    assert status.values["dropped: engine error"] == "700 lost"
    assert status.level == ERROR  # images come and not one of them can be used


def test_what_nobody_listens_to_is_not_publishing_a_moment_after():
    status = camera_status("n", replace(WORKING, wanted=()))
    assert status.level == OK
    assert "nobody subscribes to an output" in status.message


def test_a_camera_whose_frames_are_lost_to_faults_is_not_publishing():
    fault = {"image cannot be used": 3}
    stats = replace(STATS, rate_out=0.0, drops=fault, new_drops=fault, last_drop={"image cannot be used": "step"})
    assert camera_status("n", replace(WORKING, stats=stats)).message == "frames are dropped: image cannot be used: step"


def test_a_slow_camera_between_two_frames_is_no_fault():
    between = replace(STATS, rate_in=0.0, rate_out=0.0)
    assert camera_status("n", replace(WORKING, stats=between)).level == OK


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frame_id": "camera_link"}, "'camera_link' is not an optical frame"),
        ({"frame_id": ""}, "'' is not an optical frame"),
        ({"image_publishers": ("/a", "/b")}, "2 publishers on /image: /a, /b"),
        ({"stats": replace(STATS, stamps_back=3)}, "stamps went back"),
        ({"stats": replace(STATS, times_ms={"age": {"p50": 4e9, "p99": 4e9, "max": 4e9}})}, "not of this clock"),
        ({"unreached": (MISMATCH,)}, "/usb_cam publishes best effort"),
    ],
)
def test_what_is_odd_is_a_warning_though_it_works(changes, words):
    status = camera_status("n", replace(WORKING, **changes))
    assert status.level == WARN
    assert words in status.message


def test_the_engine_is_described():
    with load_engine("plane:") as engine:
        status = engine_status("n", engine, state="active", failure="", num_failures=2)
    assert (status.level, status.message, status.hardware_id) == (OK, "active: plane on plane exact", "CPU")
    assert status.values["precision"] == "exact"
    assert status.values["engine errors"] == "2"
    assert {"network", "spec", "licence", "device", "memory [MB]", "notes"} <= set(status.values)


def test_what_is_being_prepared_is_a_warning_and_no_error():
    progress = "building the TensorRT plan: 34%"
    status = engine_status("n", None, state="active", failure="", num_failures=0, progress=progress)
    assert (status.level, status.message) == (WARN, f"active: {progress}")
    with load_engine("plane:") as engine:  # one runs meanwhile
        status = engine_status("n", engine, state="active", failure="", num_failures=0, progress=progress)
    assert (status.level, status.values["being prepared"]) == (WARN, progress)


def test_an_engine_that_only_fails_is_an_error_though_it_is_loaded():
    with load_engine("plane:") as engine:
        status = engine_status(
            "n", engine, state="active", failure="", num_failures=1, error="no plan passes its check"
        )
    assert (status.level, status.message) == (ERROR, "active: no plan passes its check")


def test_an_engine_in_the_place_of_the_asked_one_is_a_warning():
    with load_engine("plane:") as engine:
        engine.info = replace(
            engine.info, is_fallback=True, reason="allowed as a fallback, as no plan passes its check"
        )
        status = engine_status("n", engine, state="active", failure="", num_failures=0)
    assert status.level == WARN and status.message.endswith("exact, allowed as a fallback, as no plan passes its check")


def test_terms_and_scale_are_shown():
    with load_engine("plane:") as engine:
        status = engine_status("n", engine, state="active", failure="", num_failures=0)
        assert status.values["licence"] == "Apache-2.0 (permissive)"
        assert status.values["licence accepted"] == "needs no acceptance"
        assert status.values["scale"] == "as the network gives it"
        engine.spec = replace(engine.spec, licence_accepted="unclear, named by the user on 2026-11-25")
        status = engine_status("n", engine, state="active", failure="", num_failures=0, scale="x 1.1")
    assert status.values["licence accepted"].startswith("unclear, named by")
    assert status.values["scale"] == "x 1.1"
    with load_engine("plane:") as engine:
        told = engine_status(
            "n", engine, state="", failure="", num_failures=0, scale="x 1.1", notes=("x 1.1", "other camera")
        )
    assert told.values["notes"].endswith("other camera") and "x 1.1" not in told.values["notes"]


def test_frames_lost_while_the_engine_is_prepared_are_no_error_of_the_camera():
    drops = {NOT_READY: 3}
    detail = {NOT_READY: "building (34%)"}
    stats = replace(
        STATS, published=0, rate_out=0.0, is_publishing=False, drops=drops, new_drops=drops, last_drop=detail
    )
    status = camera_status("n", replace(WORKING, stats=stats))
    assert status.level == WARN
    assert status.message == "frames are dropped: the engine is being prepared: building (34%)"


def test_without_engine_the_reason_is_said():
    status = engine_status("n", None, state="unconfigured", failure="no network at x.onnx", num_failures=0)
    assert status.level == ERROR
    assert status.message.startswith("no network at x.onnx; configure the node again")
    assert engine_status("n", None, state="unconfigured", failure="", num_failures=0).level == WARN


def test_statuses_become_one_message():
    def message(name: str) -> Any:
        return lambda **fields: SimpleNamespace(kind=name, **fields)

    made = to_message([Status("a", WARN, "text", "hw", {"key": "value"})], "header", message)
    (status,) = made.status
    assert (made.header, status.level, status.name, status.message) == ("header", b"\x01", "a", "text")
    assert [(pair.key, pair.value) for pair in status.values] == [("key", "value")]


def test_memory_is_that_of_this_process():
    before = memory_mb()
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert 50.0 < memory_mb() - before < 90.0
