"""Parameters of the running node: a live one holds for the next frame, another is refused with the reason."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.live.actors import Actor, Camera, Consumer, Graph


class Trio(NamedTuple):
    camera: Camera
    node: Actor
    consumer: Consumer

    def set(self, **values: Any) -> dict[str, Any]:
        """Set parameters, two underscores for a dot, and return the one result that differs from success, if any."""
        results = self.node.ask("set", values={name.replace("__", "."): value for name, value in values.items()})
        return next((result for result in results if not result["successful"]), results[0])

    def depth_of_next_image(self) -> float:
        """Distance of the wall in the first image that is taken from now on."""
        sent, received = len(self.camera.records), len(self.consumer.records)
        stamp = self.camera.wait_for("an image", lambda record: "sent" in record, since=sent)["sent"]
        image = self.consumer.wait_for_message("depth/image", lambda r: r["stamp_ns"] >= stamp, since=received)
        return image["low"]


@pytest.fixture(scope="module")
def trio(shared_graph: Graph) -> Trio:
    camera, consumer = shared_graph.camera(), shared_graph.consumer("depth/image")
    node = shared_graph.node(scale=1.5)
    camera.wait_for_subscribers()
    camera.stream(rate=10.0, width=160, height=120, cx=80.0, cy=60.0)
    consumer.wait_for_message("depth/image")
    return Trio(camera, node, consumer)


def test_a_parameter_of_the_command_line_holds(trio: Trio) -> None:
    assert trio.set(scale=1.5)["successful"]
    assert trio.depth_of_next_image() == pytest.approx(3.0)


def test_a_live_parameter_holds_for_the_next_frame(trio: Trio) -> None:
    for scale in (2.0, 0.5, 1.0):
        assert trio.set(scale=scale) == {"successful": True, "reason": ""}
        assert trio.depth_of_next_image() == pytest.approx(2.0 * scale)


def test_beyond_range_is_infinite_and_not_clipped(trio: Trio) -> None:
    received = len(trio.consumer.records)
    assert trio.set(max_depth=1.5)["successful"]
    image = trio.consumer.wait_for_message("depth/image", lambda record: record["finite"] == 0, since=received)
    assert image["high"] is None
    assert trio.set(max_depth=0.0, scale=1.0)["successful"]
    assert trio.depth_of_next_image() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"autostart": False}, ("autostart",)),
        ({"model": "plane:z=3.0"}, ("model", "is read when the node is configured", "clean up")),
        ({"cameras": ["front"]}, ("cameras", "is read when the node is configured")),
        ({"scale": 0.0}, ("scale",)),
        ({"depth_size": "half"}, ("depth_size", "'half'", "camera, network")),
        ({"depth_encoding": "mono8"}, ("depth_encoding", "'mono8'", "32FC1, 16UC1")),
        ({"points__stride": 65}, ("points.stride",)),
        ({"scale": "two"}, ("type", "double", "string")),
        ({"points__voxel_size": 0.05}, ("Open3D", "cloud")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_refused_says_why_and_changes_nothing(
    trio: Trio, values: dict[str, Any], words: tuple[str, ...]
) -> None:
    if "points__voxel_size" in values and _has_open3d():
        pytest.skip("Open3D is installed here, so voxels are not refused")
    result = trio.set(**values)
    assert not result["successful"]
    for word in words:
        assert word.lower() in result["reason"].lower()
    assert trio.depth_of_next_image() == pytest.approx(2.0 * trio.node.ask("facts")["values"]["scale"])


def test_a_pair_that_excludes_itself_is_refused(trio: Trio) -> None:
    assert trio.set(min_depth=1.0)["successful"]
    result = trio.set(max_depth=0.5)
    assert not result["successful"] and "min_depth below max_depth" in result["reason"]
    assert trio.set(min_depth=0.0)["successful"]


def test_a_parameter_of_configuration_changes_while_unconfigured(trio: Trio) -> None:
    assert trio.node.ask("transition", name="deactivate") == "SUCCESS"
    assert not trio.set(model="plane:z=4.0")["successful"]
    assert trio.node.ask("transition", name="cleanup") == "SUCCESS"
    assert trio.set(model="plane:z=4.0")["successful"]
    assert trio.node.ask("transition", name="configure") == "SUCCESS"
    assert trio.node.ask("transition", name="activate") == "SUCCESS"
    scale = trio.node.ask("facts")["values"]["scale"]
    assert trio.depth_of_next_image() == pytest.approx(4.0 * scale)


def _has_open3d() -> bool:
    try:
        import open3d  # noqa: F401
    except (ImportError, OSError):
        return False
    return True
