"""Memory of the node over many frames."""

from __future__ import annotations

import pytest

from tests.live.actors import Graph

WARM_UP = 300
MAY_GROW_MB = 8.0


@pytest.mark.parametrize(
    ("num_frames", "rate"),
    [(2000, 100.0), pytest.param(18000, 30.0, marks=pytest.mark.slow)],
    ids=["2,000", "10 minutes"],
)
def test_memory_is_flat(graph: Graph, num_frames: int, rate: float) -> None:
    camera, consumer = graph.camera(), graph.consumer("depth/image", "depth/camera_info", "points")
    node = graph.node()
    camera.wait_for_subscribers()
    camera.stream(rate=rate, width=112, height=84, fx=100.0, fy=100.0, cx=56.0, cy=42.0)
    timeout_s = 10 * num_frames / rate
    consumer.wait_for_messages("points", WARM_UP, timeout_s=timeout_s)
    before = node.ask("facts")
    consumer.wait_for_messages("points", num_frames, timeout_s=timeout_s)
    after = node.ask("facts")
    assert after["memory_mb"] - before["memory_mb"] < MAY_GROW_MB
    assert after["threads"] == before["threads"]
