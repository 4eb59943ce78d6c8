"""Clouds through Open3D (extra ``cloud``): voxel down-sampling, removal of outliers, PLY.

Reached by name through ``point_cloud.load_open3d``; importing it needs Open3D and the system libraries it links to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open3d

from .errors import ConfigError, OutputError
from .point_cloud import PointCloudData, finite_points, pack_points


def voxel_downsample(cloud: PointCloudData, voxel_m: float) -> PointCloudData:
    """Return one point per occupied cube of `voxel_m` [m]: the mean place and colour of the points inside.

    The result is unorganised (one row) and holds finite points only. Raises ConfigError for a size that is not positive
    or too small to number the cubes.
    """
    if not 0.0 < voxel_m < np.inf:
        raise ConfigError(f"voxel size is {voxel_m} m; accepted: a positive number of metres")
    points = _to_open3d(cloud)
    try:
        return _from_open3d(points.voxel_down_sample(voxel_m), cloud)
    except RuntimeError as error:
        extent_m = float(np.max(points.get_max_bound() - points.get_min_bound()))
        raise ConfigError(f"voxel size is {voxel_m} m; too small for a cloud {extent_m:.3g} m long") from error


def remove_statistical_outliers(cloud: PointCloudData, neighbours: int = 20, std_ratio: float = 2.0) -> PointCloudData:
    """Return the cloud, unorganised, without the points that are unusually far from their neighbours.

    A point goes if its mean distance to its `neighbours` nearest points exceeds the mean of that over the cloud by more
    than `std_ratio` standard deviations. Raises ConfigError for fewer than 1 neighbour or a ratio that is not positive.
    """
    if neighbours < 1:
        raise ConfigError(f"number of neighbours is {neighbours}; accepted: 1 and more")
    if not 0.0 < std_ratio < np.inf:
        raise ConfigError(f"std_ratio is {std_ratio}; accepted: a positive number")
    points, _ = _to_open3d(cloud).remove_statistical_outlier(neighbours, std_ratio)
    return _from_open3d(points, cloud)


def write_ply(path: Path, cloud: PointCloudData) -> None:
    """Write the finite points of a cloud to a binary PLY (float64 coordinates). Raises OutputError if it cannot."""
    if path.suffix != ".ply":
        raise OutputError(f"cannot write {path}: the name must end in .ply")
    points = _to_open3d(cloud)
    if not points.has_points() or not open3d.io.write_point_cloud(path, points, write_ascii=False):
        reason = "Open3D could not create the file" if points.has_points() else "Open3D writes no cloud without points"
        raise OutputError(f"cannot write {path}: {reason}")


def _to_open3d(cloud: PointCloudData) -> Any:
    xyz_N3, rgb_N3 = finite_points(cloud)
    points = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(xyz_N3.astype(np.float64)))
    if rgb_N3 is not None:
        points.colors = open3d.utility.Vector3dVector(rgb_N3.astype(np.float64) / 255.0)
    return points


def _from_open3d(points: Any, like: PointCloudData) -> PointCloudData:
    # An empty cloud has lost its colours in Open3D, but the message keeps its fields.
    has_colour = any(field.name == "rgb" for field in like.fields)
    rgb_N3 = np.rint(np.asarray(points.colors) * 255.0).astype(np.uint8).reshape(-1, 3) if has_colour else None
    return pack_points(np.asarray(points.points).astype(np.float32).reshape(-1, 3), rgb_N3)
