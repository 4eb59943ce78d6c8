"""PLY files of point clouds, written with NumPy alone; Open3D, MeshLab, CloudCompare and Blender read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import OutputError


def write_ply(path: Path, points_N3: npt.NDArray[Any], rgb_N3: npt.NDArray[np.uint8] | None = None) -> None:
    """Write (N, 3) points [m] as float32, and their RGB (N, 3) uint8 if given, to a binary little-endian PLY.

    N may be 0. The file is written in place; give a temporary path and rename it where it must be whole or absent.
    Raises OutputError for arrays that do not fit each other, OSError as the file system does.
    """
    if points_N3.ndim != 2 or points_N3.shape[1] != 3:
        raise OutputError(f"cannot write {path}: points have shape {points_N3.shape}; accepted: (N, 3)")
    if rgb_N3 is not None and (rgb_N3.shape != points_N3.shape or rgb_N3.dtype != np.uint8):
        raise OutputError(
            f"cannot write {path}: colours are {rgb_N3.dtype} {rgb_N3.shape}; accepted: uint8 {points_N3.shape}"
        )
    layout: list[Any] = [("xyz", "<f4", (3,))]
    properties = [f"property float {axis}" for axis in "xyz"]
    if rgb_N3 is not None:
        layout.append(("rgb", "u1", (3,)))
        properties += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    vertices_N = np.empty(len(points_N3), layout)
    vertices_N["xyz"] = points_N3
    if rgb_N3 is not None:
        vertices_N["rgb"] = rgb_N3
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points_N3)}", *properties, "end_header"]
    with path.open("wb") as file:
        file.write(("\n".join(header) + "\n").encode("ascii"))
        file.write(vertices_N.tobytes())
