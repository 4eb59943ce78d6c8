"""A camera, the node and consumers as processes: each image gives one depth of its stamp, or is counted as dropped."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.live.actors import Actor, Camera, Consumer, Graph

OUTPUTS = ("depth/image", "depth/camera_info", "points")
FRAME_ID = "front_camera_optical_frame"
SIZE = {"width": 320, "height": 240, "fx": 250.0, "fy": 260.0, "cx": 150.0, "cy": 125.0}
NUM_IMAGES = 40


class Trio(NamedTuple):
    camera: Camera
    node: Actor
    consumer: Consumer


@pytest.fixture(scope="module")
def trio(shared_graph: Graph) -> Trio:
    """All three, after a stream of ``NUM_IMAGES`` images, the last of which has come through."""
    camera, consumer = shared_graph.camera(), shared_graph.consumer(*OUTPUTS)
    node = shared_graph.node()
    camera.wait_for_subscribers()
    camera.stream(rate=15.0, count=NUM_IMAGES, frame_id=FRAME_ID, **SIZE)
    camera.wait_for("the last image", lambda record: len(camera.stamps()) == NUM_IMAGES)
    last = camera.stamps()[-1]
    for topic in OUTPUTS:
        consumer.wait_for_message(topic, lambda record: record["stamp_ns"] == last)
    return Trio(camera, node, consumer)


@pytest.mark.parametrize("topic", OUTPUTS)
def test_every_output_has_the_stamp_and_frame_of_its_image_and_none_comes_twice(trio: Trio, topic: str) -> None:
    stamps = [record["stamp_ns"] for record in trio.consumer.of(topic)]
    assert stamps == sorted(set(stamps))
    assert set(stamps) <= set(trio.camera.stamps())
    assert {record["frame_id"] for record in trio.consumer.of(topic)} == {FRAME_ID}


def test_every_image_gives_one_output_or_is_counted_as_dropped(trio: Trio) -> None:
    def is_settled(status: dict) -> bool:
        return int(status["values"]["images received"]) > 0 and status["values"]["rate in [Hz]"] == "0.00"

    values = trio.consumer.wait_for_status(": camera", is_settled)["values"]
    drops = [int(text.split()[0]) for name, text in values.items() if name.startswith("dropped: ")]
    received = int(values["images received"])
    assert int(values["frames published"]) + sum(drops) == received
    # Matching is not symmetric: the camera may know the node before the node knows the camera, and send into the void.
    assert NUM_IMAGES - 2 <= received <= NUM_IMAGES
    assert len(trio.consumer.of("depth/image")) == int(values["frames published"])
    # Two cores carry a small image at 15 Hz; a frame or two may be late on a busy one.
    assert int(values["frames published"]) >= NUM_IMAGES * 0.8


def test_every_depth_image_has_a_camera_info_of_the_same_stamp_size_and_intrinsics(trio: Trio) -> None:
    infos = {record["stamp_ns"]: record for record in trio.consumer.of("depth/camera_info")}
    images = trio.consumer.of("depth/image")
    assert {image["stamp_ns"] for image in images} == set(infos)
    for image in images:
        info = infos[image["stamp_ns"]]
        assert (info["width"], info["height"]) == (image["width"], image["height"]) == (320, 240)
        assert (image["encoding"], image["step"]) == ("32FC1", 4 * 320)
        assert info["k"] == [250.0, 0.0, 150.0, 0.0, 260.0, 125.0, 0.0, 0.0, 1.0]
        assert info["p"] == [250.0, 0.0, 150.0, 0.0, 0.0, 260.0, 125.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        assert info["r"] == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        assert not any(info["d"])


def test_the_cloud_is_organised_with_16_bytes_a_point(trio: Trio) -> None:
    for cloud in trio.consumer.of("points"):
        assert (cloud["width"], cloud["height"]) == (320, 240)
        assert (cloud["point_step"], cloud["row_step"]) == (16, 16 * 320)
        assert cloud["finite"] == 320 * 240


def test_a_late_joiner_gets_what_comes_from_then_on(trio: Trio, shared_graph: Graph) -> None:
    trio.camera.stream(rate=10.0, frame_id=FRAME_ID, **SIZE)
    late = shared_graph.consumer(*OUTPUTS, name="late")
    try:
        for topic in OUTPUTS:
            late.wait_for_message(topic)
        assert {record["stamp_ns"] for record in late.of("depth/image")} <= set(trio.camera.stamps())
    finally:
        trio.camera.stop_stream()
        late.kill()


def test_diagnostics_tell_the_engine_rates_times_and_memory(trio: Trio) -> None:
    mark = len(trio.consumer.records)
    trio.camera.stream(rate=10.0, frame_id=FRAME_ID, **SIZE)
    try:
        status = trio.consumer.wait_for_status(": camera", lambda s: s["message"] == "publishing", since=mark)
        engine = trio.consumer.wait_for_status(": engine", since=mark)
    finally:
        trio.camera.stop_stream()
    values = status["values"]
    assert (status["level"], values["frame_id"]) == (0, FRAME_ID)
    assert values["image topic"] == "/image" and values["camera_info topic"] == "/camera_info"
    assert set(values["subscribed to outputs"].split(", ")) == {"depth_image", "depth_camera_info", "points"}
    assert float(values["rate in [Hz]"]) > 0 and float(values["rate out [Hz]"]) > 0
    for stage in ("decode", "resize", "engine", "publish", "received to published", "age"):
        assert 0 <= float(values[f"{stage} p50 [ms]"]) <= float(values[f"{stage} p99 [ms]"])
    assert (engine["level"], engine["values"]["state"], engine["values"]["network"]) == (0, "active", "plane")
    assert {"engine", "precision", "spec", "licence", "device"} <= set(engine["values"])
    assert float(engine["values"]["memory [MB]"]) > 10
