"""CameraModel: validation, and how intrinsics follow an image that is resized, cut or mirrored."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError
from depth_anything_ros.geometry import ray_grid
from tests.sample_cameras import BARREL, cameras

CAMERA = CameraModel(640, 480, 600.0, 610.0, 330.0, 250.0)

sizes = st.integers(1, 4000)


def assert_same(a: CameraModel, b: CameraModel) -> None:
    assert (a.width, a.height, a.distortion_model, a.D) == (b.width, b.height, b.distortion_model, b.D)
    np.testing.assert_allclose(a.K, b.K, rtol=1e-9, atol=1e-9 * max(a.width, a.height, 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width is 0"),
        ({"height": -1}, "height is -1"),
        ({"width": 640.0}, "width is 640.0, not a whole number"),
        ({"fx": 0.0}, "must be positive"),
        ({"fy": -1.0}, "must be positive"),
        ({"fx": math.inf}, "fx is inf"),
        ({"cx": math.nan}, "cx is nan"),
        ({"distortion_model": "radial", "D": (0.1,)}, "'radial'"),
        ({"D": (0.1, 0.0, 0.0, 0.0)}, "'none' with D"),
        ({"distortion_model": "equidistant"}, "takes 4 coefficients, D has 0"),
    ],
)
def test_bad_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        CameraModel(**{"width": 640, "height": 480, "fx": 600, "fy": 600, "cx": 320, "cy": 240, **changes})


def test_equal_cameras_are_one_cache_key() -> None:
    given = CameraModel(np.int64(640), 480, np.float32(600.0), 610, 330, 250, "plumb_bob", [0.0] * 5)  # type: ignore[arg-type]
    assert given == CAMERA and hash(given) == hash(CAMERA)
    assert type(given.width) is int and type(given.fx) is float


def test_scaling_keeps_pixel_areas_aligned() -> None:
    assert_same(
        CAMERA.scaled_to(width=320, height=160), CameraModel(320, 160, 300.0, 610.0 / 3, 164.75, 250.5 / 3 - 0.5)
    )
    # The centre of a 2x2 block of pixels lies on the block's corner, half a pixel from the first of them.
    centred = CameraModel(2, 2, 1.0, 1.0, 0.5, 0.5)
    assert centred.scaled_to(width=1, height=1) == CameraModel(1, 1, 0.5, 0.5, 0.0, 0.0)


@given(camera=cameras(), width=sizes, height=sizes)
def test_scaling_back_restores_the_camera(camera: CameraModel, width: int, height: int) -> None:
    assert_same(
        camera.scaled_to(width=width, height=height).scaled_to(width=camera.width, height=camera.height), camera
    )


@given(camera=cameras(), width=sizes, height=sizes)
def test_scaling_keeps_the_field_of_view(camera: CameraModel, width: int, height: int) -> None:
    scaled = camera.scaled_to(width=width, height=height)
    assert scaled.hfov_deg == pytest.approx(camera.hfov_deg, rel=1e-9)
    assert scaled.vfov_deg == pytest.approx(camera.vfov_deg, rel=1e-9)


@given(camera=cameras(max_side=60), data=st.data())
def test_crop_holds_the_rays_of_its_part(camera: CameraModel, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, camera.width - 1)), data.draw(st.integers(0, camera.height - 1))
    width, height = data.draw(st.integers(1, camera.width - x)), data.draw(st.integers(1, camera.height - y))
    crop = camera.cropped(x=x, y=y, width=width, height=height)
    part = ray_grid(camera)[y : y + height, x : x + width]
    np.testing.assert_allclose(ray_grid(crop), part, rtol=1e-5, atol=1e-6)


@given(camera=cameras(max_side=200), factor=st.integers(1, 8), data=st.data())
def test_crop_and_scale_commute(camera: CameraModel, factor: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, camera.width - 1)), data.draw(st.integers(0, camera.height - 1))
    width, height = data.draw(st.integers(1, camera.width - x)), data.draw(st.integers(1, camera.height - y))
    large = camera.scaled_to(width=camera.width * factor, height=camera.height * factor)
    scaled_first = large.cropped(x=x * factor, y=y * factor, width=width * factor, height=height * factor)
    cropped_first = camera.cropped(x=x, y=y, width=width, height=height)
    assert_same(scaled_first, cropped_first.scaled_to(width=width * factor, height=height * factor))


@pytest.mark.parametrize("box", [(-1, 0, 10, 10), (0, 0, 641, 480), (0, 471, 10, 10), (0, 0, 0, 10)])
def test_crop_outside_the_image_is_refused(box: tuple[int, int, int, int]) -> None:
    x, y, width, height = box
    with pytest.raises(CameraError, match=f"crop {width}x{height}"):
        CAMERA.cropped(x=x, y=y, width=width, height=height)


@given(camera=cameras(max_side=60))
def test_mirrored_camera_has_mirrored_rays(camera: CameraModel) -> None:
    mirrored = ray_grid(camera.flipped_horizontally())
    expected = ray_grid(camera)[:, ::-1] * np.float32([-1.0, 1.0, 1.0])
    np.testing.assert_allclose(mirrored, expected, rtol=1e-5, atol=1e-6)
    assert_same(camera.flipped_horizontally().flipped_horizontally(), camera)


def test_distortion_follows_scale_and_crop_and_is_never_dropped() -> None:
    assert BARREL.scaled_to(width=320, height=240).D == BARREL.D
    assert BARREL.cropped(x=10, y=10, width=100, height=100).D == BARREL.D
    with pytest.raises(CameraError, match="mirroring needs a rectified image, this camera has plumb_bob distortion"):
        BARREL.flipped_horizontally()
    assert BARREL.undistorted() == CAMERA


def test_assumed_field_of_view() -> None:
    camera = CameraModel.with_assumed_fov(640, 480, 90.0)
    assert_same(camera, CameraModel(640, 480, 320.0, 320.0, 319.5, 239.5))
    assert camera.hfov_deg == pytest.approx(90.0)
    assert camera.vfov_deg == pytest.approx(math.degrees(2 * math.atan(240 / 320)))
    for angle in (0.0, 180.0, -5.0, math.nan):
        with pytest.raises(CameraError, match="field of view"):
            CameraModel.with_assumed_fov(640, 480, angle)


def test_focal_length_is_the_mean() -> None:
    assert CAMERA.focal_px == 605.0


def test_image_of_another_size_is_refused_with_both_sizes() -> None:
    CAMERA.check_image(640, 480)
    with pytest.raises(CameraError, match="image is 320x240 but its camera is 640x480"):
        CAMERA.check_image(320, 240)


@pytest.mark.parametrize("camera", [CAMERA, BARREL])
@pytest.mark.parametrize("rectified", [False, True])
def test_info_fields_are_read_back(camera: CameraModel, rectified: bool) -> None:
    info = SimpleNamespace(**camera.to_info_fields())
    expected = camera.undistorted() if rectified else camera
    assert CameraModel.from_camera_info(info, rectified=rectified) == expected


def test_info_of_a_rectified_image_has_plumb_bob_zeros_and_identity() -> None:
    fields = CAMERA.to_info_fields()
    assert (fields["distortion_model"], fields["d"]) == ("plumb_bob", [0.0] * 5)
    assert np.array_equal(np.reshape(fields["r"], (3, 3)), np.eye(3))
    assert np.array_equal(np.reshape(fields["k"], (3, 3)), CAMERA.K)
    assert np.array_equal(np.reshape(fields["p"], (3, 4)), np.column_stack([CAMERA.K, np.zeros(3)]))


def test_every_real_calibration_is_accepted(shared_data: Path) -> None:
    distorted = set()
    for frame in json.loads((shared_data / "index.json").read_text())["frames"]:
        info = SimpleNamespace(
            width=frame["width"],
            height=frame["height"],
            distortion_model=frame["distortion_model"],
            d=frame["D"],
            k=frame["K"],
        )
        camera = CameraModel.from_camera_info(info)
        assert 15.0 < camera.hfov_deg < 100.0
        if camera.is_distorted:
            distorted.add(frame["dataset"])
    assert {"tum_fr2", "pjlab_road"} <= distorted
