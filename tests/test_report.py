"""The summary: counts, percentiles by hand, and tables that say what was trained on."""

from __future__ import annotations

import json

import pytest

from depth_anything_ros.report import Drops, Latencies, Summary, counted, error_table, percentiles_ms


def figures(abs_rel: float) -> dict[str, float]:
    return {"coverage": 0.87, "abs_rel": abs_rel, "rmse": 0.34, "delta1": 0.85, "silog": 14.2}


def summary() -> Summary:
    return Summary(
        source="bag walk: 5 frames",
        camera="from /camera_info",
        engine="onnxruntime",
        precision="fp32",
        engine_reason="auto",
        model="starter",
        model_notice="a starter",
        frames_in=5,
        frames_out=3,
        elapsed_s=2.0,
    )


def test_a_count_of_one_is_singular() -> None:
    assert [counted(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]


def test_percentiles_by_hand() -> None:
    assert percentiles_ms([1.0, 2.0, 3.0, 4.0, 105.0]) == {"p50": 3.0, "p99": 100.96, "max": 105.0}
    assert percentiles_ms([7.0]) == {"p50": 7.0, "p99": 7.0, "max": 7.0}


def test_drops_are_counted_and_explained_once() -> None:
    drops = Drops()
    assert [drops.add("corrupt image", detail) for detail in ("frame 3", "frame 9")] == [True, False]
    assert drops.add("camera", "K")
    assert (drops.total, drops.counts, drops.first["corrupt image"]) == (
        3,
        {"corrupt image": 2, "camera": 1},
        "frame 3",
    )


def test_stages_keep_their_order_and_the_first_frame_stands_apart() -> None:
    latencies = Latencies()
    latencies.add({"read": 1.0, "engine": 900.0})
    assert latencies.as_dict()["engine"]["p50"] == 900.0
    latencies.add({"read": 1.0, "engine": 10.0})
    latencies.add({"read": 3.0, "cloud": 5.0, "engine": 20.0})
    table = latencies.as_dict()
    assert list(table) == ["read", "engine", "cloud", "total"]
    assert table["read"]["p50"] == 2.0
    assert table["engine"]["max"] == 20.0
    assert table["cloud"]["max"] == 5.0
    assert table["total"] == {"p50": 19.5, "p99": 27.83, "max": 28.0}
    assert latencies.first_ms == 901.0


def test_text_says_what_happened() -> None:
    report = summary()
    report.drops.add("corrupt image", "frame 3: not a JPEG")
    report.drops.add("corrupt image", "frame 4")
    report.latencies.add({"engine": 100.0})
    report.notes.append("no point cloud: no CameraInfo")
    report.outputs["depth/"] = "3 images"
    text = report.as_text()
    assert "frames: 5 in, 3 out, 2 dropped" in text
    assert "dropped 2: corrupt image (first: frame 3: not a JPEG)" in text
    assert "speed: 1.50 frames/s over 2.0 s" in text
    assert "engine              100.00" in text
    assert "no point cloud: no CameraInfo" in text
    assert "error against" not in text
    assert "interrupted" not in text
    report.interrupted = True
    assert "interrupted" in report.as_text()


def test_error_table_keeps_trained_frames_apart_and_names_them() -> None:
    errors = {
        "unseen": {"frames": 20, "unaligned": figures(0.123), "median-scaled": figures(0.101)},
        "trained on": {
            "frames": 8,
            "unaligned": figures(0.05),
            "median-scaled": None,
            "names": [f"frame {i}" for i in range(8)],
        },
    }
    lines = error_table(errors)
    assert lines[2].split() == ["20", "unseen", "unaligned", "87%", "0.123", "0.340", "0.850", "14.2"]
    assert lines[3].split()[:2] == ["median-scaled", "87%"]
    assert lines[4].split()[:4] == ["8", "trained", "on", "unaligned"]
    assert "no pixel to compare" in lines[5]
    assert lines[7].endswith("neighbour counts too: frame 0, frame 1, frame 2, frame 3, frame 4, ..., frame 7")
    assert error_table({}) == []


def test_json_is_strict_and_complete() -> None:
    report = summary()
    report.latencies.add({"engine": 100.0})
    data = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert data["frames"] == {"in": 5, "out": 3, "skipped": 0, "dropped": 0, "causes": {}}
    assert data["frames_per_s"] == pytest.approx(1.5)
    assert data["latency_ms"]["engine"]["p50"] == 100.0
    assert data["format_version"] == 1


def test_speed_of_nothing_is_zero() -> None:
    report = summary()
    report.frames_out, report.elapsed_s = 0, 0.0
    assert report.frames_per_s == 0.0
    assert "speed" not in report.as_text()
