"""A scale calibration in the pipeline: metric and relative networks, other networks, other cameras."""

from __future__ import annotations

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.pipeline import DepthPipeline, PipelineOptions
from depth_anything_ros.spec import EngineSpec
from tests.image_depth_engine import DISTORTED, PINHOLE, SMALL, ImageDepthEngine, frame
from tests.sample_calibrations import make_calibration
from tests.tiny_networks import make_spec

# PINHOLE's focal length of 500 px at 640x480 is 109.4 px at the network's 140x112.
AT_THE_NETWORK = {"camera_fx": 500.0, "camera_fy": 500.0, "network_width": 140, "network_height": 112}


def relative_spec(quantity: str) -> EngineSpec:
    return make_spec(meaning="relative", quantity=quantity, resize=SMALL)


def test_a_metric_network_is_multiplied_before_the_limits() -> None:
    options = PipelineOptions(calibration=make_calibration(**AT_THE_NETWORK), max_depth_m=4.0)
    two, three = DepthPipeline(ImageDepthEngine(), options).run([frame(level=20), frame(level=30)])
    np.testing.assert_allclose(two.depth_HW, 3.0, rtol=1e-6)
    assert np.isposinf(three.depth_HW).all()


def test_the_focal_length_and_the_users_scale_count_too() -> None:
    engine = ImageDepthEngine(make_spec(canonical_focal_px=50.0, resize=SMALL))
    camera = CameraModel(140, 112, 100.0, 100.0, 69.5, 55.5)
    calibration = make_calibration(
        camera_width=140, camera_height=112, camera_fx=100.0, camera_fy=100.0, network_width=140, network_height=112
    )
    pipeline = DepthPipeline(engine, PipelineOptions(scale=0.5, calibration=calibration))
    (result,) = pipeline.run([frame(camera)])
    np.testing.assert_allclose(result.depth_HW, 2.0 * 2.0 * 1.5 * 0.5, rtol=1e-6)
    assert pipeline.notes == (calibration.describe(),)


def test_a_relative_disparity_network_runs_with_it() -> None:
    """Level 20 is 2: 1 / (0.5 * 2 - 0.5) = 2 m; level 10 is disparity 0, which is beyond range."""
    calibration = make_calibration(**AT_THE_NETWORK, quantity="disparity", scale=0.5, shift=-0.5)
    pipeline = DepthPipeline(ImageDepthEngine(relative_spec("disparity")), PipelineOptions(calibration=calibration))
    near, two, beyond = pipeline.run([frame(level=250), frame(level=20), frame(level=10)])
    assert np.isneginf(near.depth_HW).all()  # 1 / 12 m, and the spec's nearest is 0.1 m
    np.testing.assert_allclose(two.depth_HW, 2.0, rtol=1e-6)
    assert np.isposinf(beyond.depth_HW).all()


def test_a_relative_depth_network_runs_with_it_and_the_users_scale() -> None:
    calibration = make_calibration(**AT_THE_NETWORK, quantity="depth", scale=2.0, shift=-1.0)
    options = PipelineOptions(calibration=calibration, scale=10.0)
    engine = ImageDepthEngine(relative_spec("depth"))
    near, far = DepthPipeline(engine, options).run([frame(level=4), frame(level=9)])
    assert np.isneginf(near.depth_HW).all()  # 2 * 0.4 - 1 < 0: nearer than anything
    np.testing.assert_allclose(far.depth_HW, 8.0, rtol=1e-5)


def test_a_relative_network_without_it_is_refused_and_so_is_one_of_another() -> None:
    engine = ImageDepthEngine(relative_spec("disparity"))
    with pytest.raises(ConfigError, match=r"gives relative disparity .* calibrate-scale"):
        DepthPipeline(engine)
    with pytest.raises(ConfigError, match="a calibration of this network"):
        DepthPipeline(engine, PipelineOptions(calibration=make_calibration()))


def test_another_camera_is_said_once() -> None:
    pipeline = DepthPipeline(ImageDepthEngine(), PipelineOptions(calibration=make_calibration(**AT_THE_NETWORK)))
    pipeline.run([frame(PINHOLE), frame(DISTORTED)])  # the rectified view has the same focal length
    assert len(pipeline.notes) == 1
    other = CameraModel(640, 480, 600.0, 600.0, 319.5, 239.5)
    pipeline.run([frame(other), frame(PINHOLE)])
    pipeline.run([frame(other)])
    assert len(pipeline.notes) == 2 and "calibrate this camera" in pipeline.notes[1]
