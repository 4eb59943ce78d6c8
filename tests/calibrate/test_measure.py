"""What counts of a recording: one camera, usable frames, evenly spread pixels; and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.calibrate.measure import MAX_PIXELS, Measurement, measure, measuring_options
from depth_anything_ros.calibrate.references import RecordedReference
from depth_anything_ros.pipeline import DepthPipeline
from depth_anything_ros.scale_calibration import quantity_of
from depth_anything_ros.source import open_source
from depth_anything_ros.spec import EngineSpec
from tests.image_depth_engine import SMALL, ImageDepthEngine
from tests.sample_bags import Recorded, camera_info_message, camera_recording, image_message, picture, write_bag
from tests.tiny_networks import make_spec


def measured(
    folder: Path, recorded: list[Recorded], spec: EngineSpec | None = None, max_frames: int = 99, every: int = 1
) -> Measurement:
    engine = ImageDepthEngine(spec or make_spec(meaning="metric_fixed", resize=SMALL))
    pipeline = DepthPipeline(engine, measuring_options(engine.spec))
    with open_source(write_bag(folder / "bag", recorded)) as source:
        return measure(
            source, pipeline, RecordedReference("/depth"), every=every, max_frames=max_frames, range_m=(0.1, 100.0)
        )


def flat_recording(width: int, height: int, level: int = 20) -> list[Recorded]:
    """One frame of one grey level."""
    recorded = camera_recording(1, width=width, height=height)
    pixels = np.full((height, width, 3), level, np.uint8)
    recorded[0] = Recorded(recorded[0].topic, image_message(pixels, "rgb8", recorded[0].log_ns), recorded[0].log_ns)
    return recorded


def test_pixels_are_spread_over_the_frame(tmp_path: Path) -> None:
    recorded = flat_recording(160, 120)
    depth = next(item.message for item in recorded if "depth" in item.topic)
    rows = np.repeat(np.arange(1000, 1000 + 120, dtype=np.uint16), 160)
    depth.data = rows.view(np.uint8)
    (frame,) = measured(tmp_path, recorded).frames
    assert frame.output_N.size == frame.reference_N.size == MAX_PIXELS
    assert np.unique(np.rint(frame.reference_N * 1000)).size == 120  # every row of the image has a part
    assert np.bincount(np.rint(frame.reference_N * 1000 - 1000).astype(int)).min() >= 33


def test_frames_of_another_camera_and_damaged_ones_are_left_out_and_said(tmp_path: Path) -> None:
    recorded = camera_recording(5)
    for index, item in enumerate(recorded):
        stamp = item.log_ns - 1
        if item.topic.endswith("camera_info") and index > 8:
            recorded[index] = Recorded(item.topic, camera_info_message(stamp, fx=60.0), item.log_ns)
    broken = image_message(picture(1), "rgb8", recorded[3].log_ns)
    broken.data = broken.data[:100]
    recorded[3] = Recorded(recorded[3].topic, broken, recorded[3].log_ns)
    found = measured(tmp_path, recorded)
    assert found.camera is not None and found.camera.fx == 50.0
    assert (found.num_read, len(found.frames)) == (5, 2)
    assert found.left_out == {"corrupt image": 1, "of another camera": 2}
    assert found.reasons().startswith("1 corrupt image (data ") and "2 of another camera" in found.reasons()


def test_it_ends_after_so_many_frames_that_count(tmp_path: Path) -> None:
    recorded = [item for item in camera_recording(8) if "depth" not in item.topic or item.message.header.stamp.nanosec]
    found = measured(tmp_path, recorded, max_frames=2, every=2)
    # The first image has no depth, so the second is taken in its place; then the fourth.
    assert (len(found.frames), found.num_read) == (2, 4)
    assert found.left_out == {"without a reference": 1}
    assert [round(float(frame.reference_N[0]), 3) for frame in found.frames] == [2.0, 4.0]


@pytest.mark.parametrize("quantity", ["depth", "disparity"])
def test_what_a_relative_network_gives_arrives_as_it_is(tmp_path: Path, quantity: str) -> None:
    """The engine gives the red channel / 10, up to 25, which is beyond the spec's 20 m."""
    spec = make_spec(meaning="relative", quantity=quantity, resize=SMALL)
    assert quantity_of(spec) == quantity
    (frame,) = measured(tmp_path, flat_recording(140, 112, level=250), spec).frames
    np.testing.assert_allclose(frame.output_N, 25.0, rtol=1e-6)
