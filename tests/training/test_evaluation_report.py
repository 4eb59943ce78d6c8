"""Tables and pictures of records that were made by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.errors import OutputError
from depth_anything_ros.spec import ResizeRule
from tests.training.made import ramp, sample
from training.evaluation_frames import FrameLog, FrameRecord
from training.evaluation_pictures import choose, picture_of
from training.evaluation_report import Report, rows_of, to_json, to_markdown, write_report
from training.scores import Comparison, Protocol, compare

TRUTH = sample(ramp(8, 2))


def compared(factor: float) -> Comparison:
    found = compare(TRUTH.depth_HW * np.float32(factor), TRUTH, Protocol(), edges_m=(0, 5, 10))
    assert found is not None
    return found


def record(
    index: int, factor: float = 1.0, *, source: str = "walk", frame: str = "", seen: bool = False
) -> FrameRecord:
    return FrameRecord.of(0, index, source, frame or f"walk/{index}", compared(factor), seen=seen)


def report_of(*records: FrameRecord) -> Report:
    rule = ResizeRule(kind="short_side", side=28)
    return Report(
        model="run/best.safetensors", sha256="ab" * 32, meaning="metric_canonical", training_focal_px=None,
        output="metres", space="depth",
        resize=rule, protocols={"walk": Protocol()}, edges_m=(0, 5, 10), records=records,
    )  # fmt: skip


def test_sources_and_their_cameras_have_rows_and_frames_count_alike_in_all() -> None:
    rows = rows_of(
        [
            record(0, 1.1),
            record(1, 1.2),
            record(2, 1.6, source="rigs", frame="a/1"),
            record(3, 1.0, source="rigs", frame="b/1"),
        ]
    )
    assert [(row.group, row.frames) for row in rows] == [("walk", 2), ("rigs: a", 1), ("rigs: b", 1), ("all", 4)]
    means = [row.figures["unaligned"].mean.abs_rel for row in rows]
    assert means == pytest.approx([0.15, 0.6, 0.0, 0.225], abs=1e-5)
    assert rows[0].ranges[0, 5].mean.abs_rel == pytest.approx(0.15, abs=1e-5)


def test_the_title_tells_one_run_from_another() -> None:
    report = report_of(record(0))
    titles = [
        to_markdown(dataclasses.replace(report, model=model)).splitlines()[0]
        for model in ("builds/walk/metric/best.safetensors", "builds/walk/export/walk.onnx", "starter")
    ]
    assert titles == ["# walk/metric/best.safetensors", "# walk.onnx", "# starter"]


def test_one_camera_has_one_row() -> None:
    assert [row.group for row in rows_of([record(0), record(1)])] == ["walk"]


def test_the_table_says_what_was_left_out_and_what_was_trained_on() -> None:
    nothing = np.full((48, 64), np.nan, np.float32)
    blind = FrameRecord.of(0, 2, "walk", "walk/2", compare(nothing, TRUTH, Protocol()), seen=False)
    empty = FrameRecord.of(0, 3, "walk", "walk/3", None, seen=False)
    report = report_of(record(0, 1.1), record(1, 1.2, seen=True), blind, empty)
    text = to_markdown(report)
    assert "| walk | 3 | unaligned | 0.150 |" in text
    assert "* walk: the network was trained on 1 of these 4 frames." in text
    assert "* walk: 1 frames have no depth that counts." in text
    assert "* walk: 1 frames got no usable answer" in text
    group = to_json(report)["groups"][0]
    assert group["unaligned"]["coverage"] == pytest.approx(2 / 3)
    assert (group["unaligned"]["without_prediction"], group["with_truth"]) == (1, 3)


def test_the_factor_stands_where_it_means_something() -> None:
    lines = {
        line.split(" | ")[2]: line
        for line in to_markdown(report_of(record(0, 1.25))).splitlines()
        if "| walk |" in line and line.count("|") > 9
    }
    assert [lines[name].split(" | ")[-1] for name in ("unaligned", "median", "affine")] == ["- |", "0.800 |", "- |"]


@pytest.mark.parametrize(("focal_px", "words"), [(None, "taken as they are"), (600.0, "scaled from 600 px")])
def test_what_was_done_with_metres_of_a_fixed_camera_is_said(focal_px: float | None, words: str) -> None:
    report = dataclasses.replace(report_of(record(0)), meaning="metric_fixed", training_focal_px=focal_px)
    assert f"its metres are {words}" in to_markdown(report)


def test_figures_that_are_infinite_are_null_in_json_and_a_dash_in_the_table() -> None:
    nothing = compare(np.full((48, 64), np.nan, np.float32), TRUTH, Protocol())
    report = report_of(FrameRecord.of(0, 0, "walk", "walk/0", nothing, seen=False))
    assert json.loads(json.dumps(to_json(report), allow_nan=False))["groups"][0]["unaligned"]["abs_rel"] is None
    assert "| walk | 1 | unaligned | - |" in to_markdown(report)


def test_the_best_the_worst_and_the_middle_are_shown_and_no_frame_twice() -> None:
    records = [record(index, factor) for index, factor in enumerate((1.5, 1.0, 1.3, 1.1, 1.2))]
    assert {name: item.index for name, item in choose(records, 1).items()} == {"best_1": 1, "median_1": 4, "worst_1": 0}
    assert list(choose(records, 2)) == ["best_1", "best_2", "median_1", "worst_1", "worst_2"]
    assert list(choose(records[:1], 3)) == ["best_1"]
    assert choose(records, 0) == {}


def test_prediction_and_truth_have_one_scale_of_colours() -> None:
    image = picture_of("best_1", TRUTH, compared(1.0))
    panels = [image[60:230, 324 * n + 10 : 324 * n + 300] for n in range(4)]
    assert image.shape[1] == 4 * 320 + 3 * 4 and image.dtype == np.uint8
    np.testing.assert_array_equal(panels[1], panels[2])
    assert (panels[3] == 255).all()  # no error anywhere
    worse = picture_of("worst_1", TRUTH, compared(1.25))
    assert not np.array_equal(worse[60:230, 334:624], worse[60:230, 658:948])


def test_pictures_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    records = [record(index, 1 + index / 10) for index in range(4)]
    again = lambda item: (TRUTH, compared(1 + item.index / 10))  # noqa: E731
    write_report(tmp_path, report_of(*records), pictures=1, measure=again)
    assert len(list(tmp_path.glob("*.png"))) == 3
    table = write_report(tmp_path, report_of(*records), pictures=0, measure=again)
    assert not list(tmp_path.glob("*.png")) and "![" not in table.read_text()


def test_records_come_back_from_their_file_and_those_of_another_header_do_not(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    nothing = compare(np.full((48, 64), np.nan, np.float32), TRUTH, Protocol())
    wanted = [record(0, 1.1), FrameRecord.of(0, 1, "walk", "walk/1", nothing, seen=True)]
    with FrameLog(path, {"sha256": "a"}) as log:
        for item in wanted:
            log.add(item)
    with FrameLog(path, {"sha256": "a"}) as log:
        assert list(log.known.values()) == wanted
    with FrameLog(path, {"sha256": "b"}) as log:
        assert log.known == {}


def test_a_folder_that_refuses_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"), FrameLog(tmp_path / "none" / "frames.jsonl", {}):
        pass
