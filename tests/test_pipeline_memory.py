"""The pipeline's memory stays flat."""

from __future__ import annotations

import dataclasses
import resource
import tracemalloc
from pathlib import Path

import pytest

from depth_anything_ros.engine import load_engine
from depth_anything_ros.pipeline import DepthPipeline
from tests.image_depth_engine import DISTORTED, PINHOLE, SMALL, ImageDepthEngine, frame
from tests.tiny_networks import write_network


def rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def held_bytes_growth(num_frames: int) -> int:
    """Growth of Python's and NumPy's memory over frames of three sizes, with and without distortion [bytes]."""
    pipeline = DepthPipeline(ImageDepthEngine())
    half = PINHOLE.scaled_to(width=320, height=240)
    cameras = [half, dataclasses.replace(half, distortion_model="plumb_bob", D=DISTORTED.D), None]
    frames = [frame(camera) for camera in cameras]
    for _ in range(5):
        pipeline.run(frames)
    tracemalloc.start()
    try:
        pipeline.run(frames)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(num_frames // len(frames)):
            pipeline.run(frames)
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_memory_stays_flat() -> None:
    assert held_bytes_growth(150) < 50_000


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_memory_stays_flat_over_2000_frames(tmp_path: Path, runtime: str) -> None:
    """The whole process, with a runtime's own memory, over 2000 frames after 200 that fill its pools."""
    pytest.importorskip("onnx", reason="the network of this test is built with onnx (extra test)")
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    half = PINHOLE.scaled_to(width=320, height=240)
    frames = [frame(half), frame(dataclasses.replace(half, distortion_model="plumb_bob", D=DISTORTED.D))]
    with load_engine(write_network(tmp_path, resize=SMALL), engine=runtime, threads=1) as engine:
        pipeline = DepthPipeline(engine)
        for _ in range(100):
            pipeline.run(frames)
        before = rss_bytes()
        for _ in range(1000):
            pipeline.run(frames)
        assert rss_bytes() - before < 5_000_000
