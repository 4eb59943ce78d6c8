"""Two cameras of one node: each with its own topics, stamps, frames, size and fate."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.actors import Camera, Consumer, Graph

VIEWS: dict[str, dict[str, Any]] = {
    "front": {"width": 320, "height": 240, "fx": 250.0, "frame_id": "front_optical_frame"},
    "left": {"width": 240, "height": 180, "fx": 150.0, "frame_id": "left_optical_frame"},
}
OUTPUTS = ("depth/image", "depth/camera_info", "points")


@pytest.fixture(scope="module")
def pair(shared_graph: Graph) -> tuple[Camera, Consumer]:
    """Both cameras and a consumer of all outputs, with both streaming at rates of their own."""
    rig = shared_graph.camera(cameras=list(VIEWS))
    consumer = shared_graph.consumer(*(f"{name}/{topic}" for name in VIEWS for topic in OUTPUTS))
    shared_graph.node(cameras=list(VIEWS))
    for name, rate in (("front", 15.0), ("left", 10.0)):
        rig.wait_for_subscribers(camera=name)
        rig.stream(rate=rate, camera=name, **VIEWS[name])
    for name in VIEWS:
        consumer.wait_for_messages(f"{name}/points", 10)
    return rig, consumer


@pytest.mark.parametrize("name", VIEWS)
def test_each_camera_has_its_own_stamps_frames_and_intrinsics(pair: tuple[Camera, Consumer], name: str) -> None:
    rig, consumer = pair
    view = VIEWS[name]
    for topic in OUTPUTS:
        records = consumer.of(f"{name}/{topic}")
        stamps = [record["stamp_ns"] for record in records]
        assert len(stamps) >= 9 and stamps == sorted(set(stamps))
        assert set(stamps) <= set(rig.stamps(name))
        assert {record["frame_id"] for record in records} == {view["frame_id"]}
        assert {(record["width"], record["height"]) for record in records} == {(view["width"], view["height"])}
    assert {record["k"][0] for record in consumer.of(f"{name}/depth/camera_info")} == {view["fx"]}


@pytest.mark.parametrize("name", VIEWS)
def test_each_camera_has_its_own_status(pair: tuple[Camera, Consumer], name: str) -> None:
    status = pair[1].wait_for_status(f": camera {name}", lambda s: s["message"] == "publishing")
    assert status["values"]["image topic"] == f"/{name}/image"
    assert status["values"]["frame_id"] == VIEWS[name]["frame_id"]


def test_a_broken_camera_does_not_take_the_other_with_it(pair: tuple[Camera, Consumer]) -> None:
    rig, consumer = pair
    rig.stream(rate=15.0, camera="left", info={"width": 640, "height": 480}, **VIEWS["left"])
    broken = consumer.wait_for_status(": camera left", lambda s: "640x480" in s["message"])
    assert broken["level"] > 0
    mark = rig.stamps("front")[-1]
    consumer.wait_for_message("front/points", lambda record: record["stamp_ns"] > mark)
    rig.stream(rate=15.0, camera="left", **VIEWS["left"])
    mark = rig.stamps("left")[-1]
    consumer.wait_for_message("left/points", lambda record: record["stamp_ns"] > mark)


def test_only_the_camera_that_somebody_listens_to_is_subscribed(graph: Graph) -> None:
    rig, consumer = graph.camera(cameras=list(VIEWS)), graph.consumer("left/points")
    graph.node(cameras=list(VIEWS))
    rig.wait_for_subscribers(camera="left")
    rig.stream(rate=15.0, camera="left", **VIEWS["left"])
    rig.stream(rate=15.0, camera="front", **VIEWS["front"])
    consumer.wait_for_messages("left/points", 3)
    status = consumer.wait_for_status(": camera front")
    assert status["values"]["images received"] == "0" and "nobody subscribes" in status["message"]
    assert [r["subscribers"] for r in rig.records if r.get("camera") == "front" and "subscribers" in r] == [0]
