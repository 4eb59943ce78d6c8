"""Points out of a sensor_msgs/PointCloud2, whoever laid it out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ImageError
from .message_fields import as_bytes

# sensor_msgs/PointField's numbers.
_FLOATS = {7: "f4", 8: "f8"}


def cloud_points(cloud: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Return the finite points (N, 3) [m] and colours (N, 3) uint8 of a PointCloud2; grey if it has none.

    Raises ImageError for a cloud without float32 or float64 x, y and z, or whose data is shorter than it says.
    """
    fields = {str(field.name): field for field in cloud.fields if int(field.datatype) in _FLOATS}
    if not {"x", "y", "z"} <= fields.keys():
        names = ", ".join(str(field.name) for field in cloud.fields)
        raise ImageError(f"the cloud has the fields {names}; float32 or float64 x, y, z are needed")
    data, step = as_bytes(cloud.data), int(cloud.point_step)
    height, width, row_step = int(cloud.height), int(cloud.width), int(cloud.row_step)
    if data.size < row_step * height or row_step < step * width:
        raise ImageError(f"the cloud has {data.size} bytes; {height} rows of {width} points of {step} need more")
    rows = data[: row_step * height].reshape(height, row_step)[:, : step * width].reshape(-1, step)
    order = ">" if cloud.is_bigendian else "<"
    planes = []
    for axis in "xyz":
        first, kind = int(fields[axis].offset), np.dtype(order + _FLOATS[int(fields[axis].datatype)])
        if first + kind.itemsize > step:
            raise ImageError(f"the cloud has {axis} at byte {first} of points of {step} bytes")
        planes.append(np.ascontiguousarray(rows[:, first : first + kind.itemsize]).view(kind)[:, 0])
    with np.errstate(over="ignore"):
        points_N3 = np.stack(planes, axis=1).astype(np.float32)
    finite_N = np.isfinite(points_N3).all(axis=1)
    if "rgb" not in fields or int(fields["rgb"].datatype) != 7:
        return points_N3[finite_N], np.full((int(finite_N.sum()), 3), 200, np.uint8)
    packed = rows[:, int(fields["rgb"].offset) : int(fields["rgb"].offset) + 4]
    bgr_N3 = packed[:, 3:0:-1] if cloud.is_bigendian else packed[:, :3]
    return points_N3[finite_N], np.ascontiguousarray((bgr_N3[:, ::-1])[finite_N])
