"""Intrinsics as cameras deliver them: late, never, changed mid-stream, or such that no depth can be made with them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.actors import Camera, Consumer, Graph

NAN = float("nan")
SMALL: dict[str, Any] = {"width": 320, "height": 240, "fx": 250.0, "fy": 250.0, "cx": 160.0, "cy": 120.0}
K = [250.0, 0.0, 160.0, 0.0, 250.0, 120.0, 0.0, 0.0, 1.0]


@pytest.fixture(scope="module")
def pair(shared_graph: Graph) -> tuple[Camera, Consumer]:
    """A camera that the node already listens to, and who sees what comes out."""
    camera = shared_graph.camera()
    consumer = shared_graph.consumer("depth/image", "depth/camera_info", "points")
    shared_graph.node()
    camera.wait_for_subscribers()
    return camera, consumer


def test_images_without_camera_info_give_nothing_and_the_reason(graph: Graph) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image")
    graph.node()
    camera.wait_for_subscribers()
    camera.stream(rate=20.0, with_info=False, **SMALL)
    status = consumer.wait_for_status(": camera", lambda s: int(s["values"]["images received"]) > 5)
    assert "no camera_info yet" in status["message"]
    assert "no camera_info yet" in status["values"]["why nothing is published"]
    assert not consumer.of("depth/image")
    # It comes late, and only once.
    camera.stream(count=1, with_image=False, **SMALL)
    camera.stream(rate=20.0, with_info=False, **SMALL)
    consumer.wait_for_message("depth/image")
    ok = consumer.wait_for_status(": camera", lambda s: s["message"] == "publishing")
    assert ok["level"] == 0 and int(ok["values"]["dropped: no camera_info yet"].split()[0]) > 0


def test_a_topic_without_camera_info_publisher_is_named(graph: Graph) -> None:
    consumer = graph.consumer("depth/image")
    graph.node()
    status = consumer.wait_for_status(": camera", lambda s: "no publisher on /image" in s["message"])
    assert "no publisher on /camera_info" in status["message"]


def test_new_intrinsics_are_taken_over_mid_stream(pair: tuple[Camera, Consumer]) -> None:
    camera, consumer = pair
    camera.stream(rate=20.0, **SMALL)
    consumer.wait_for_message("depth/camera_info", lambda record: record["k"][0] == 250.0)
    mark = len(camera.records)
    camera.stream(rate=20.0, **{**SMALL, "fx": 200.0, "fy": 200.0})
    camera.wait_for("the fifth image", lambda record: len(camera.stamps(since=mark)) >= 5)
    changed = camera.stamps(since=mark)
    consumer.wait_for_message("points", lambda record: record["stamp_ns"] > changed[3])
    seen = {record["stamp_ns"]: record["k"][0] for record in consumer.of("depth/camera_info")}
    assert all(seen.get(stamp, 200.0) == 200.0 for stamp in changed)
    assert all(focal == 250.0 for stamp, focal in seen.items() if stamp < changed[0])


def test_a_new_size_is_taken_over_mid_stream(pair: tuple[Camera, Consumer]) -> None:
    camera, consumer = pair
    camera.stream(rate=20.0, **SMALL)
    consumer.wait_for_message("depth/image", lambda record: record["width"] == 320)
    mark = len(consumer.records)
    camera.stream(rate=20.0, width=160, height=120, fx=125.0, fy=125.0, cx=80.0, cy=60.0)
    small = consumer.wait_for_message("points", lambda record: record["width"] == 160, since=mark)
    infos = {record["stamp_ns"]: record for record in consumer.of("depth/camera_info")}
    images = [record for record in consumer.of("depth/image") if record["stamp_ns"] in infos]
    assert images[-1]["stamp_ns"] >= small["stamp_ns"]
    for image in images:
        info = infos[image["stamp_ns"]]
        assert (image["width"], image["height"]) == (info["width"], info["height"])
        assert info["k"][0] == pytest.approx(250.0 if image["width"] == 320 else 125.0, abs=50.1)


def test_a_camera_info_older_than_its_image_still_serves(pair: tuple[Camera, Consumer]) -> None:
    """Info on its own, slower, clock: the cache serves images whose stamps it does not share."""
    camera, consumer = pair
    camera.stream(count=1, with_image=False, stamp_offset_s=-3.0, **SMALL)
    mark = len(consumer.records)
    camera.stream(rate=20.0, with_info=False, **SMALL)
    consumer.wait_for_message("depth/image", lambda record: record["width"] == 320, since=mark)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"k": [0.0] * 9}, ("uncalibrated", "K[0] = 0")),
        ({"k": [NAN, *K[1:]]}, ("K in camera_info", "not a finite number")),
        ({"k": [250.0, 0.0, 160.0, 0.0, -250.0, *K[5:]]}, ("fy = -250", "must be positive")),
        ({"d": [0.1, NAN, 0.0, 0.0, 0.0], "distortion_model": "plumb_bob"}, ("D = ", "not all finite")),
        ({"d": [0.1, 0.0, 0.0, 0.0], "distortion_model": "double_sphere"}, ("'double_sphere'", "plumb_bob")),
        ({"d": [0.1, 0.0, 0.0], "distortion_model": "plumb_bob"}, ("takes 4, 5, 8, 12 or 14", "D has 3")),
        ({"width": 640, "height": 480}, ("640x480", "320x240")),
        ({"width": 0, "height": 0}, ("width is 0",)),
    ],
    ids=["zeros", "NaN", "negative", "NaN in D", "unknown model", "wrong length", "other size", "no size"],
)
def test_unusable_intrinsics_say_why_and_good_ones_mend_it(
    pair: tuple[Camera, Consumer], info: dict[str, Any], words: tuple[str, ...]
) -> None:
    camera, consumer = pair
    camera.stream(count=1, with_image=False, info=info, **SMALL)
    camera.stream(rate=20.0, info=info, **SMALL)
    mark = len(consumer.records)
    # The rate out is that of the last period: what was published before must have left it.
    status = consumer.wait_for_status(": camera", lambda s: "camera_info" in s["message"] and words[-1] in s["message"])
    for word in words:
        assert word in status["values"]["why nothing is published"]
    assert status["level"] > 0
    first_bad = camera.stamps()[-1]
    assert not [record for record in consumer.of("depth/image", since=mark) if record["stamp_ns"] >= first_bad]
    camera.stream(rate=20.0, **SMALL)
    good = consumer.wait_for_status(": camera", lambda s: s["message"] == "publishing")
    assert good["level"] == 0
