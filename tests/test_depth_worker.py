"""The worker: batches, one bad frame, failing engines, stopping."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.channel_stats import NOT_READY
from depth_anything_ros.errors import EngineError, EngineNotReady
from depth_anything_ros.params import check_values
from tests.worlds import FakePublisher, require_world

require_world()

from depth_anything_ros import depth_worker  # noqa: E402
from depth_anything_ros.camera_channel import Arrival  # noqa: E402
from depth_anything_ros.depth_worker import BAD_IMAGE, ENGINE_ERROR, NOBODY_LISTENS  # noqa: E402
from tests.worker_rig import FakeChannel, FakeEngine, Rig  # noqa: E402


def test_every_image_gives_one_depth_with_its_stamp():
    channel = FakeChannel(1, 2, 3)
    with Rig(FakeEngine(), channel) as rig:
        rig.until(lambda: len(channel.publisher.sent) == 3)
    assert channel.stamps_out == [1, 2, 3]
    times = channel.stats.report(0.0).times_ms
    assert {"decode", "engine", "publish", "received to published", "age"} <= set(times)
    assert times["age"]["max"] == pytest.approx(10.0, abs=0.001)  # 10 ms after stamps of a few ns


def test_cameras_of_one_network_size_go_through_the_engine_together():
    front, left = FakeChannel(1), FakeChannel(2)
    engine = FakeEngine()
    with Rig(engine, front, left) as rig:
        rig.until(lambda: bool(front.publisher.sent and left.publisher.sent))
    assert engine.batches == [2]
    assert (front.stamps_out, left.stamps_out) == ([1], [2])


def test_a_bad_frame_takes_no_other_with_it():
    front, left = FakeChannel(-1, 2), FakeChannel(3, -2, 4)
    with Rig(FakeEngine(), front, left) as rig:
        rig.until(lambda: len(front.publisher.sent) + len(left.publisher.sent) == 3)
    assert (front.stamps_out, left.stamps_out) == ([2], [3, 4])
    assert front.stats.last_drop == {BAD_IMAGE: "step 3 is too small"}
    assert left.stats.last_drop == {BAD_IMAGE: "ZeroDivisionError: a message nobody thought of"}


def test_an_engine_error_drops_the_frame_and_the_next_one_is_fine():
    def fail_once() -> None:
        if len(engine.batches) == 1:
            raise EngineError("out of memory")

    engine = FakeEngine(fail_once)
    channel = FakeChannel(1, 2)
    with Rig(engine, channel) as rig:
        rig.until(lambda: channel.stamps_out == [2])
        assert rig.worker.failure == ""
    assert channel.stats.last_drop == {ENGINE_ERROR: "out of memory"}
    assert rig.errors == ["engine error 1 in a row: out of memory"]


def test_an_error_is_known_before_images_come_and_until_a_result_follows():
    def fail_once() -> None:
        if len(engine.batches) == 1:
            raise EngineError("no plan passes its check")

    engine, channel = FakeEngine(fail_once), FakeChannel()
    channel.camera = channel.intrinsics.camera
    with Rig(engine, channel) as rig:
        rig.worker.wake()
        rig.until(lambda: rig.worker.last_error == "no plan passes its check")
        channel.waiting.append(1)
        rig.worker.wake()
        rig.until(lambda: channel.stamps_out == [1] and not rig.worker.last_error)


def test_an_engine_that_is_not_ready_drops_frames_without_failing():
    def build() -> None:
        if len(engine.batches) <= 4:
            raise EngineNotReady("building the plan", 0.34)

    engine, channel = FakeEngine(build), FakeChannel(*range(1, 7))
    with Rig(engine, channel, max_failures=2) as rig:
        rig.until(lambda: channel.stamps_out == [5, 6])
        assert (rig.worker.failure, rig.worker.num_failures, rig.errors) == ("", 0, [])
    assert channel.stats.drops == {NOT_READY: 4}
    assert channel.stats.last_drop == {NOT_READY: "building the plan (34%)"}


class HalfReady(FakeEngine):
    """Not ready for wide images until it was asked for them ``ready_after`` times."""

    def __init__(self, ready_after: int = 10**6) -> None:
        super().__init__()
        self.ready_after = ready_after
        self.refused: list[int] = []

    def infer(self, images_nhw3: np.ndarray) -> np.ndarray:
        h, w = images_nhw3.shape[1:3]
        if w > 1.5 * h and len(self.refused) < self.ready_after:
            self.refused.append(w)
            raise EngineNotReady("building the plan", 0.5)
        return super().infer(images_nhw3)


def test_a_size_that_is_being_prepared_takes_no_other_camera_with_it():
    front, wide = FakeChannel(1, 2, 3), FakeChannel(4, 5, 6, width=64)
    with Rig(HalfReady(), front, wide) as rig:
        rig.until(lambda: not wide.waiting and not front.waiting and len(front.publisher.sent) == 3)
    assert front.stamps_out == [1, 2, 3] and front.stats.drops == {}
    assert wide.stats.drops == {NOT_READY: 3}


def test_every_size_is_prepared_before_images_come_and_asked_for_until_it_is_ready(monkeypatch):
    monkeypatch.setattr(depth_worker, "_ASK_AGAIN_S", 0.01)
    wide, front = FakeChannel(width=64), FakeChannel()
    engine = HalfReady(ready_after=5)
    with Rig(engine, wide, front) as rig:
        for channel in (wide, front):
            channel.camera = channel.intrinsics.camera
        rig.worker.wake()
        rig.until(lambda: len(engine.refused) == 5 and len(engine.batches) >= 3)
        time.sleep(0.1)
        asked = len(engine.batches)
        time.sleep(0.1)
        assert len(engine.batches) == asked  # once it is ready
    assert rig.errors == []


def test_frames_are_dropped_until_there_is_a_pipeline():
    channel = FakeChannel(1, 2)
    rig = Rig(FakeEngine(), channel)
    pipeline, rig.worker.pipeline = rig.worker.pipeline, None
    with rig:
        rig.until(lambda: channel.stats.drops == {NOT_READY: 2})
        rig.worker.pipeline = pipeline
        channel.waiting.append(3)
        rig.worker.wake()
        rig.until(lambda: channel.stamps_out == [3])


@pytest.mark.parametrize("error", [EngineError("lost device"), RuntimeError("a bug")])
def test_errors_in_a_row_end_the_work_with_the_reason(error):
    def fail() -> None:
        raise error

    channel = FakeChannel(*range(10))
    with Rig(FakeEngine(fail), channel, max_failures=3) as rig:
        rig.until(lambda: rig.worker.failure != "")
    assert rig.worker.failure.startswith("3 engine errors in a row, the last: ")
    assert str(error) in rig.worker.failure
    assert len(channel.waiting) == 7
    assert channel.publisher.sent == []


def test_what_nobody_listens_to_any_more_is_counted():
    channel = FakeChannel(1, listens=False)
    with Rig(FakeEngine(), channel) as rig:
        rig.until(lambda: channel.stats.drops == {NOBODY_LISTENS: 1})


@pytest.mark.parametrize(("is_alive", "counted"), [(True, {"cannot be published": "no memory"}), (False, {})])
def test_a_failing_publisher_does_not_end_the_worker(is_alive, counted):
    channel = FakeChannel(1, 2)
    working = channel.publisher.publish

    def publish(message: Any) -> None:
        if message.header.stamp.nanosec == 1:
            raise RuntimeError("no memory")
        working(message)

    channel.publisher.publish = publish  # type: ignore[method-assign]
    with Rig(FakeEngine(), channel, is_alive=is_alive) as rig:
        rig.until(lambda: channel.stamps_out == [2])
    assert channel.stats.last_drop == {cause: f"RuntimeError: {text}" for cause, text in counted.items()}


def test_a_bug_in_the_worker_is_said_and_ends_in_a_failure():
    class Broken(FakeChannel):
        def take(self, now_s: float) -> Arrival | None:
            raise OverflowError("a bug")

    with Rig(FakeEngine(), Broken(1)) as rig:
        rig.until(lambda: rig.worker.failure != "")
    assert rig.worker.failure == "the worker failed: OverflowError: a bug"
    assert "Traceback" in rig.errors[0]


def test_a_frame_that_is_held_back_for_ages_harms_nothing():
    channel = FakeChannel()
    channel.ready_in = lambda now_s: 1e10  # type: ignore[method-assign]
    with Rig(FakeEngine(), channel) as rig:
        time.sleep(0.05)
        assert rig.worker.failure == ""


def test_new_intrinsics_of_a_known_size_cost_no_engine_run():
    channel = FakeChannel(1)
    engine = FakeEngine()
    with Rig(engine, channel) as rig:
        rig.until(lambda: channel.stamps_out == [1])
        channel.camera = CameraModel(32, 28, 40.0, 40.0, 15.5, 13.5)
        rig.worker.wake()
        time.sleep(0.05)
    assert engine.batches == [1]


def test_an_idle_worker_sleeps_until_it_is_woken():
    channel = FakeChannel()
    engine = FakeEngine()
    with Rig(engine, channel) as rig:
        cpu_s, wall_s = time.process_time(), time.monotonic()
        time.sleep(0.2)
        assert time.process_time() - cpu_s < 0.5 * (time.monotonic() - wall_s)
        channel.waiting.append(5)
        rig.worker.wake()
        rig.until(lambda: channel.stamps_out == [5])


def test_the_engine_is_made_ready_for_a_camera_before_its_first_image():
    front, left = FakeChannel(), FakeChannel()
    engine = FakeEngine()
    with Rig(engine, front, left) as rig:
        front.camera = CameraModel(32, 28, 30.0, 30.0, 15.5, 13.5)
        rig.worker.wake()
        rig.until(lambda: engine.batches == [1])
        left.camera = CameraModel(32, 28, 31.0, 31.0, 15.5, 13.5)
        rig.worker.wake()
        rig.until(lambda: engine.batches == [1, 2])
        rig.worker.wake()
        time.sleep(0.05)
        assert len(engine.batches) == 2  # once is enough
    assert front.publisher.sent == left.publisher.sent == []


def test_an_engine_that_fails_while_it_is_made_ready_is_counted():
    def fail() -> None:
        raise EngineError("cannot compile")

    channel = FakeChannel()
    with Rig(FakeEngine(fail), channel) as rig:
        channel.camera = CameraModel(32, 28, 30.0, 30.0, 15.5, 13.5)
        rig.worker.wake()
        rig.until(lambda: rig.errors == ["engine error 1 in a row: cannot compile"])


def test_intrinsics_that_are_announced_behind_their_image_are_used_for_it():
    channel = FakeChannel(1)
    channel.publishers["depth_camera_info"] = info = FakePublisher("depth/camera_info", None, num_subscriptions=1)
    channel.intrinsics.announced = CameraModel(32, 28, 60.0, 60.0, 15.5, 13.5)
    with Rig(FakeEngine(), channel) as rig:
        rig.until(lambda: bool(info.sent))
    assert channel.stamps_out == [1]
    assert info.sent[0].k[0] == 60.0


def test_a_size_that_is_announced_behind_its_image_is_awaited():
    channel = FakeChannel(1, width=64)
    channel.intrinsics.announced, channel.intrinsics.camera = (
        channel.intrinsics.camera,
        CameraModel(32, 28, 30.0, 30.0, 15.5, 13.5),
    )
    with Rig(FakeEngine(), channel) as rig:
        rig.until(lambda: channel.stamps_out == [1])
    assert channel.publisher.sent[0].width == 64
    assert channel.stats.drops == {}


def test_stopping_waits_for_the_frame_in_work_and_can_be_repeated():
    entered, release = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        release.wait(10.0)

    channel = FakeChannel(1, 2)
    with Rig(FakeEngine(block), channel) as rig:
        assert entered.wait(10.0)
        threading.Timer(0.05, release.set).start()
        rig.worker.stop()
        assert channel.stamps_out == [1]
        rig.worker.stop()
    assert channel.waiting == [2]


def test_new_values_hold_from_the_next_frame_on():
    channel = FakeChannel(1)
    with Rig(FakeEngine(), channel) as rig:
        rig.until(lambda: len(channel.publisher.sent) == 1)
        rig.worker.values = check_values({"depth_encoding": "16UC1"})
        channel.waiting.append(2)
        rig.worker.wake()
        rig.until(lambda: len(channel.publisher.sent) == 2)
    assert [message.encoding for message in channel.publisher.sent] == ["32FC1", "16UC1"]
