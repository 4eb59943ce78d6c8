"""Doubles around the worker: a camera's channel that hands out stamps, an engine that counts its batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.camera_channel import Arrival
from depth_anything_ros.channel_stats import ChannelStats
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.depth_worker import DepthWorker
from depth_anything_ros.engine import load_engine
from depth_anything_ros.errors import ImageError
from depth_anything_ros.params import check_values
from depth_anything_ros.pipeline import DepthPipeline
from tests.worlds import FakePublisher


class FakeIntrinsics:
    """Holds one camera; ``announced`` takes its place once it was waited for."""

    def __init__(self, camera: CameraModel) -> None:
        self.camera = camera
        self.announced: CameraModel | None = None

    def at(self, stamp_ns: int) -> CameraModel:
        return self.camera

    def wait_s(self, stamp_ns: int, arrived_s: float) -> float:
        if self.announced is None:
            return 0.0
        self.camera, self.announced = self.announced, None
        return 0.001


class FakeChannel:
    """Hands out the stamps it was given, one at a time; a negative stamp is an image that cannot be decoded."""

    def __init__(self, *stamps: int, width: int = 32, listens: bool = True) -> None:
        self.waiting, self.width = list(stamps), width
        self.stats = ChannelStats()
        self.publisher = FakePublisher("depth/image", None, num_subscriptions=int(listens))
        self.publishers = {"depth_image": self.publisher}
        self.camera: CameraModel | None = None
        self.intrinsics = FakeIntrinsics(CameraModel(width, 28, 30.0, 30.0, 15.5, 13.5))

    def ready_in(self, now_s: float) -> float | None:
        return 0.0 if self.waiting else None

    def take(self, now_s: float) -> Arrival | None:
        return Arrival(None, now_s, self.waiting.pop(0)) if self.waiting else None

    def decode(self, arrival: Arrival) -> CameraFrame:
        if arrival.stamp_ns == -1:
            raise ImageError("step 3 is too small")
        if arrival.stamp_ns == -2:
            raise ZeroDivisionError("a message nobody thought of")
        camera = self.intrinsics.at(arrival.stamp_ns)
        return CameraFrame(np.zeros((28, self.width, 3), np.uint8), camera, arrival.stamp_ns, "c")

    def drop(self, cause: str, detail: str) -> None:
        self.stats.count_drop(cause, detail)

    @property
    def stamps_out(self) -> list[int]:
        return [message.header.stamp.nanosec for message in self.publisher.sent]


class FakeEngine:
    """The exact plane, with something done before each call; keeps the batch sizes."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._plane = load_engine("plane:")
        self.spec, self.info = self._plane.spec, self._plane.info
        self.before, self.batches = before, []

    def infer(self, images_nhw3: np.ndarray) -> np.ndarray:
        self.batches.append(len(images_nhw3))
        self.before()
        return self._plane.infer(images_nhw3)


class Rig:
    def __init__(self, engine: Any, *channels: FakeChannel, is_alive: bool = True, **values: Any) -> None:
        self.errors: list[str] = []
        self.channels = channels
        self.worker = DepthWorker(
            DepthPipeline(engine),
            check_values(values),
            now_ns=lambda: 10_000_000,
            log_error=self.errors.append,
            is_alive=lambda: is_alive,
        )

    def __enter__(self) -> Rig:
        self.worker.start(self.channels)  # type: ignore[arg-type]
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.worker.stop()

    def until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + 10.0
        while not condition():
            assert time.monotonic() < end_s, "nothing came within 10 s"
            time.sleep(0.002)
