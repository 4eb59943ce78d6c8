"""The loop over frames: one that fails is counted, whatever fails it, and nothing that was written is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame, DepthFrame
from depth_anything_ros.engines.plane_engine import PlaneEngine
from depth_anything_ros.errors import EngineError, SourceError
from depth_anything_ros.frame_loop import FrameLoop
from depth_anything_ros.interrupt import Interruption
from depth_anything_ros.outputs import OutputFolder
from depth_anything_ros.pipeline import DepthPipeline
from depth_anything_ros.report import Summary
from depth_anything_ros.results import ResultOptions, ResultWriter
from depth_anything_ros.source_frame import DroppedFrame, SourceFrame
from tests.run_command import read_bag

CAMERA = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)


class ListSource:
    """Frames from a list; an exception in it is raised in its place."""

    description = camera_note = "a list"
    notes: list[str]

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.num_frames: int | None = len(items)
        self.notes = []

    def __iter__(self) -> Iterator[Any]:
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            yield item

    def __enter__(self) -> ListSource:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        pass


class FailingPipeline(DepthPipeline):
    """Raises what is given for a frame's stamp."""

    failures: dict[int, BaseException]

    def run(self, frames: Any) -> list[DepthFrame]:
        if frames[0].stamp_ns in self.failures:
            raise self.failures[frames[0].stamp_ns]
        return super().run(frames)


def frames(count: int) -> list[Any]:
    image = np.zeros((48, 64, 3), np.uint8)
    return [SourceFrame(CameraFrame(image, CAMERA, index + 1, "camera"), index, str(index)) for index in range(count)]


def loop_over(
    items: list[Any], folder: Path, failures: dict[int, BaseException] | None = None
) -> tuple[FrameLoop, Summary]:
    output = OutputFolder(folder)
    writer = ResultWriter(output, ResultOptions(video=False, pictures=False, depth=False))
    output.create(overwrite=False, folders=writer.folders)
    pipeline = FailingPipeline(PlaneEngine())
    pipeline.failures = failures or {}
    summary = Summary("a list", "K", "plane", "exact", "asked for", "plane", "")
    return FrameLoop(ListSource(items), pipeline, writer, summary, Interruption()), summary


@pytest.mark.parametrize(
    ("failure", "cause", "words"),
    [
        (EngineError("lost"), "engine failed", "lost"),
        (MemoryError(), "not enough memory", "MemoryError"),
        (cv2.error("assertion"), "OpenCV failed", "assertion"),
    ],
)
def test_a_frame_that_fails_is_counted_and_the_next_one_taken(
    failure: BaseException, cause: str, words: str, tmp_path: Path
) -> None:
    loop, summary = loop_over(frames(5), tmp_path / "out", {2: failure, 4: failure})
    loop.process("t")
    assert (summary.frames_in, summary.frames_out, summary.drops.counts) == (5, 3, {cause: 2})
    assert summary.drops.first == {cause: f"frame 1: {words}"}
    assert summary.problem == ""
    assert [stamp for stamp, _ in read_bag(tmp_path / "out" / "bag")["/points"]] == [1, 3, 5]


def test_dropped_frames_of_the_source_keep_their_cause(tmp_path: Path) -> None:
    items = [*frames(2), DroppedFrame(2, 3, "corrupt image", "no JPEG")]
    loop, summary = loop_over(items, tmp_path / "out")
    loop.process("t")
    assert summary.drops.first == {"corrupt image": "frame 2: no JPEG"}


def test_a_source_that_breaks_off_keeps_what_came(tmp_path: Path) -> None:
    loop, summary = loop_over([*frames(3), SourceError("the file ends")], tmp_path / "out")
    loop.process("t")
    assert summary.frames_out == 3
    assert summary.problem == "the recording could not be read to its end: the file ends"
    assert len(read_bag(tmp_path / "out" / "bag")["/depth/image"]) == 3


def test_our_own_mistakes_are_raised_and_the_bag_is_whole(tmp_path: Path) -> None:
    loop, _ = loop_over(frames(3), tmp_path / "out", {3: AssertionError("a bug")})
    with pytest.raises(AssertionError, match="a bug"):
        loop.process("t")
    assert len(read_bag(tmp_path / "out" / "bag")["/depth/image"]) == 2


def test_every_and_max_frames_count_what_was_left_out(tmp_path: Path) -> None:
    loop, summary = loop_over(frames(10), tmp_path / "out")
    loop.process("t", every=3, max_frames=3)
    assert (summary.frames_in, summary.frames_out, summary.frames_skipped) == (7, 3, 4)


@pytest.mark.parametrize(
    ("count", "model", "title"),
    [(1, "plane", "walk: 1 frame, plane"), (2, "starter", "walk: 2 frames, starter on plane")],
)
def test_the_title_counts_and_names_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, model: str, title: str
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(ResultWriter, "close", lambda _, text: titles.append(text))
    loop, summary = loop_over(frames(count), tmp_path / "out")
    summary.model = model
    loop.process("walk")
    assert titles == [title]


def test_without_intrinsics_the_metres_are_called_a_guess(tmp_path: Path) -> None:
    unknown = CameraFrame(np.zeros((48, 64, 3), np.uint8), None, 1, "camera")
    loop, summary = loop_over([SourceFrame(unknown, index, str(index)) for index in range(2)], tmp_path / "out")
    loop.process("t")
    assert summary.notes == [
        "no point cloud, as there are no intrinsics: a list; depth assumes a field of view of 60 degrees, so its metres"
        " are a guess"
    ]
    assert set(read_bag(tmp_path / "out" / "bag")) == {"/depth/image"}


def test_nothing_made_is_a_problem_that_says_why(tmp_path: Path) -> None:
    loop, summary = loop_over([], tmp_path / "out")
    loop.process("t")
    assert summary.problem == "no depth was made of a list: it gave no frames"
