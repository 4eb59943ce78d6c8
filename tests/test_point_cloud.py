"""Clouds: where every byte lies, which pixels become points, and that a cloud that is kept never changes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, ConfigError, ImageError, MissingDependency
from depth_anything_ros.geometry import unproject
from depth_anything_ros.point_cloud import CloudBuilder, PointCloudData, finite_points, load_open3d, pack_points

NAN, INF = np.nan, np.inf
CAMERA = CameraModel(width=3, height=2, fx=2.0, fy=4.0, cx=1.0, cy=0.5)


def read_points(cloud: PointCloudData) -> np.ndarray:
    """Read a cloud as a consumer does: by its fields, offsets and steps. Structured (H, W)."""
    dtype = np.dtype(
        {
            "names": [field.name for field in cloud.fields],
            "formats": ["<f4"] * len(cloud.fields),
            "offsets": [field.offset for field in cloud.fields],
            "itemsize": cloud.point_step,
        }
    )
    assert all((field.datatype, field.count) == (7, 1) for field in cloud.fields)
    assert cloud.row_step == cloud.width * cloud.point_step
    assert len(cloud.data) == cloud.height * cloud.row_step
    return np.frombuffer(cloud.data, dtype).reshape(cloud.height, cloud.width)


def xyz(cloud: PointCloudData) -> np.ndarray:
    points_HW = read_points(cloud)
    return np.stack([points_HW["x"], points_HW["y"], points_HW["z"]], axis=-1)


def random_frame(camera: CameraModel, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (camera.height, camera.width)
    depth_HW = rng.uniform(0.3, 20.0, shape).astype(np.float32)
    for value in (NAN, INF, -INF, 0.0, -2.0):
        depth_HW[rng.random(shape) < 0.02] = value
    return depth_HW, rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_a_hand_computed_cloud() -> None:
    depth_HW = np.array([[1.0, 2.0, 4.0], [8.0, 1.0, 2.0]], np.float32)
    image_HW3 = np.zeros((2, 3, 3), np.uint8)
    image_HW3[0, 1] = (0x11, 0x22, 0x33)
    cloud = CloudBuilder(CAMERA).build(depth_HW, image_HW3)
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (2, 3, 16, 48)
    assert not cloud.is_dense and not cloud.is_bigendian
    assert [(field.name, field.offset) for field in cloud.fields] == [("x", 0), ("y", 4), ("z", 8), ("rgb", 12)]
    expected = [[(-0.5, -0.125, 1), (0, -0.25, 2), (2, -0.5, 4)], [(-4, 1, 8), (0, 0.125, 1), (1, 0.25, 2)]]
    np.testing.assert_array_equal(xyz(cloud), np.array(expected, np.float32))
    assert cloud.data[16:32].tobytes() == np.array([0.0, -0.25, 2.0], "<f4").tobytes() + bytes.fromhex("33221100")


@pytest.mark.parametrize("size", [(64, 48), (1280, 400), (2000, 333)])
def test_points_are_those_of_the_one_geometry(
    size: tuple[int, int], tolerance: Mapping[str, Mapping[str, float]]
) -> None:
    """The larger sizes are filled in several bands, the last of them shorter."""
    camera = CameraModel.with_assumed_fov(*size, hfov_deg=75.0)
    depth_HW, image_HW3 = random_frame(camera)
    builder = CloudBuilder(camera)
    for seed in (1, 2):  # the second frame meets memory that the first has used
        depth_HW, image_HW3 = random_frame(camera, seed)
        np.testing.assert_allclose(
            xyz(builder.build(depth_HW, image_HW3)), unproject(depth_HW, camera), **tolerance["float32"]
        )


def test_colours_are_packed_as_blue_green_red_zero() -> None:
    camera = CameraModel.with_assumed_fov(40, 30)
    depth_HW, image_HW3 = random_frame(camera)
    image_HW3[0, 0] = 255
    packed = read_points(CloudBuilder(camera).build(depth_HW, image_HW3))["rgb"].copy().view(np.uint32)
    red, green, blue = (image_HW3[..., channel].astype(np.uint32) for channel in range(3))
    np.testing.assert_array_equal(packed, red << 16 | green << 8 | blue)


def test_no_colour_makes_a_point_look_missing() -> None:
    """Regression of a known trap: with alpha 255 the float of a bright red is NaN, and readers drop the point."""
    camera = CameraModel.with_assumed_fov(4, 4)
    cloud = CloudBuilder(camera).build(np.ones((4, 4), np.float32), np.full((4, 4, 3), 255, np.uint8))
    assert not np.isnan(read_points(cloud)["rgb"]).any()


@pytest.mark.parametrize("value", [NAN, INF, -INF, 0.0, -0.0, -1.0])
def test_what_is_no_depth_is_a_point_of_nan(value: float) -> None:
    depth_HW = np.full((2, 3), 2.0, np.float32)
    depth_HW[1, 2] = value
    points_HW3 = xyz(CloudBuilder(CAMERA).build(depth_HW))
    assert np.isnan(points_HW3[1, 2]).all()
    assert np.isfinite(points_HW3.reshape(-1, 3)[:-1]).all()
    np.testing.assert_array_equal(depth_HW[1, 2], np.float32(value))  # the depth image keeps its meaning


def test_a_cloud_without_image_has_no_colour_field() -> None:
    cloud = CloudBuilder(CAMERA).build(np.ones((2, 3), np.float32))
    assert [field.name for field in cloud.fields] == ["x", "y", "z"]
    assert cloud.point_step == 16
    assert finite_points(cloud)[1] is None


def test_the_padded_layout_holds_the_same_points() -> None:
    camera = CameraModel.with_assumed_fov(32, 24)
    depth_HW, image_HW3 = random_frame(camera)
    plain, padded = (CloudBuilder(camera, padded=wide).build(depth_HW, image_HW3) for wide in (False, True))
    assert (padded.point_step, padded.fields[3].offset) == (32, 16)
    np.testing.assert_array_equal(xyz(plain), xyz(padded))
    assert read_points(plain)["rgb"].tobytes() == read_points(padded)["rgb"].tobytes()


@pytest.mark.parametrize("size", [(41, 30), (42, 84)])
@pytest.mark.parametrize("stride", [2, 3, 7, 100])
def test_thinning_leaves_the_points_where_they_are(stride: int, size: tuple[int, int]) -> None:
    camera = CameraModel.with_assumed_fov(*size)
    depth_HW, image_HW3 = random_frame(camera)
    thinned = CloudBuilder(camera, stride=stride).build(depth_HW, image_HW3)
    every = read_points(CloudBuilder(camera).build(depth_HW, image_HW3))[::stride, ::stride]
    assert (thinned.height, thinned.width) == every.shape
    assert read_points(thinned).tobytes() == every.tobytes()


def test_an_image_with_padded_rows_gives_the_same_cloud() -> None:
    depth_HW, image_HW3 = random_frame(CAMERA)
    padded_rows = np.zeros((2, 5, 3), np.uint8)
    padded_rows[:, :3] = image_HW3
    view = padded_rows[:, :3]
    view.flags.writeable = False
    builder = CloudBuilder(CAMERA)
    assert builder.build(depth_HW, view).data == builder.build(depth_HW, image_HW3).data


def test_a_cloud_that_is_kept_is_never_written_to_again() -> None:
    camera = CameraModel.with_assumed_fov(64, 48)
    builder = CloudBuilder(camera)
    frames = [random_frame(camera, seed) for seed in range(8)]
    clouds = [builder.build(*frame) for frame in frames]
    only_views = [np.frombuffer(builder.build(*frame).data, np.uint8) for frame in frames]
    for frame, cloud, view in zip(frames, clouds, only_views, strict=True):
        expected = CloudBuilder(camera).build(*frame).data
        assert cloud.data == expected
        assert view.tobytes() == expected.tobytes()


def test_memory_stays_flat_when_clouds_are_let_go() -> None:
    camera = CameraModel.with_assumed_fov(64, 48)
    builder, frame = CloudBuilder(camera), random_frame(camera)
    message = builder.build(*frame).data
    addresses = set()
    for _ in range(200):
        message = builder.build(*frame).data  # the last message is let go only when the next one is there
        addresses.add(message.buffer_info()[0])
    assert len(addresses) == 2


def test_finite_points_are_the_points_with_a_place() -> None:
    camera = CameraModel.with_assumed_fov(20, 10)
    depth_HW, image_HW3 = random_frame(camera)
    for padded in (False, True):
        points_N3, rgb_N3 = finite_points(CloudBuilder(camera, padded=padded).build(depth_HW, image_HW3))
        has_place = np.isfinite(depth_HW) & (depth_HW > 0)
        np.testing.assert_allclose(points_N3, unproject(depth_HW, camera)[has_place], rtol=1e-6)
        assert rgb_N3 is not None
        np.testing.assert_array_equal(rgb_N3, image_HW3[has_place])


@pytest.mark.parametrize("num_points", [0, 1, 17])
def test_packed_points_come_back(num_points: int) -> None:
    rng = np.random.default_rng(3)
    points_N3 = rng.normal(size=(num_points, 3)).astype(np.float32)
    rgb_N3 = rng.integers(0, 256, (num_points, 3), dtype=np.uint8)
    cloud = pack_points(points_N3, rgb_N3)
    assert (cloud.height, cloud.width, cloud.row_step, cloud.is_dense) == (1, num_points, 16 * num_points, True)
    read_N3, read_rgb_N3 = finite_points(cloud)
    np.testing.assert_array_equal(read_N3, points_N3)
    assert read_rgb_N3 is not None
    np.testing.assert_array_equal(read_rgb_N3, rgb_N3)
    assert finite_points(pack_points(points_N3))[1] is None


@pytest.mark.parametrize(("points", "colours"), [((4, 2), None), ((4, 3), (3, 3)), ((4, 3), (4, 4))])
def test_arrays_that_do_not_fit_are_not_packed(points: tuple[int, int], colours: tuple[int, int] | None) -> None:
    with pytest.raises(ImageError, match=r"\(N, 3\)"):
        pack_points(np.zeros(points, np.float32), None if colours is None else np.zeros(colours, np.uint8))


def test_a_distorted_camera_is_refused() -> None:
    with pytest.raises(CameraError, match="plumb_bob"):
        CloudBuilder(replace(CAMERA, distortion_model="plumb_bob", D=(0.1, 0.0, 0.0, 0.0, 0.0)))


@pytest.mark.parametrize("stride", [0, -1])
def test_a_stride_below_one_is_refused(stride: int) -> None:
    with pytest.raises(ConfigError, match="stride"):
        CloudBuilder(CAMERA, stride=stride)


def test_another_size_or_type_is_refused() -> None:
    builder, depth_HW = CloudBuilder(CAMERA), np.ones((2, 3), np.float32)
    with pytest.raises(CameraError, match=r"2x3.*3x2"):
        builder.build(np.ones((3, 2), np.float32))
    with pytest.raises(ImageError, match="float64"):
        builder.build(np.ones((2, 3)))  # type: ignore[arg-type]
    for wrong in (np.zeros((2, 3), np.uint8), np.zeros((3, 2, 3), np.uint8), np.zeros((2, 3, 3), np.float32)):
        with pytest.raises(ImageError, match=r"uint8 \(2, 3, 3\)"):
            builder.build(depth_HW, wrong)


def test_showing_a_cloud_does_not_print_its_bytes() -> None:
    assert len(repr(CloudBuilder(CAMERA).build(np.ones((2, 3), np.float32)))) < 600


def forget_open3d(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "open3d"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "depth_anything_ros.open3d_cloud", raising=False)


def test_absent_open3d_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_open3d(monkeypatch)
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(MissingDependency, match=r"open3d is not installed.*depth_anything_ros\[cloud\]"):
        load_open3d()


def test_a_missing_system_library_names_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_open3d(monkeypatch)
    (tmp_path / "open3d.py").write_text("raise ImportError('libusb-1.0.so.0: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    with pytest.raises(MissingDependency, match=r"does not import \(libusb-1\.0\.so\.0.*libusb-1\.0-0"):
        load_open3d()
