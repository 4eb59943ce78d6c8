"""Rectification: a flat wall comes out flat, and every pixel's source is where an independent lens model puts it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from depth_anything_ros import rectify
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, ImageError
from depth_anything_ros.geometry import ray_grid, unproject
from depth_anything_ros.rectify import Rectifier

CAMERAS = {
    "plumb_bob": CameraModel(320, 240, 260.0, 262.0, 157.0, 122.0, "plumb_bob", (-0.28, 0.09, 0.001, -0.0015, -0.01)),
    "pincushion": CameraModel(320, 240, 260.0, 262.0, 157.0, 122.0, "plumb_bob", (0.2, 0.05, -0.002, 0.001, 0.0)),
    "rational_polynomial": CameraModel(
        320, 240, 200.0, 201.0, 161.0, 118.0, "rational_polynomial", (0.9, 0.4, 3e-4, -2e-4, 0.03, 1.3, 0.7, 0.1)
    ),
    "equidistant": CameraModel(320, 240, 150.0, 151.0, 158.0, 121.0, "equidistant", (-0.02, 0.01, -0.004, 0.001)),
    "ideal fisheye": CameraModel(320, 240, 150.0, 150.0, 159.5, 119.5, "equidistant", (0.0, 0.0, 0.0, 0.0)),
}
# cv2.remap keeps 5 bits of a pixel's fraction.
MAP_ERROR_PX = 1.0 / 32.0

Array = npt.NDArray[np.float64]


def distort(camera: CameraModel, x: Array, y: Array) -> tuple[Array, Array]:
    """Raw pixel (u, v) of the rays (x, y, 1), from the models' definitions; shares nothing with OpenCV."""
    r2 = x**2 + y**2
    if camera.distortion_model == "equidistant":
        r = np.sqrt(r2)
        theta = np.arctan(r)
        k1, k2, k3, k4 = camera.D
        bent = theta + k1 * theta**3 + k2 * theta**5 + k3 * theta**7 + k4 * theta**9
        factor = np.where(r > 0.0, bent / np.where(r > 0.0, r, 1.0), 1.0)
        return camera.fx * x * factor + camera.cx, camera.fy * y * factor + camera.cy
    k1, k2, p1, p2, k3, k4, k5, k6 = (*camera.D, 0.0, 0.0, 0.0)[:8]
    factor = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    bent_x = x * factor + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
    bent_y = y * factor + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    return camera.fx * bent_x + camera.cx, camera.fy * bent_y + camera.cy


def raw_rays(camera: CameraModel) -> tuple[Array, Array]:
    """(x, y) of the ray through every raw pixel, (H, W) each, by OpenCV's inverse of the lens."""
    u_HW, v_HW = np.meshgrid(np.arange(camera.width, dtype=np.float64), np.arange(camera.height, dtype=np.float64))
    uv_N12 = np.stack([u_HW, v_HW], -1).reshape(-1, 1, 2)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 500, 1e-12)
    if camera.distortion_model == "equidistant":
        xy_N12 = cv2.fisheye.undistortPoints(uv_N12, camera.K, np.array(camera.D))
    else:
        xy_N12 = cv2.undistortPointsIter(uv_N12, camera.K, np.array(camera.D), np.eye(3), np.eye(3), criteria)
    xy_HW2 = xy_N12.reshape(camera.height, camera.width, 2)
    return xy_HW2[..., 0], xy_HW2[..., 1]


def sources(camera: CameraModel) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Raw (u, v) that each rectified pixel was taken from, read off by rectifying images of the coordinates."""
    u_HW, v_HW = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
    rectifier = Rectifier(camera)
    return rectifier(u_HW).astype(np.float64), rectifier(v_HW).astype(np.float64), rectifier.valid_HW


def assert_wall_is_flat(camera: CameraModel) -> None:
    normal = np.array([0.25, -0.15, 1.0]) / np.linalg.norm([0.25, -0.15, 1.0])
    distance = 1.5
    x_HW, y_HW = raw_rays(camera)
    facing = normal[0] * x_HW + normal[1] * y_HW + normal[2]
    # Far to the side of a wide lens the wall is out of reach; what would be seen there is of no interest.
    near = facing > 0.35
    raw_depth_HW = np.where(near, distance / np.where(near, facing, 1.0), np.nan).astype(np.float32)

    rectifier = Rectifier(camera)
    points_HW3 = unproject(np.where(rectifier.valid_HW, rectifier(raw_depth_HW), np.nan), rectifier.camera)
    residual = points_HW3[np.isfinite(points_HW3[..., 2])] @ normal - distance
    assert residual.size > 0.5 * camera.width * camera.height
    assert np.abs(residual).max() < 1e-3

    # The same depth, taken for a pinhole image, is a bent wall: the test would see distortion that is ignored.
    ignored_HW3 = unproject(raw_depth_HW, camera.undistorted())
    bent = ignored_HW3[np.isfinite(ignored_HW3[..., 2])] @ normal - distance
    assert np.abs(bent).max() > 5e-3


@pytest.mark.parametrize("name", CAMERAS)
def test_flat_wall_comes_out_flat(name: str) -> None:
    assert_wall_is_flat(CAMERAS[name])


@pytest.mark.parametrize("dataset", ["tum_fr2", "pjlab_road"])
def test_flat_wall_comes_out_flat_with_a_real_calibration(shared_data: Path, dataset: str) -> None:
    frames = json.loads((shared_data / "index.json").read_text())["frames"]
    frame = next(f for f in frames if f["dataset"] == dataset)
    K = frame["K"]
    camera = CameraModel(frame["width"], frame["height"], K[0], K[4], K[2], K[5], frame["distortion_model"], frame["D"])
    assert_wall_is_flat(camera)


@pytest.mark.parametrize("name", CAMERAS)
def test_every_source_is_where_the_lens_puts_it(name: str) -> None:
    camera = CAMERAS[name]
    u_HW, v_HW, valid_HW = sources(camera)
    rays_HW3 = ray_grid(camera.undistorted()).astype(np.float64)
    expected_u, expected_v = distort(camera, rays_HW3[..., 0], rays_HW3[..., 1])
    inside_HW = (expected_u > 0) & (expected_u < camera.width - 1) & (expected_v > 0) & (expected_v < camera.height - 1)
    assert valid_HW[inside_HW].all()
    assert np.abs(u_HW - expected_u)[inside_HW].max() < MAP_ERROR_PX
    assert np.abs(v_HW - expected_v)[inside_HW].max() < MAP_ERROR_PX
    outside_HW = (expected_u < -1) | (expected_u > camera.width) | (expected_v < -1) | (expected_v > camera.height)
    assert not valid_HW[outside_HW].any()


@pytest.mark.parametrize("name", CAMERAS)
def test_points_land_where_opencv_projects_them(name: str) -> None:
    camera = CAMERAS[name]
    u_HW, v_HW, valid_HW = sources(camera)
    rays_N3 = ray_grid(camera.undistorted())[valid_HW].astype(np.float64)
    zero = np.zeros(3)
    lens = cv2.fisheye if camera.distortion_model == "equidistant" else cv2
    if lens is cv2.fisheye:
        uv_N12, _ = cv2.fisheye.projectPoints(rays_N3[:, None], zero, zero, camera.K, np.array(camera.D))
    else:
        uv_N12, _ = cv2.projectPoints(rays_N3, zero, zero, camera.K, np.array(camera.D))
    uv_N2 = np.clip(uv_N12.reshape(-1, 2), 0, [camera.width - 1, camera.height - 1])
    assert np.abs(np.column_stack([u_HW[valid_HW], v_HW[valid_HW]]) - uv_N2).max() < MAP_ERROR_PX


def test_pixels_without_a_source_are_black_and_marked() -> None:
    rectifier = Rectifier(CAMERAS["pincushion"])
    white = np.full((240, 320, 3), 255, np.uint8)
    out = rectifier(white)
    assert not rectifier.valid_HW.all() and rectifier.valid_HW[120, 160]
    # Not even half of a border pixel is blended with the black outside.
    assert np.array_equal(out, white * rectifier.valid_HW[..., None])


@pytest.mark.parametrize(
    ("model", "D", "turn"),
    [
        ("plumb_bob", (-0.4, 0.0, 0.0, 0.0, 0.0), 1 / math.sqrt(3 * 0.4)),  # r - 0.4 r^3
        ("equidistant", (-0.5, 0.0, 0.0, 0.0), math.tan(1 / math.sqrt(3 * 0.5))),  # theta - 0.5 theta^3
    ],
)
def test_lens_that_folds_shows_nothing_twice(model: str, D: tuple[float, ...], turn: float) -> None:
    camera = CameraModel(320, 240, 160.0, 160.0, 159.5, 119.5, model, D)
    valid_HW = Rectifier(camera).valid_HW
    radius_HW = np.linalg.norm(ray_grid(camera.undistorted())[..., :2], axis=-1)
    assert radius_HW.max() > 1.15 * turn
    assert valid_HW[radius_HW < 0.999 * turn].all()
    assert not valid_HW[radius_HW > 1.001 * turn].any()
    u_HW, v_HW, _ = sources(camera)
    bent_HW = np.hypot(u_HW - camera.cx, v_HW - camera.cy)[120, 160:]
    seen = bent_HW[valid_HW[120, 160:]]
    assert (np.diff(seen) > -MAP_ERROR_PX).all()


def test_rational_lens_with_a_pole_is_cut_before_it() -> None:
    D = (0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0)  # 1 / (1 - r^2)
    camera = CameraModel(320, 240, 100.0, 100.0, 159.5, 119.5, "rational_polynomial", D)
    radius_HW = np.linalg.norm(ray_grid(camera.undistorted())[..., :2], axis=-1)
    assert not Rectifier(camera).valid_HW[radius_HW > 1.0].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
def test_shape_and_type_stay(dtype: npt.DTypeLike, channels: tuple[int, ...]) -> None:
    image = np.full((240, 320, *channels), 90, dtype)
    before = image.copy()
    out = Rectifier(CAMERAS["plumb_bob"])(image)
    assert out.shape == image.shape and out.dtype == image.dtype
    assert (out[100:140, 100:200] == 90).all() and np.array_equal(image, before)


def test_views_are_rectified_like_copies() -> None:
    rectifier = Rectifier(CAMERAS["plumb_bob"])
    rng = np.random.default_rng(0)
    padded = rng.integers(0, 256, (240, 330, 3), np.uint8)
    padded.flags.writeable = False
    view = padded[:, :320, ::-1]
    assert np.array_equal(rectifier(view), rectifier(np.ascontiguousarray(view)))


def test_maps_are_computed_once_shared_and_read_only() -> None:
    first, second = Rectifier(CAMERAS["plumb_bob"]), Rectifier(CAMERAS["plumb_bob"])
    assert first.valid_HW is second.valid_HW
    with pytest.raises(ValueError, match="read-only"):
        first.valid_HW[0, 0] = False
    limit = rectify._cached_maps.cache_info().maxsize
    assert limit is not None
    for focal in range(1, 3 * limit):
        Rectifier(CameraModel(4, 4, focal, focal, 2.0, 2.0, "plumb_bob", (0.1, 0.0, 0.0, 0.0, 0.0)))
    assert rectify._cached_maps.cache_info().currsize == limit


def test_of_large_images_only_one_camera_is_kept() -> None:
    before = rectify._cached_maps.cache_info()
    for focal in (3000.0, 3100.0, 3100.0):
        Rectifier(CameraModel(3900, 2160, focal, focal, 1950.0, 1080.0, "plumb_bob", (0.1, 0.0, 0.0, 0.0, 0.0)))
    assert rectify._cached_maps.cache_info() == before
    large = rectify._cached_large_maps.cache_info()
    assert (large.currsize, large.maxsize, large.hits) == (1, 1, 1)


@pytest.mark.parametrize("name", CAMERAS)
def test_nearest_copies_the_nearest_source(name: str) -> None:
    camera = CAMERAS[name]
    u_HW, v_HW = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
    rectifier = Rectifier(camera)
    linear_u, linear_v, valid_HW = sources(camera)
    for coordinate_HW, linear_HW in ((u_HW, linear_u), (v_HW, linear_v)):
        out = rectifier.nearest(coordinate_HW)
        assert out.dtype == np.float32 and np.array_equal(np.isnan(out), ~valid_HW)
        assert np.array_equal(out[valid_HW], np.rint(out[valid_HW]))
        assert np.abs(out - linear_HW)[valid_HW].max() <= 0.5 + 1e-4


def test_nearest_mixes_nothing_over_an_edge_or_with_the_unknown() -> None:
    depth_HW = np.full((240, 320), 1.0, np.float32)
    depth_HW[:, 160:] = 8.0
    depth_HW[100:110, 100:110] = np.nan
    depth_HW[0, 0] = np.inf
    out = Rectifier(CAMERAS["plumb_bob"]).nearest(depth_HW)
    values = out[~np.isnan(out)]
    assert set(np.unique(values[np.isfinite(values)])) == {1.0, 8.0}
    assert 80 <= np.isnan(out).sum() <= 130  # the square of 100 pixels, magnified a little, and nothing else


def test_what_cannot_be_rectified_is_refused() -> None:
    camera = CAMERAS["plumb_bob"]
    with pytest.raises(CameraError, match="rectified already"):
        Rectifier(camera.undistorted())
    with pytest.raises(CameraError, match="image is 240x320 but its camera is 320x240"):
        Rectifier(camera)(np.zeros((320, 240, 3), np.uint8))
    with pytest.raises(ImageError, match=r"shape \(240,\)"):
        Rectifier(camera)(np.zeros(240, np.uint8))
    with pytest.raises(ImageError, match=r"shape \(240, 320, 1\)"):
        Rectifier(camera).nearest(np.zeros((240, 320, 1), np.float32))
    with pytest.raises(CameraError, match="image is 240x320"):
        Rectifier(camera).nearest(np.zeros((320, 240), np.float32))
    with pytest.raises(CameraError, match="40000x10 is too large"):
        Rectifier(CameraModel(40000, 10, 100.0, 100.0, 20000.0, 5.0, "plumb_bob", (0.1, 0.0, 0.0, 0.0, 0.0)))


def test_rectified_camera_keeps_size_and_K() -> None:
    camera = CAMERAS["equidistant"]
    assert Rectifier(camera).camera == camera.undistorted()
