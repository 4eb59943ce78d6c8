"""DDS endpoints that carry bytes: what goes in comes out, and nothing is left behind when they go."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from cyclonedds.core import Entity

from depth_anything_ros.embedded.messages import MessageError, message, serialize
from depth_anything_ros.embedded.network import network_settings
from depth_anything_ros.embedded.qos import DurabilityPolicy, QoSProfile, to_dds
from depth_anything_ros.embedded.transport import Participant, TransportError, WaitSet

IMAGE = "sensor_msgs/msg/Image"
VOLATILE = to_dds(QoSProfile(depth=5), "")
LATCHED = to_dds(QoSProfile(depth=2, durability=DurabilityPolicy.TRANSIENT_LOCAL), "")


@pytest.fixture
def participant(domain: int) -> Iterator[Participant]:
    settings = network_settings()
    participant = Participant(settings.domain_id, settings.configuration)
    yield participant
    participant.close()


def image_bytes(number: int = 0, size: int = 64) -> bytes:
    return bytes(serialize(message(IMAGE)(height=number, data=np.full(size, number % 256, np.uint8))))


def test_bytes_arrive_as_they_were_written(participant: Participant) -> None:
    writer, reader = (make("rt/a", IMAGE, VOLATILE) for make in (participant.writer, participant.reader))
    data = image_bytes(7)
    for form in (data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        writer.write(form)
        assert reader.take() == data
    assert reader.take() is None
    assert writer.matched_count() == reader.matched_count() == 1


def test_bytes_without_padding_are_padded(participant: Participant) -> None:
    writer, reader = (make("rt/a", IMAGE, VOLATILE) for make in (participant.writer, participant.reader))
    data = image_bytes(1, 61)
    unpadded = data[: len(data) - 3]
    assert len(unpadded) % 4
    writer.write(unpadded)
    assert reader.take() == data


@pytest.mark.parametrize("data", [b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 60, image_bytes()[:-8]])
def test_bytes_that_are_not_of_the_type_are_refused(participant: Participant, data: bytes) -> None:
    writer, reader = (make("rt/a", IMAGE, VOLATILE) for make in (participant.writer, participant.reader))
    with pytest.raises(MessageError, match=rf"^{len(data)} bytes for rt/a are not a sensor_msgs/msg/Image in CDR$"):
        writer.write(data)
    assert reader.take() is None


def test_a_late_reader_gets_the_last_ones_that_were_kept(participant: Participant) -> None:
    writer = participant.writer("rt/latched", IMAGE, LATCHED)
    for number in (1, 2, 3):
        writer.write(image_bytes(number))
    late, plain = (participant.reader("rt/latched", IMAGE, qos) for qos in (LATCHED, VOLATILE))
    assert [late.take(), late.take(), late.take()] == [image_bytes(2), image_bytes(3), None]
    assert plain.take() is None


def test_the_newest_are_kept_for_a_slow_reader(participant: Participant) -> None:
    writer, reader = (make("rt/a", IMAGE, VOLATILE) for make in (participant.writer, participant.reader))
    for number in range(8):
        writer.write(image_bytes(number))
    assert [reader.take() for _ in range(6)] == [*map(image_bytes, range(3, 8)), None]


def test_a_writer_that_leaves_is_no_message(participant: Participant) -> None:
    writer, reader = (make("rt/a", IMAGE, VOLATILE) for make in (participant.writer, participant.reader))
    writer.write(image_bytes())
    writer.close()
    assert reader.take() == image_bytes()
    assert reader.take() is None
    assert reader.matched_count() == 0


def test_what_is_closed_says_so(participant: Participant) -> None:
    writer = participant.writer("rt/a", IMAGE, VOLATILE)
    writer.close()
    writer.close()
    with pytest.raises(TransportError, match="cannot write to rt/a: the publisher was destroyed"):
        writer.write(image_bytes())
    with pytest.raises(TransportError, match="rt/a is closed"):
        writer.matched_count()
    other = participant.writer("rt/a", IMAGE, VOLATILE)
    participant.close()
    with pytest.raises(TransportError, match="or its process shut down"):
        other.write(image_bytes())


def test_a_topic_name_that_dds_refuses_is_named(participant: Participant) -> None:
    with pytest.raises(TransportError, match="no endpoint of sensor_msgs/msg/Image on rt/a b"):
        participant.writer("rt/a b", IMAGE, VOLATILE)


def test_waiting_tells_who_has_something(participant: Participant) -> None:
    wait_set = WaitSet(participant)
    pairs = [
        (participant.writer(f"rt/{name}", IMAGE, VOLATILE), participant.reader(f"rt/{name}", IMAGE, VOLATILE))
        for name in "ab"
    ]
    for token, (_, reader) in enumerate(pairs, start=5):
        wait_set.attach(reader.condition_ref, token)
    began = time.monotonic()
    assert wait_set.wait(0.05) == []
    assert time.monotonic() - began > 0.04
    pairs[1][0].write(image_bytes())
    assert wait_set.wait(1.0) == [6]
    pairs[0][0].write(image_bytes())
    assert sorted(wait_set.wait(1.0)) == [5, 6]
    wait_set.detach(pairs[1][1].condition_ref)
    assert wait_set.wait(1.0) == [5]
    wait_set.close()


def test_a_write_lets_other_threads_run(participant: Participant) -> None:
    writer, reader = (make("rt/a", IMAGE, VOLATILE) for make in (participant.writer, participant.reader))
    data = image_bytes(0, 40_000_000)
    stop, longest = threading.Event(), [0.0]

    def watch() -> None:
        before = time.perf_counter()
        while not stop.is_set():
            time.sleep(0)
            now = time.perf_counter()
            longest[0] = max(longest[0], now - before)
            before = now

    thread = threading.Thread(target=watch)
    thread.start()
    began = time.perf_counter()
    for _ in range(3):
        writer.write(data)
    took = (time.perf_counter() - began) / 3
    stop.set()
    thread.join()
    assert reader.take() is not None
    # Held, it would be held for a whole write.
    assert longest[0] < took


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def test_two_thousand_frames_leave_no_memory_behind(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node, cls = ros.Node("memory"), ros.message(IMAGE)
    got = []
    publisher = node.create_publisher(cls, "image", 1)
    node.create_subscription(cls, "image", lambda msg: got.append(msg.data.size), 1)
    pixels = np.zeros(640 * 480 * 3, np.uint8)

    def frames(count: int) -> None:
        for _ in range(count):
            publisher.publish(cls(height=480, width=640, encoding="rgb8", step=1920, data=pixels))
            ros.spin_once(node, timeout_sec=1.0)

    frames(200)
    before = resident_mb()
    frames(2000)
    assert len(got) == 2200
    # One frame is 0.9 MB: a leak of every hundredth would show.
    assert resident_mb() - before < 15


def test_endpoints_made_again_and_again_leave_nothing_behind(ros: ModuleType, spin_until: Callable[..., bool]) -> None:
    node, cls = ros.Node("churn"), ros.message(IMAGE)
    participant = node._context.participant
    publisher = node.create_publisher(cls, "image", 1)
    got: list[Any] = []

    def cycle(count: int) -> None:
        for _ in range(count):
            subscription = node.create_subscription(cls, "image", got.append, 1)
            timer = node.create_timer(5.0, gc.collect)
            publisher.publish(cls())
            ros.spin_once(node, timeout_sec=1.0)
            node.destroy_subscription(subscription)
            node.destroy_timer(timer)

    cycle(20)
    gc.collect()
    before = (len(Entity._entities), len(participant._topics), len(node._work), node._wait_set._count, resident_mb())
    cycle(200)
    gc.collect()
    after = (len(Entity._entities), len(participant._topics), len(node._work), node._wait_set._count, resident_mb())
    assert after[:-1] == before[:-1]
    assert after[-1] - before[-1] < 10
    assert len(got) == 220
    assert node.count_subscribers("image") == 0
