"""What is written of each frame, and that one output's failure does not take the others with it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.errors import MissingDependency, OutputError
from depth_anything_ros.outputs import OutputFolder
from depth_anything_ros.results import FrameRecord, ResultOptions, ResultWriter
from tests.run_command import read_bag


def frame(width: int, height: int, *, assumed: bool = False) -> DepthFrame:
    camera = CameraModel.with_assumed_fov(width, height)
    depth = np.full((height, width), 2.0, np.float32)
    return DepthFrame(depth, np.zeros((height, width, 3), np.uint8), camera, 5, "camera", assumed_camera=assumed)


def writer_in(folder: Path, **options: Any) -> ResultWriter:
    output = OutputFolder(folder)
    writer = ResultWriter(output, ResultOptions(**{"video": False, "pictures": False, **options}))
    output.create(overwrite=False, folders=writer.folders)
    return writer


@pytest.mark.parametrize(
    ("size", "stride", "points"),
    [
        ((320, 240), None, 320 * 240),
        ((640, 480), None, 320 * 240),
        ((640, 480), 1, 640 * 480),
        ((640, 480), 4, 160 * 120),
    ],
)
def test_stride_of_the_cloud(size: tuple[int, int], stride: int | None, points: int, tmp_path: Path) -> None:
    writer = writer_in(tmp_path, depth=False, stride=stride)
    writer.add(FrameRecord("0", 0, False), frame(*size))
    writer.close("t")
    _, cloud = read_bag(tmp_path / "bag")["/points"][0]
    assert cloud.height * cloud.width == points


def test_nothing_is_computed_that_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a cloud was built")

    monkeypatch.setattr("depth_anything_ros.results.CloudBuilder", refuse)
    for name, options in (("a", {"bag": False}), ("b", {"points": False})):
        writer = writer_in(tmp_path / name, **options)
        writer.add(FrameRecord("0", 0, False), frame(64, 48))
        writer.close("t")


def test_mixed_sizes_get_a_cloud_each(tmp_path: Path) -> None:
    writer = writer_in(tmp_path, depth=False)
    for index, size in enumerate([(64, 48), (80, 60), (64, 48)]):
        writer.add(FrameRecord(str(index), index, False), frame(*size))
    writer.close("t")
    assert [cloud.width for _, cloud in read_bag(tmp_path / "bag")["/points"]] == [64, 80, 64]


def test_a_failing_output_does_not_take_the_others_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_in(tmp_path)
    writer.add(FrameRecord("0", 0, True), frame(64, 48))

    def fail() -> None:
        raise OutputError("the bag cannot be finished")

    monkeypatch.setattr(writer, "_close_bag", fail)
    with pytest.raises(OutputError, match="cannot be finished"):
        writer.close("t")
    rows = list(csv.DictReader((tmp_path / "frames.csv").open()))
    assert rows == [
        {
            "file": "depth/0.png",
            "name": "0",
            "index": "0",
            "stamp_ns": "5",
            "trained_on": "1",
            "abs_rel": "",
            "abs_rel_median_scaled": "",
        }
    ]
    assert set(writer.written) == {"depth/", "frames.csv"}


def test_what_was_written_is_counted(tmp_path: Path) -> None:
    for count, bag, ply in ((1, "1 frame; ros2 bag play", "1 point cloud"), (2, "2 frames; ros2", "2 point clouds")):
        writer = writer_in(tmp_path / f"my run {count}", ply=True, ply_every=1)
        for index in range(count):
            writer.add(FrameRecord(str(index), index, False), frame(64, 48))
        writer.close("t")
        assert writer.written["bag/"].startswith(bag)
        assert writer.written["bag/"].endswith(f"bag play '{tmp_path}/my run {count}/bag'"), "ready for a shell"
        assert writer.written["ply/"] == ply


def test_without_frames_nothing_is_written(tmp_path: Path) -> None:
    writer = writer_in(tmp_path)
    writer.close("t")
    assert writer.written == {}
    assert not (tmp_path / "bag").exists()


def test_open3d_is_asked_for_at_once_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingDependency("open3d", "cloud")

    monkeypatch.setattr("depth_anything_ros.results.load_open3d", missing)
    for options in ({"voxel": 0.1}, {"remove_outliers": True}):
        with pytest.raises(MissingDependency, match="cloud"):
            writer_in(tmp_path, **options)
    writer_in(tmp_path)


def test_times_are_told_by_stage(tmp_path: Path) -> None:
    timings_ms = writer_in(tmp_path).add(FrameRecord("0", 0, False), frame(64, 48))
    assert list(timings_ms) == ["cloud", "write", "pictures"]
    assert min(timings_ms.values()) >= 0
