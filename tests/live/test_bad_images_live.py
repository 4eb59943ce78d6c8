"""Images that no depth can be made of: each is dropped, counted and explained, and the next good one gives depth."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.actors import Actor, Camera, Consumer, Graph

SMALL: dict[str, Any] = {"width": 160, "height": 120, "fx": 125.0, "fy": 125.0, "cx": 80.0, "cy": 60.0}
NUM_BYTES = 160 * 120 * 3


@pytest.fixture(scope="module")
def trio(shared_graph: Graph) -> tuple[Camera, Actor, Consumer]:
    camera, consumer = shared_graph.camera(), shared_graph.consumer("depth/image")
    node = shared_graph.node()
    camera.wait_for_subscribers()
    return camera, node, consumer


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"image": {"step": 479}}, ("step 479 is too small", "need at least 480")),
        ({"image": {"step": 481}}, (f"data has {NUM_BYTES} bytes", "step 481 x height 120")),
        ({"data_bytes": NUM_BYTES - 1}, (f"data has {NUM_BYTES - 1} bytes", "step 480 x height 120")),
        ({"data_bytes": 0}, ("data has 0 bytes",)),
        ({"image": {"encoding": "rgb9"}}, ("encoding 'rgb9' is unknown", "rgb8")),
        ({"image": {"encoding": ""}}, ("encoding '' is unknown",)),
        ({"image": {"encoding": "8UC3"}}, ("8UC3 does not say which colours", "bgr8")),
        ({"image": {"width": 0, "step": 0}, "data_bytes": 0}, ("0 x 120 has no area",)),
        ({"image": {"height": 0}, "data_bytes": 0}, ("160 x 0 has no area",)),
        (
            {"image": {"width": 20000, "height": 10000, "step": 60000}},
            ("20000 x 10000 is over the limit", "megapixels"),
        ),
        ({"image": {"width": 10000, "height": 10000, "step": 30000}}, ("step 30000 x height 10000 needs 300000000",)),
        ({"image": {"is_bigendian": 7}}, ("is_bigendian is 7",)),
    ],
    ids=[
        "step",
        "long step",
        "short",
        "empty",
        "unknown",
        "unnamed",
        "plain",
        "no width",
        "no height",
        "200 MP",
        "100 MP",
        "endian",
    ],
)
def test_a_bad_image_is_counted_with_its_reason_and_the_node_goes_on(
    trio: tuple[Camera, Actor, Consumer], bad: dict[str, Any], words: tuple[str, ...]
) -> None:
    camera, node, consumer = trio
    camera.stream(rate=30.0, **SMALL, **bad)
    status = consumer.wait_for_status(": camera", lambda s: words[0] in s["message"])
    for word in words:
        assert word in status["values"]["why nothing is published"]
        assert word in status["values"]["dropped: image cannot be used"]
    assert status["level"] == 2
    camera.stream(rate=30.0, **SMALL)
    first = camera.stamps()[-1]
    consumer.wait_for_message("depth/image", lambda record: record["stamp_ns"] >= first)
    assert node.returncode is None


def test_the_log_says_a_cause_once_and_not_for_every_frame(trio: tuple[Camera, Actor, Consumer]) -> None:
    camera, node, consumer = trio
    mark = len(node.log)
    camera.stream(rate=50.0, count=60, image={"encoding": "rgb9"}, **SMALL)
    consumer.wait_for_status(": camera", lambda s: "rgb9" in s["message"])
    consumer.wait_for_messages("/diagnostics", len(consumer.of("/diagnostics")) + 4)
    assert len(node.log[mark:]) <= 1
    assert any("a frame was dropped: image cannot be used: " in line for line in node.log)


def test_stamps_that_jump_back_are_said_and_still_give_depth(trio: tuple[Camera, Actor, Consumer]) -> None:
    """A bag that starts over: the stamps are passed on as they are."""
    camera, _, consumer = trio
    camera.stream(rate=20.0, **SMALL)
    consumer.wait_for_message("depth/image")
    mark = len(camera.records)
    camera.stream(rate=20.0, stamp_offset_s=-100.0, **SMALL)
    status = consumer.wait_for_status(": camera", lambda s: "stamps went back" in s["message"])
    assert status["level"] == 1
    old = camera.stamps(since=mark)[0]
    consumer.wait_for_message("depth/image", lambda record: old <= record["stamp_ns"] <= old + 50_000_000_000)


def test_a_frame_that_is_not_optical_by_its_name_is_remarked(trio: tuple[Camera, Actor, Consumer]) -> None:
    camera, _, consumer = trio
    camera.stream(rate=20.0, frame_id="base_link", **SMALL)
    status = consumer.wait_for_status(": camera", lambda s: "'base_link' is not an optical frame" in s["message"])
    assert status["level"] == 1 and status["values"]["frame_id"] == "base_link"
    assert consumer.wait_for_message("depth/image", lambda record: record["frame_id"] == "base_link")


def test_two_publishers_on_one_topic_are_named(graph: Graph) -> None:
    cameras = [graph.camera(name=name) for name in ("left_driver", "right_driver")]
    consumer = graph.consumer("depth/image")
    node = graph.node()
    for camera in cameras:
        camera.wait_for_subscribers()
        camera.stream(rate=10.0, **SMALL)
    status = consumer.wait_for_status(": camera", lambda s: "2 publishers on /image" in s["message"])
    assert "/left_driver" in status["message"] and "/right_driver" in status["message"] and status["level"] == 1
    assert node.returncode is None


def test_compressed_images_of_a_transport_and_damaged_ones(graph: Graph) -> None:
    camera, consumer = graph.camera(compressed=True), graph.consumer("depth/image")
    graph.node(image_transport="compressed")
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, **SMALL)
    assert consumer.wait_for_message("depth/image")["finite"] == 160 * 120
    camera.stream(rate=10.0, data_bytes=100, **SMALL)
    status = consumer.wait_for_status(": camera", lambda s: "image cannot be used" in s["message"])
    assert "compressed data starts with 00 00 00 00" in status["message"]
    assert status["values"]["image topic"] == "/image/compressed"
