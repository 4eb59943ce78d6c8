"""Open3D's part: needs the extra ``cloud`` and the system libraries that its wheel links to; skipped without them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from depth_anything_ros.errors import ConfigError, MissingDependency, OutputError
from depth_anything_ros.ply import write_ply
from depth_anything_ros.point_cloud import finite_points, load_open3d, pack_points


@pytest.fixture(scope="module")
def clouds() -> ModuleType:
    try:
        return load_open3d()
    except MissingDependency as error:
        pytest.skip(str(error))


def test_one_point_per_voxel_with_the_mean_place_and_colour(clouds: ModuleType) -> None:
    # Open3D centres its grid half a voxel before the lowest corner: cubes end at 0.5, 1.5, ...
    points_N3 = np.array([[0.0, 0, 0], [0.2, 0.2, 0.2], [3.0, 0, 0]], np.float32)
    rgb_N3 = np.array([[10, 20, 30], [30, 40, 50], [200, 0, 0]], np.uint8)
    cloud = clouds.voxel_downsample(pack_points(points_N3, rgb_N3), 1.0)
    mean_N3, colour_N3 = finite_points(cloud)
    order = np.argsort(mean_N3[:, 0])
    np.testing.assert_allclose(mean_N3[order], [[0.1, 0.1, 0.1], [3.0, 0.0, 0.0]], atol=1e-6)
    np.testing.assert_array_equal(colour_N3[order], [[20, 30, 40], [200, 0, 0]])
    assert (cloud.height, cloud.is_dense) == (1, True)


def test_voxels_thin_a_plane_to_the_expected_number(clouds: ModuleType) -> None:
    u, v = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    plane_N3 = np.stack([u, v, np.full_like(u, 2.0)], axis=-1).reshape(-1, 3).astype(np.float32)
    thinned_N3, colours = finite_points(clouds.voxel_downsample(pack_points(plane_N3), 0.1))
    assert 100 <= len(thinned_N3) <= 121
    assert colours is None
    np.testing.assert_allclose(thinned_N3[:, 2], 2.0)


def test_points_without_a_place_are_left_out(clouds: ModuleType) -> None:
    points_N3 = np.array([[np.nan] * 3, [1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_array_equal(
        finite_points(clouds.voxel_downsample(pack_points(points_N3), 0.5))[0], [[1.0, 2.0, 3.0]]
    )


def test_a_lonely_point_is_an_outlier(clouds: ModuleType) -> None:
    grid = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
    points_N3 = np.vstack([grid, [[40.0, 40.0, 40.0]]]).astype(np.float32)
    rgb_N3 = np.full((len(points_N3), 3), 7, np.uint8)
    kept_N3, colour_N3 = finite_points(clouds.remove_statistical_outliers(pack_points(points_N3, rgb_N3), 8, 3.0))
    np.testing.assert_array_equal(np.unique(kept_N3, axis=0), np.unique(grid, axis=0))
    assert (colour_N3 == 7).all()


def test_an_empty_cloud_stays_empty_and_keeps_its_fields(clouds: ModuleType) -> None:
    empty = pack_points(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8))
    for result in (clouds.voxel_downsample(empty, 0.1), clouds.remove_statistical_outliers(empty)):
        assert (result.width, len(result.data), result.fields) == (0, 0, empty.fields)


def test_both_writers_give_the_same_cloud(clouds: ModuleType, tmp_path: Path) -> None:
    import open3d

    rng = np.random.default_rng(1)
    points_N3 = rng.normal(size=(50, 3)).astype(np.float32)
    rgb_N3 = rng.integers(0, 256, (50, 3), dtype=np.uint8)
    clouds.write_ply(tmp_path / "open3d.ply", pack_points(points_N3, rgb_N3))
    write_ply(tmp_path / "numpy.ply", points_N3, rgb_N3)
    for name in ("open3d.ply", "numpy.ply"):
        read = open3d.io.read_point_cloud(tmp_path / name)
        np.testing.assert_allclose(np.asarray(read.points), points_N3, rtol=1e-6)
        np.testing.assert_array_equal(np.rint(np.asarray(read.colors) * 255), rgb_N3)


@pytest.mark.parametrize("voxel_m", [0.0, -0.1, np.nan, np.inf, 1e-12])
def test_a_voxel_size_without_meaning_is_refused(clouds: ModuleType, voxel_m: float) -> None:
    cloud = pack_points(np.array([[0.0, 0, 0], [10.0, 0, 0]], np.float32))
    with pytest.raises(ConfigError, match="voxel size"):
        clouds.voxel_downsample(cloud, voxel_m)


@pytest.mark.parametrize(("neighbours", "std_ratio"), [(0, 2.0), (20, 0.0), (20, np.nan)])
def test_outlier_settings_without_meaning_are_refused(clouds: ModuleType, neighbours: int, std_ratio: float) -> None:
    with pytest.raises(ConfigError, match="accepted"):
        clouds.remove_statistical_outliers(pack_points(np.zeros((3, 3), np.float32)), neighbours, std_ratio)


def test_a_file_that_cannot_be_written_is_one_error(clouds: ModuleType, tmp_path: Path) -> None:
    cloud = pack_points(np.zeros((3, 3), np.float32))
    with pytest.raises(OutputError, match="absent"):
        clouds.write_ply(tmp_path / "absent" / "a.ply", cloud)
    with pytest.raises(OutputError, match=r"end in \.ply"):
        clouds.write_ply(tmp_path / "a.xyz", cloud)
    with pytest.raises(OutputError, match="without points"):
        clouds.write_ply(tmp_path / "a.ply", pack_points(np.zeros((0, 3), np.float32)))
