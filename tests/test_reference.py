"""Errors against measured depth: by hand, in two groups, and for a distorted camera in the rectified view."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame, DepthFrame
from depth_anything_ros.errors import ImageError
from depth_anything_ros.rectify import Rectifier
from depth_anything_ros.reference import NearestRectifier, ReferenceComparison

DISTORTED = CameraModel(160, 120, 110.0, 112.0, 80.0, 58.0, "plumb_bob", (-0.28, 0.08, 0.001, -0.002, 0.0))


def frame_of(depth: np.ndarray, camera: CameraModel | None = None) -> tuple[CameraFrame, DepthFrame]:
    image = np.zeros((*depth.shape, 3), np.uint8)
    result_camera = camera.undistorted() if camera is not None else None
    return CameraFrame(image, camera, 0, "camera"), DepthFrame(
        depth.astype(np.float32), image, result_camera, 0, "camera"
    )


def add(comparison: ReferenceComparison, name: str, depth: np.ndarray, reference: np.ndarray, *, trained: bool) -> None:
    found, on_view = comparison.compare(name, *frame_of(depth), reference, trained=trained)
    assert on_view is reference
    comparison.frames.append(found)


def test_errors_by_hand_and_groups_apart(tolerance: Mapping[str, Mapping[str, float]]) -> None:
    comparison = ReferenceComparison(0.1, 10.0)
    reference = np.full((4, 4), 2.0, np.float32)
    reference[0] = np.nan
    for name, factor, trained in (("a", 1.1, False), ("b", 1.3, False), ("c", 1.0, True)):
        add(comparison, name, reference * factor, reference, trained=trained)
    table = comparison.as_dict()
    assert list(table) == ["unseen", "trained on"]
    assert table["unseen"]["frames"] == 2
    assert "names" not in table["unseen"]
    assert table["trained on"]["names"] == ["c"]
    unaligned = table["unseen"]["unaligned"]
    assert isinstance(unaligned, dict)
    expected = {"abs_rel": 0.2, "rmse": 0.4, "delta1": 0.5, "silog": 0.0, "num_pixels": 24}
    for name, value in expected.items():
        np.testing.assert_allclose(unaligned[name], value, rtol=1e-5, atol=1e-4)
    scaled = table["unseen"]["median-scaled"]
    assert isinstance(scaled, dict)
    np.testing.assert_allclose(scaled["abs_rel"], 0.0, atol=1e-6)


def test_a_group_without_any_pixel_to_compare_has_no_figures() -> None:
    comparison = ReferenceComparison(0.1, 10.0)
    reference = np.full((4, 4), 2.0, np.float32)
    add(comparison, "a", np.full((4, 4), np.inf), reference, trained=False)
    add(comparison, "b", np.ones((4, 4)), np.full((4, 4), np.nan, np.float32), trained=True)
    table = comparison.as_dict()
    assert table["unseen"]["unaligned"] is None
    assert table["trained on"]["median-scaled"] is None


def test_without_frames_there_is_no_table() -> None:
    assert ReferenceComparison(0.1, 10.0).as_dict() == {}


def test_reference_of_another_size_is_refused() -> None:
    with pytest.raises(ImageError, match="shape"):
        ReferenceComparison(0.1, 10.0).compare(
            "a", *frame_of(np.ones((4, 4))), np.ones((4, 5), np.float32), trained=False
        )


def test_reference_of_a_distorted_camera_moves_to_the_rectified_view() -> None:
    """A slanted plane's depth, given in the raw view, agrees with the plane in the rectified view."""
    import cv2

    camera = DISTORTED
    v, u = np.mgrid[0 : camera.height, 0 : camera.width].astype(np.float64)

    def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (3.0 / (1.0 - 0.3 * x - 0.2 * y)).astype(np.float32)

    pixels = np.stack([u, v], axis=-1).reshape(-1, 1, 2)
    raw_rays = cv2.undistortPoints(pixels, camera.K, np.array(camera.D)).reshape(*u.shape, 2)
    raw_depth = plane(raw_rays[..., 0], raw_rays[..., 1])
    true_depth = plane((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy)
    comparison = ReferenceComparison(0.1, 20.0)
    _, moved = comparison.compare("a", *frame_of(true_depth, camera), raw_depth, trained=False)
    known = np.isfinite(moved)
    assert known.mean() > 0.75
    assert np.abs(moved[known] / true_depth[known] - 1).max() < 0.008  # half a pixel on this slope
    assert np.abs(raw_depth / true_depth - 1).max() > 0.03  # what ignoring the lens would give


def test_moved_reference_holds_measured_values_only() -> None:
    rng = np.random.default_rng(0)
    depth = rng.choice(np.float32([1.0, 4.0, np.nan]), size=(DISTORTED.height, DISTORTED.width))
    moved = NearestRectifier(DISTORTED)(depth)
    assert set(np.unique(moved[np.isfinite(moved)])) == {1.0, 4.0}
    assert np.isnan(moved[~Rectifier(DISTORTED).valid_HW]).all()
