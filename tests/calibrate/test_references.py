"""References as depth images: tape as a ray, depth by name and unit, clouds without what is hidden, rectified."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.calibrate.references import (
    CloudReference,
    FolderReference,
    RecordedReference,
    TapedDistance,
    TapedReference,
)
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.geometry import depth_of_points, unproject
from depth_anything_ros.source_frame import SourceFrame

CAMERA = CameraModel(160, 120, 100.0, 100.0, 79.5, 59.5)
DISTORTED = dataclasses.replace(CAMERA, distortion_model="plumb_bob", D=(-0.3, 0.08, 0.0, 0.0, 0.0))


def item(camera: CameraModel | None = CAMERA, name: str = "000007", depth_HW: Any = None) -> SourceFrame:
    return SourceFrame(CameraFrame(np.zeros((120, 160, 3), np.uint8), camera, 0, "optical"), 7, name, depth_HW)


def test_tape_is_a_ray_and_depth_its_part_along_the_axis() -> None:
    reference = TapedReference([TapedDistance(5.0, 139.5, 59.5), TapedDistance(2.0)])
    depth_HW = reference.depth_of(item(), CAMERA)
    assert depth_HW is not None
    known = np.isfinite(depth_HW)
    assert known.sum() == 2 * 25  # two windows of 5 x 5
    assert depth_HW[60, 80] == pytest.approx(2.0, rel=1e-3)
    assert depth_HW[60, 140] == pytest.approx(5.0 / math.sqrt(1.0 + 0.605**2), rel=1e-3)
    assert reference.description == "taped distances: 5 m at (139.5, 59.5), 2 m at the centre"


def test_tape_leads_to_a_pixel_of_the_raw_image() -> None:
    """The rectified view has it where OpenCV moves the pixel to."""
    depth_HW = TapedReference([TapedDistance(5.0, 20, 20)]).depth_of(item(DISTORTED), CAMERA)
    assert depth_HW is not None
    rows, columns = np.nonzero(np.isfinite(depth_HW))
    pixel = np.array([[[20.0, 20.0]]])
    expected = cv2.undistortPoints(pixel, DISTORTED.K, np.array(DISTORTED.D), P=DISTORTED.K)[0, 0]
    assert np.linalg.norm(expected - 20.0) > 4.0
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.6)


@pytest.mark.parametrize("pixel", [(160.0, 10.0), (-1.0, 10.0), (10.0, 119.5)])
def test_a_pixel_outside_the_image_is_refused(pixel: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="accepted: inside the 160x120 image"):
        TapedReference([TapedDistance(5.0, *pixel)]).depth_of(item(), CAMERA)


def test_recorded_depth_is_moved_to_the_rectified_view() -> None:
    raw = np.arange(120 * 160, dtype=np.float32).reshape(120, 160) + 1.0
    reference = RecordedReference("/depth")
    assert reference.depth_of(item(), CAMERA) is None
    assert reference.depth_of(item(depth_HW=raw), CAMERA) is raw
    moved = reference.depth_of(item(DISTORTED, depth_HW=raw), CAMERA)
    assert moved is not None and not np.array_equal(moved, raw)
    assert np.isin(moved[np.isfinite(moved)], raw).all()  # copies, never mixtures


def test_depth_of_a_folder_by_name_and_unit(tmp_path: Path) -> None:
    millimetres = np.full((120, 160), 1500, np.uint16)
    millimetres[0, 0] = 0
    cv2.imwrite(str(tmp_path / "000007_depth.png"), millimetres)
    np.save(tmp_path / "000008.npy", np.full((120, 160), 2.5, np.float64))
    cv2.imwrite(str(tmp_path / "000009_rgb.png"), np.zeros((120, 160), np.uint8))
    reference = FolderReference(tmp_path)
    depth_HW = reference.depth_of(item(), CAMERA)
    assert depth_HW is not None and np.isnan(depth_HW[0, 0]) and depth_HW[5, 5] == pytest.approx(1.5)
    for name in ("000007_rgb", "000007.color"):
        assert reference.depth_of(item(name=name), CAMERA) is not None
    finer = FolderReference(tmp_path, unit_m=1 / 5000).depth_of(item(), CAMERA)
    assert finer is not None and finer[5, 5] == pytest.approx(0.3)
    array = reference.depth_of(item(name="000008"), CAMERA)
    assert array is not None and array.dtype == np.float32 and np.all(array == 2.5)
    assert reference.depth_of(item(name="000009"), CAMERA) is None


def test_depth_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no depth"):
        FolderReference(tmp_path)
    path = tmp_path / "000007.png"
    cases: list[tuple[Any, str]] = [
        (np.zeros((60, 80), np.uint16), "is 80x60, its image 160x120"),
        (np.zeros((120, 160), np.uint8), r"is uint8 \(120, 160\); accepted: 16-bit grey PNG"),
        (np.zeros((120, 160, 3), np.uint16), r"is uint16 \(120, 160, 3\)"),
    ]
    for pixels, message in cases:
        cv2.imwrite(str(path), pixels)
        with pytest.raises(SourceError, match=f"000007.png {message}"):
            FolderReference(tmp_path).depth_of(item(), CAMERA)
    path.write_bytes(b"\x89PNG nothing")
    with pytest.raises(SourceError, match="is no image"):
        FolderReference(tmp_path).depth_of(item(), CAMERA)
    path.unlink()
    (tmp_path / "000007.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(SourceError, match=r"000007.npy cannot be read"):
        FolderReference(tmp_path).depth_of(item(), CAMERA)


def test_points_come_back_where_they_were_seen() -> None:
    depth_HW = np.full((120, 160), np.nan, np.float32)
    depth_HW[::7, ::9] = 3.0
    points_N3 = unproject(depth_HW, CAMERA).reshape(-1, 3)
    behind_N3 = np.array([[0.0, 0.0, -3.0], [50.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    found = depth_of_points(np.concatenate([points_N3, behind_N3]), CAMERA)
    np.testing.assert_array_equal(found, depth_HW)


def test_the_nearest_point_hides_those_behind_it() -> None:
    points = [[0.005, 0.005, 1.0], [0.01, 0.01, 2.0], [0.035, 0.02, 2.0], [0.0062, 0.0062, 1.24], [1.0, 0.01, 2.0]]
    found = depth_of_points(np.array(points), CAMERA)
    assert sorted(found[np.isfinite(found)].tolist()) == [1.0, 2.0]
    assert found[60, 130] == 2.0


def test_a_cloud_needs_intrinsics() -> None:
    reference = CloudReference(lambda item: np.array([[0.0, 0.0, 3.0]]), "a cloud")
    with pytest.raises(ConfigError, match="--camera-info"):
        reference.depth_of(item(None), CAMERA)
    depth_HW = reference.depth_of(item(DISTORTED), CAMERA)
    assert depth_HW is not None and np.isfinite(depth_HW).sum() == 1
    assert CloudReference(lambda item: "too late", "a cloud").depth_of(item(), CAMERA) is None


def test_depth_images_among_the_frames_are_no_frames(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "000007_depth.png"), np.full((120, 160), 1500, np.uint16))
    reference = FolderReference(tmp_path, images=tmp_path)
    assert reference.depth_of(item(name="000007_rgb"), CAMERA) is not None
    assert reference.depth_of(item(name="000007_depth"), CAMERA) is None
    assert reference.why_none == "000007_depth.png is a depth image itself"
    elsewhere = FolderReference(tmp_path, images=tmp_path.parent)
    assert elsewhere.depth_of(item(name="000007_depth"), CAMERA) is not None
