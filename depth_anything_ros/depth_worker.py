"""The one thread that makes depth: the newest image of every camera, in one batch, published once or not at all."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .camera import CameraModel
from .camera_channel import Arrival, CameraChannel
from .channel_stats import NOT_READY
from .depth_frame import CameraFrame, DepthFrame
from .errors import CameraError, EngineError, EngineNotReady, ImageError
from .frame_publisher import FramePublisher
from .pipeline import DepthPipeline

BAD_IMAGE = "image cannot be used"
BAD_CAMERA = "image and camera_info do not fit"
ENGINE_ERROR = "engine error"
# A condition cannot wait for ever longer times.
_LONGEST_WAIT_S = 10.0
_ASK_AGAIN_S = 1.0
"""How often an engine that is being prepared is asked for, while no image comes: it goes on when it is asked."""
NOBODY_LISTENS = "nobody listens any more"


@dataclass
class _Job:
    channel: CameraChannel
    publisher: FramePublisher
    arrival: Arrival
    frame: CameraFrame
    decode_ms: float


class DepthWorker:
    """Runs a pipeline over the newest images of some cameras, in a thread of its own.

    Parameters
    ----------
    pipeline: may be replaced at any time; the next frame uses the new one. None: frames are dropped until there is one.
    values: the node's parameters; replaced as a whole when they change.
    now_ns: the clock that stamps are of [ns].
    log_error: receives one line per engine error.
    is_alive: whether ROS is; after its end, publishing fails and is no fault.

    ``failure`` holds the reason after ``max_failures`` engine errors in a row; nothing is processed from then on.
    ``last_error`` is the engine error that no result has followed yet, "" where there is none.
    """

    def __init__(
        self,
        pipeline: DepthPipeline | None,
        values: Mapping[str, Any],
        *,
        now_ns: Callable[[], int],
        log_error: Callable[[str], None],
        is_alive: Callable[[], bool],
    ) -> None:
        self.pipeline, self.values = pipeline, values
        self.failure = self.last_error = ""
        self.num_failures = 0
        self._now_ns, self._log_error, self._is_alive = now_ns, log_error, is_alive
        self._channels: list[tuple[CameraChannel, FramePublisher]] = []
        self._something_came = threading.Condition()
        self._is_stopping = False
        self._has_news = False
        self._failures_in_a_row = 0
        self._warm: set[tuple[tuple[int, int], ...]] = set()
        self._is_warming = False
        self._thread = threading.Thread(target=self._work, name="depth worker", daemon=True)

    def start(self, channels: Sequence[CameraChannel]) -> None:
        """Begin to serve the cameras, which are open."""
        self._channels = [(channel, FramePublisher(channel.publishers)) for channel in channels]
        self._thread.start()

    def wake(self) -> None:
        """Say that an image or intrinsics have come."""
        with self._something_came:
            self._has_news = True
            self._something_came.notify()

    def stop(self) -> None:
        """End the thread after the frame in work, and wait for that."""
        with self._something_came:
            self._is_stopping = True
            self._something_came.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        try:
            self._serve()
        except Exception as error:  # a bug of ours: said and shown, not a thread that is silently gone
            self.failure = f"the worker failed: {type(error).__name__}: {error}"
            self._log_error("".join(traceback.format_exception(error)))

    def _serve(self) -> None:
        while True:
            with self._something_came:
                if not self._has_news and not self._is_stopping:
                    self._something_came.wait(self._soonest_s())
                if self._is_stopping or self.failure:
                    return
                self._has_news = False
            jobs = [job for channel, publisher in self._channels if (job := self._next_job(channel, publisher))]
            pipeline = self.pipeline
            if pipeline is None:
                self._drop(jobs, NOT_READY, "")
            elif jobs:
                self._process(pipeline, jobs)
            else:
                self._warm_up(pipeline)

    def _soonest_s(self) -> float | None:
        """Seconds until a frame that is held back by ``max_rate`` is due, or the engine may be ready; None: never."""
        now_s = time.monotonic()
        waits = [wait for channel, _ in self._channels if (wait := channel.ready_in(now_s)) is not None]
        if self._is_warming:
            waits.append(_ASK_AGAIN_S)
        return min([*waits, _LONGEST_WAIT_S]) if waits else None

    def _next_job(self, channel: CameraChannel, publisher: FramePublisher) -> _Job | None:
        start_s = time.monotonic()
        arrival = channel.take(start_s)
        if arrival is None:
            return None
        try:
            frame = self._decode(channel, arrival)
        except ImageError as error:
            channel.drop(BAD_IMAGE, str(error))
        except CameraError as error:
            channel.drop(BAD_CAMERA, str(error))
        except Exception as error:  # whatever a message holds, it must not end the node
            channel.drop(BAD_IMAGE, f"{type(error).__name__}: {error}")
        else:
            return _Job(channel, publisher, arrival, frame, (time.monotonic() - start_s) * 1e3)
        return None

    def _decode(self, channel: CameraChannel, arrival: Arrival) -> CameraFrame:
        try:
            return channel.decode(arrival)
        except CameraError:  # of another size? Those of its own moment may be on their way
            self._await_camera_info(channel, arrival)
            return channel.decode(arrival)

    def _await_camera_info(self, channel: CameraChannel, arrival: Arrival) -> None:
        """Wait until the intrinsics of the image's own moment are known, where the camera sends them; not for long."""
        with self._something_came:
            while not self._is_stopping:
                wait_s = channel.intrinsics.wait_s(arrival.stamp_ns, arrival.arrived_s)
                if not wait_s:
                    return
                self._something_came.wait(wait_s)

    def _warm_up(self, pipeline: DepthPipeline) -> None:
        """Make the engine ready for cameras that are known but have sent no image yet, alone and all together.

        Compiling for a new size takes about a second, which the first frame would come late.
        """
        cameras = [channel.camera for channel, _ in self._channels]
        known = [camera for camera in cameras if camera is not None]
        groups = [[camera] for camera in known] + ([known] if len(known) > 1 else [])
        self._is_warming = False
        for group in groups:
            if _sizes(group) in self._warm:
                continue
            try:
                pipeline.run([CameraFrame(np.zeros((c.height, c.width, 3), np.uint8), c, 0, "") for c in group])
            except EngineNotReady:
                self._is_warming = True
                continue
            except (CameraError, ImageError):
                pass  # said with the first image
            except Exception as error:
                self._count_failure([], error)
            self._warm.add(_sizes(group))

    def _process(self, pipeline: DepthPipeline, jobs: list[_Job]) -> None:
        try:
            results = pipeline.run([job.frame for job in jobs])
        except (CameraError, ImageError, EngineNotReady) as error:
            if len(jobs) == 1:
                jobs[0].channel.drop(NOT_READY if isinstance(error, EngineNotReady) else BAD_CAMERA, str(error))
                return
            for job in jobs:  # neither a camera's bad frame nor its size, new to the engine, harms the others
                self._process(pipeline, [job])
            return
        except Exception as error:
            self._count_failure(jobs, error)
            return
        self._failures_in_a_row, self.last_error = 0, ""
        self._warm.add(_sizes([job.frame.camera for job in jobs if job.frame.camera is not None]))
        for job, result in zip(jobs, results, strict=True):
            self._await_camera_info(job.channel, job.arrival)
            camera = job.channel.intrinsics.at(job.arrival.stamp_ns)
            if camera == job.frame.camera:
                self._publish(pipeline, job, result)
            else:  # new intrinsics, announced behind the image that is in work
                self._process_again(pipeline, job)

    def _process_again(self, pipeline: DepthPipeline, job: _Job) -> None:
        try:
            job.frame = job.channel.decode(job.arrival)
        except (CameraError, ImageError) as error:
            job.channel.drop(BAD_CAMERA, str(error))
        else:
            self._process(pipeline, [job])

    def _publish(self, pipeline: DepthPipeline, job: _Job, result: DepthFrame) -> None:
        start_s = time.monotonic()
        try:
            was_wanted = job.publisher.publish(result, self.values, pipeline.max_depth_m)
        except Exception as error:
            if self._is_alive():
                job.channel.drop("cannot be published", f"{type(error).__name__}: {error}")
            return
        if not was_wanted:
            job.channel.stats.count_drop(NOBODY_LISTENS)
            return
        end_s = time.monotonic()
        job.channel.stats.count_published(
            {
                "decode": job.decode_ms,
                **result.timings_ms,
                "publish": (end_s - start_s) * 1e3,
                "received to published": (end_s - job.arrival.arrived_s) * 1e3,
                "age": (self._now_ns() - job.arrival.stamp_ns) / 1e6,
            }
        )

    def _drop(self, jobs: list[_Job], cause: str, detail: str) -> None:
        for job in jobs:
            job.channel.drop(cause, detail)

    def _count_failure(self, jobs: list[_Job], error: Exception) -> None:
        for job in jobs:
            job.channel.stats.count_drop(ENGINE_ERROR, str(error))
        self.num_failures += 1
        self._failures_in_a_row += 1
        text = str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
        self.last_error = text
        self._log_error(f"engine error {self._failures_in_a_row} in a row: {text}")
        if not isinstance(error, EngineError):
            self._log_error("".join(traceback.format_exception(error)))
        if self._failures_in_a_row >= self.values["max_failures"]:
            self.failure = f"{self._failures_in_a_row} engine errors in a row, the last: {text}"


def _sizes(cameras: Sequence[CameraModel]) -> tuple[tuple[int, int], ...]:
    return tuple((camera.width, camera.height) for camera in cameras)
