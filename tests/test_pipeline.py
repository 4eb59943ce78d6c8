"""DepthPipeline: walls at their distance for every camera, lens and size; order, limits, timings."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engines.plane_engine import PlaneEngine, open_plane
from depth_anything_ros.errors import CameraError, ConfigError, EngineError, ImageError
from depth_anything_ros.geometry import unproject
from depth_anything_ros.pipeline import STAGES, DepthPipeline, PipelineOptions, postprocess
from depth_anything_ros.spec import ResizeRule
from tests.image_depth_engine import DISTORTED, PINHOLE, SMALL, ImageDepthEngine, frame
from tests.tiny_networks import make_spec


@pytest.mark.parametrize("focal_px", [150.0, 500.0, 2000.0])
@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (480, 640), (100, 80)])
def test_wall_at_two_metres_for_every_camera(focal_px: float, size: tuple[int, int]) -> None:
    camera = CameraModel(*size, fx=focal_px, fy=focal_px, cx=size[0] / 2, cy=size[1] / 2)
    (result,) = DepthPipeline(open_plane("z=2.0")).run([frame(camera)])
    assert result.depth_HW.shape == (size[1], size[0]) and result.depth_HW.dtype == np.float32
    assert (result.depth_HW == 2.0).all()
    assert result.camera == camera and not result.assumed_camera


def test_frame_carries_stamp_frame_id_and_image() -> None:
    source = frame(stamp_ns=123)
    (result,) = DepthPipeline(open_plane("z=2.0")).run([source])
    assert (result.stamp_ns, result.frame_id) == (123, "camera_optical")
    assert result.image_HW3 is source.image_HW3


@pytest.mark.parametrize(("focal_px", "expected_m"), [(300.0, 2.0), (600.0, 4.0), (150.0, 1.0)])
def test_canonical_metres_follow_the_focal_length(focal_px: float, expected_m: float) -> None:
    """The network answers 2 m for 300 px; an image of the network's size keeps its focal length."""
    engine = ImageDepthEngine(make_spec(canonical_focal_px=300.0, resize=SMALL))
    camera = CameraModel(140, 112, fx=focal_px, fy=focal_px, cx=69.5, cy=55.5)
    (result,) = DepthPipeline(engine).run([frame(camera)])
    np.testing.assert_allclose(result.depth_HW, expected_m, rtol=1e-6)


def test_canonical_metres_do_not_depend_on_the_resolution() -> None:
    """The same camera delivered at half the size gives the same metres."""
    pipeline = DepthPipeline(ImageDepthEngine(make_spec(resize=SMALL)))
    large, small = pipeline.run([frame(PINHOLE), frame(PINHOLE.scaled_to(width=320, height=240))])
    assert large.depth_HW[0, 0] == pytest.approx(small.depth_HW[0, 0], rel=1e-6)


def tilted_wall_image(camera: CameraModel) -> NDArray[np.uint8]:
    """What a distorted camera sees of a wall x * 0.5 + z = 4 m: red is its depth in centimetres, by rays of OpenCV."""
    u, v = np.meshgrid(np.arange(camera.width, dtype=np.float64), np.arange(camera.height, dtype=np.float64))
    pixels = np.stack([u.ravel(), v.ravel()], axis=-1)[:, None]
    rays = cv2.undistortPoints(pixels, camera.K, np.array(camera.D))[:, 0]
    depth = (4.0 / (1.0 + 0.5 * rays[:, 0])).reshape(camera.height, camera.width)
    red = np.clip(np.rint(depth * 30.0), 0, 255).astype(np.uint8)
    return np.repeat(red[:, :, None], 3, axis=2)


def test_wall_seen_by_a_distorted_camera_is_flat() -> None:
    image = tilted_wall_image(DISTORTED)
    engine = ImageDepthEngine(make_spec(meaning="metric_fixed", resize=ResizeRule(kind="long_side", side=630)))
    options = PipelineOptions(scale=10.0 / 30.0, edge_ratio=None)
    (result,) = DepthPipeline(engine, options).run([CameraFrame(image, DISTORTED, 0, "c")])
    assert result.camera == PINHOLE
    points_N3 = unproject(result.depth_HW, PINHOLE)[np.isfinite(result.depth_HW)]
    off_m = points_N3[:, 0] * 0.5 + points_N3[:, 2] - 4.0
    assert points_N3.shape[0] > 0.8 * 640 * 480
    assert np.percentile(np.abs(off_m), 99) < 0.05  # red has steps of 3.3 cm
    (ignored,) = DepthPipeline(engine, options).run([CameraFrame(image, PINHOLE, 0, "c")])
    ignored_N3 = unproject(ignored.depth_HW, PINHOLE)[np.isfinite(ignored.depth_HW)]
    assert np.percentile(np.abs(ignored_N3[:, 0] * 0.5 + ignored_N3[:, 2] - 4.0), 99) > 0.15


@pytest.mark.parametrize("depth_size", ["camera", "network"])
def test_border_without_source_is_unknown(depth_size: str) -> None:
    pincushion = dataclasses.replace(PINHOLE, distortion_model="plumb_bob", D=(0.3, 0.0, 0.0, 0.0, 0.0))
    options = PipelineOptions(depth_size=depth_size)
    (result,) = DepthPipeline(open_plane("z=2.0"), options).run([frame(pincushion)])
    h, w = result.depth_HW.shape
    assert np.isnan(result.depth_HW[[0, 0, -1, -1], [0, -1, 0, -1]]).all()
    assert result.depth_HW[h // 2, w // 2] == 2.0
    assert set(np.unique(result.depth_HW[~np.isnan(result.depth_HW)])) == {2.0}
    assert 0.01 < np.isnan(result.depth_HW).mean() < 0.5


def test_network_size_comes_with_its_camera_and_image() -> None:
    options = PipelineOptions(depth_size="network")
    (result,) = DepthPipeline(ImageDepthEngine(), options).run([frame(PINHOLE)])
    assert result.depth_HW.shape == (112, 140) and result.image_HW3.shape == (112, 140, 3)
    assert result.camera == PINHOLE.scaled_to(width=140, height=112)


def test_ground_is_flat_at_camera_size() -> None:
    """Points of the enlarged depth image of the exact ground lie 1.2 m below the camera."""
    engine = open_plane(f"height=1.2,pitch=30,hfov={PINHOLE.hfov_deg!r},vfov={PINHOLE.vfov_deg!r}")
    (result,) = DepthPipeline(engine, PipelineOptions(max_depth_m=10.0)).run([frame(PINHOLE)])
    points_N3 = unproject(result.depth_HW, PINHOLE)[np.isfinite(result.depth_HW)]
    pitch_rad = math.radians(30.0)
    below_N = points_N3[:, 1] * math.cos(pitch_rad) + points_N3[:, 2] * math.sin(pitch_rad)
    assert points_N3.shape[0] > 0.9 * 640 * 480
    np.testing.assert_allclose(below_N, 1.2, rtol=6e-3)


def test_order_is_kept_with_mixed_sizes_and_batches() -> None:
    other = CameraModel(320, 320, fx=300.0, fy=300.0, cx=160.0, cy=160.0)
    cameras = [PINHOLE, other, PINHOLE, PINHOLE, other]
    frames = [frame(camera, level=10 + 10 * i, stamp_ns=i) for i, camera in enumerate(cameras)]
    engine = ImageDepthEngine()
    results = DepthPipeline(engine).run(frames)
    assert [r.stamp_ns for r in results] == [0, 1, 2, 3, 4]
    assert [float(r.depth_HW[5, 5]) for r in results] == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])
    assert [r.depth_HW.shape for r in results] == [(c.height, c.width) for c in cameras]
    assert sorted(engine.batches) == [(1, 112, 140), (2, 112, 140), (2, 140, 140)]


def test_nothing_in_nothing_out() -> None:
    assert DepthPipeline(ImageDepthEngine()).run([]) == []


def test_limits_become_infinities() -> None:
    image = np.repeat(np.repeat(np.array([5, 10, 50, 100, 150], np.uint8), 28)[None, :, None], 112, axis=0)
    source = CameraFrame(np.repeat(image, 3, axis=2), PINHOLE.scaled_to(width=140, height=112), 0, "c")
    options = PipelineOptions(min_depth_m=1.0, max_depth_m=10.0)
    (result,) = DepthPipeline(ImageDepthEngine(), options).run([source])
    assert result.depth_HW[50, 10::28].tolist() == [-math.inf, 1.0, 5.0, 10.0, math.inf]


def test_limits_of_the_spec_hold_without_options() -> None:
    (result,) = DepthPipeline(ImageDepthEngine()).run([frame(level=250)])  # 25 m; the spec says 20 m
    assert np.isposinf(result.depth_HW).all()


def test_scale_acts_before_the_limits() -> None:
    options = PipelineOptions(scale=2.0, max_depth_m=5.0)
    two, three = DepthPipeline(ImageDepthEngine(), options).run([frame(level=20), frame(level=30)])
    np.testing.assert_allclose(two.depth_HW, 4.0)
    assert np.isposinf(three.depth_HW).all()


def test_flying_pixels_are_removed_unless_kept() -> None:
    """A ramp of two pixels between 2 m and 6 m."""
    columns = np.array([20] * 70 + [33, 47] + [60] * 68, np.uint8)
    image = np.repeat(np.repeat(columns[None, :, None], 112, axis=0), 3, axis=2)
    source = CameraFrame(image, PINHOLE.scaled_to(width=140, height=112), 0, "c")
    (removed,) = DepthPipeline(ImageDepthEngine()).run([source])
    (kept,) = DepthPipeline(ImageDepthEngine(), PipelineOptions(edge_ratio=None)).run([source])
    assert np.flatnonzero(np.isnan(removed.depth_HW[50])).tolist() == [70, 71]
    assert np.isfinite(kept.depth_HW).all()


def test_sky_stays_sky_through_the_pipeline() -> None:
    """Level camera, horizon at row 239.5: +Inf above and finite below, but for one network pixel."""
    engine = open_plane(f"height=1.2,hfov={PINHOLE.hfov_deg!r},vfov={PINHOLE.vfov_deg!r}")
    options = PipelineOptions(edge_ratio=None, max_depth_m=1e4)
    (result,) = DepthPipeline(engine, options).run([frame(PINHOLE)])
    assert np.isposinf(result.depth_HW[:238]).all() and np.isfinite(result.depth_HW[242:]).all()


def test_timings_of_every_stage() -> None:
    (result,) = DepthPipeline(ImageDepthEngine()).run([frame(DISTORTED)])
    assert tuple(sorted(result.timings_ms)) == tuple(sorted(STAGES))
    assert all(0.0 <= ms < 60_000.0 for ms in result.timings_ms.values())
    assert result.timings_ms["rectify"] > 0.0 and result.timings_ms["engine"] > 0.0


def test_camera_is_assumed_and_said_to_be() -> None:
    options = PipelineOptions(assumed_hfov_deg=90.0)
    (result,) = DepthPipeline(ImageDepthEngine(), options).run([frame(None)])
    assert result.assumed_camera and result.camera == CameraModel.with_assumed_fov(64, 48, 90.0)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1000, 100)])
def test_odd_sizes_come_out_whole(size: tuple[int, int]) -> None:
    (result,) = DepthPipeline(ImageDepthEngine()).run([frame(None, width=size[0], height=size[1])])
    assert result.depth_HW.shape == size[::-1] and np.allclose(result.depth_HW, 2.0)


def test_a_frame_that_cannot_be_processed_is_refused_before_the_engine_runs() -> None:
    engine = ImageDepthEngine()
    with pytest.raises(ImageError):
        DepthPipeline(engine).run([frame(), frame(None, width=1000, height=2)])
    assert engine.batches == []
    with pytest.raises(CameraError):
        frame(PINHOLE, width=320, height=240)


def test_failing_engine_is_told() -> None:
    engine = PlaneEngine()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        DepthPipeline(engine).run([frame()])


def test_relative_networks_and_empty_ranges_are_refused() -> None:
    with pytest.raises(ConfigError, match="relative"):
        DepthPipeline(ImageDepthEngine(make_spec(meaning="relative")))
    with pytest.raises(ConfigError, match="depth range 30"):
        DepthPipeline(ImageDepthEngine(), PipelineOptions(min_depth_m=30.0))


@pytest.mark.parametrize(
    "options",
    [
        {"depth_size": "half"},
        {"scale": 0.0},
        {"scale": math.nan},
        {"scale": math.inf},
        {"edge_ratio": 0.0},
        {"edge_ratio": math.nan},
        {"assumed_hfov_deg": 180.0},
    ],
)
def test_options_outside_the_table_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} is"):
        PipelineOptions(**options)


def test_maps_of_a_camera_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = DepthPipeline(ImageDepthEngine())
    pipeline.run([frame(DISTORTED)])
    monkeypatch.setattr("depth_anything_ros.pipeline.Rectifier", None)
    pipeline.run([frame(DISTORTED), frame(DISTORTED)])


def test_postprocess_marks_the_border_of_another_size() -> None:
    valid = np.ones((8, 8), bool)
    valid[:, :4] = False
    depth = postprocess(
        np.ones((4, 4), np.float32), (4, 4), scale=3.0, min_depth_m=0.1, max_depth_m=9.0, valid_HW=valid
    )
    assert np.isnan(depth[:, :2]).all() and (depth[:, 2:] == 3.0).all()
