"""The loop of a run: frames from a source through the pipeline to the results, with every failure counted."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import cv2

from depth_anything_ros.errors import CameraError, ConfigError, DepthAnythingError, EngineError, ImageError, OutputError
from depth_anything_ros.fingerprint import TrainedFrames
from depth_anything_ros.interrupt import Interruption
from depth_anything_ros.pipeline import DepthPipeline
from depth_anything_ros.reference import ReferenceComparison
from depth_anything_ros.report import Summary, counted
from depth_anything_ros.results import FrameRecord, ResultWriter
from depth_anything_ros.source import DroppedFrame, Source, SourceFrame


class FrameLoop:
    """The loop over the frames of one recording."""

    def __init__(
        self,
        source: Source,
        pipeline: DepthPipeline,
        writer: ResultWriter,
        summary: Summary,
        interruption: Interruption,
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._writer = writer
        self._summary = summary
        self._interruption = interruption
        self._trained = TrainedFrames(pipeline.engine.spec.trained_frames)
        self._comparison = ReferenceComparison(pipeline.min_depth_m, pipeline.max_depth_m)
        self._bar: Any = None

    def process(self, title: str, *, every: int = 1, max_frames: int | None = None) -> None:
        """Take frames until the end, an interruption, or an output that cannot be written; then finish the outputs.

        ``title``: what the contact sheet calls the recording; ``every``: only every Nth frame is taken; ``max_frames``:
        this many at most. What went wrong is in the summary: a frame that fails is counted there as dropped, and
        anything that ended the loop is its ``problem``.
        """
        summary, start = self._summary, time.perf_counter()
        problem = ""
        try:
            with _progress_bar(self._num_expected(every, max_frames)) as self._bar:
                self._take(self._chosen_frames(every, max_frames))
        except OutputError as error:
            problem = str(error)
        except (DepthAnythingError, MemoryError) as error:
            problem = f"the recording could not be read to its end: {str(error) or 'not enough memory'}"
        except KeyboardInterrupt:
            self._interruption.signal_number = self._interruption.signal_number or signal.SIGINT
        except BaseException:
            with contextlib.suppress(OutputError):
                self._writer.close(title)
            raise
        summary.interrupted = self._interruption.is_requested
        summary.elapsed_s = time.perf_counter() - start
        try:
            self._writer.close(f"{title}: {counted(summary.frames_out, 'frame')}, {_network_of(summary)}")
        except OutputError as error:
            problem = problem or str(error)
        summary.outputs.update(self._writer.written)
        summary.errors = self._comparison.as_dict()
        summary.notes += self._writer.notes
        if not problem and summary.frames_out == 0 and not summary.interrupted:
            counts = summary.drops.counts.items()
            reasons = "; ".join(f"{number} {cause}: {summary.drops.first[cause]}" for cause, number in counts)
            problem = f"no depth was made of {summary.source}: {reasons or 'it gave no frames'}"
        summary.problem = " ".join(problem.split())

    def _take(self, frames: Iterator[tuple[SourceFrame | DroppedFrame, float]]) -> None:
        for item, read_ms in frames:
            if isinstance(item, DroppedFrame):
                self._drop(item.cause, f"frame {item.index}: {item.detail}")
            else:
                try:
                    timings_ms = {"read": read_ms, **self._process_frame(item)}
                except OutputError:
                    raise
                except (DepthAnythingError, cv2.error, MemoryError) as error:
                    self._drop(_cause_of(error), f"frame {item.index}: {str(error) or type(error).__name__}")
                else:
                    self._summary.frames_out += 1
                    self._summary.latencies.add(timings_ms)
            self._bar.update()
            if self._interruption.is_requested:
                return

    def _chosen_frames(self, every: int, max_frames: int | None) -> Iterator[tuple[SourceFrame | DroppedFrame, float]]:
        """The frames to take, each with the time it took to read [ms]."""
        num_taken = 0
        frames = iter(self._source)
        while max_frames is None or num_taken < max_frames:
            start = time.perf_counter()
            item = next(frames, None)
            read_ms = (time.perf_counter() - start) * 1e3
            if item is None or self._interruption.is_requested:
                return
            self._summary.frames_in += 1
            if item.index % every:
                self._summary.frames_skipped += 1
                continue
            num_taken += 1
            yield item, read_ms

    def _process_frame(self, item: SourceFrame) -> dict[str, float]:
        result = self._pipeline.run([item.frame])[0]
        if result.assumed_camera:
            self._summary.intrinsics_assumed = True
            self._note_assumed_camera(result.camera.hfov_deg if result.camera is not None else 0.0)
        trained = self._trained.contains(item.frame.image_HW3)
        comparison = reference_HW = None
        if item.reference_HW is not None:
            comparison, reference_HW = self._comparison.compare(
                item.name, item.frame, result, item.reference_HW, trained=trained
            )
        record = FrameRecord(item.name, item.index, trained, comparison, reference_HW)
        timings_ms = {**result.timings_ms, **self._writer.add(record, result)}
        if comparison is not None:
            self._comparison.frames.append(comparison)
        return timings_ms

    def _note_assumed_camera(self, hfov_deg: float) -> None:
        reason = self._source.camera_note.removeprefix("none: ")
        note = (
            f"no point cloud, as there are no intrinsics: {reason}; depth assumes a field of view of {hfov_deg:.0f}"
            " degrees, so its metres are a guess"
        )
        if note not in self._summary.notes:
            self._summary.notes.append(note)
            self._bar.write(f"note: {note}", file=sys.stderr)

    def _drop(self, cause: str, detail: str) -> None:
        detail = " ".join(detail.split())
        if self._summary.drops.add(cause, detail):
            self._bar.write(f"dropped ({cause}; said once): {detail}", file=sys.stderr)

    def _num_expected(self, every: int, max_frames: int | None) -> int | None:
        number = self._source.num_frames
        limits = [None if number is None else -(-number // every), max_frames]
        return min((limit for limit in limits if limit is not None), default=None)


def _network_of(summary: Summary) -> str:
    return summary.model if summary.model == summary.engine else f"{summary.model} on {summary.engine}"


def _progress_bar(total: int | None) -> Any:
    tqdm = importlib.import_module("tqdm").tqdm
    # A file or a pipe gets a line now and then instead of many a second.
    interval_s = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(total=total, unit="frame", mininterval=interval_s, file=sys.stderr, dynamic_ncols=True)


_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (CameraError, "unusable camera"),
    (ImageError, "unusable image"),
    (EngineError, "engine failed"),
    (ConfigError, "refused by the pipeline"),
    (MemoryError, "not enough memory"),
    (cv2.error, "OpenCV failed"),
)


def _cause_of(error: BaseException) -> str:
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), type(error).__name__)
