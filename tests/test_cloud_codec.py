"""Points out of PointCloud2 messages: our layouts, other people's, and malformed ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.bag.messages import MESSAGES
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.cloud_codec import cloud_points
from depth_anything_ros.errors import ImageError
from depth_anything_ros.point_cloud import CloudBuilder
from tests.sample_bags import picture

CAMERA = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)


def cloud(*, padded: bool = False, coloured: bool = True) -> Any:
    """A wall at 2 m with a hole."""
    depth_HW = np.full((48, 64), 2.0, np.float32)
    depth_HW[0, 0] = np.nan
    data = CloudBuilder(CAMERA, padded=padded).build(depth_HW, picture() if coloured else None)
    return MESSAGES.cloud(MESSAGES.header(1, "optical"), data)


def lidar_cloud(layout: dict[str, str], *, is_bigendian: bool = False) -> Any:
    """Two rows of three points, fields of NumPy's formats, and five bytes of padding behind each row."""
    points = np.zeros(6, list(layout.items()))
    for axis, first in (("x", 0.0), ("y", 10.0), ("z", 20.0)):
        points[axis] = first + np.arange(6)
    offsets = points.dtype.fields
    assert offsets is not None
    step = points.dtype.itemsize
    return SimpleNamespace(
        fields=[
            SimpleNamespace(name=name, offset=offsets[name][1], datatype={"f4": 7, "f8": 8, "u2": 4}[form[1:]])
            for name, form in layout.items()
        ],
        data=b"".join(points[row : row + 3].tobytes() + b"\xff" * 5 for row in (0, 3)),
        height=2,
        width=3,
        point_step=step,
        row_step=3 * step + 5,
        is_bigendian=is_bigendian,
    )


@pytest.mark.parametrize("padded", [False, True])
def test_points_and_colours_are_read_back(padded: bool) -> None:
    points_N3, rgb_N3 = cloud_points(cloud(padded=padded))
    assert points_N3.shape == rgb_N3.shape == (64 * 48 - 1, 3)
    assert np.all(points_N3[:, 2] == 2.0)
    np.testing.assert_allclose(points_N3[0], [2.0 * (1 - 31.5) / 50, 2.0 * -23.5 / 50, 2.0], rtol=1e-6)
    np.testing.assert_array_equal(rgb_N3, picture().reshape(-1, 3)[1:])


def test_a_cloud_without_colour_is_grey() -> None:
    assert np.all(cloud_points(cloud(coloured=False))[1] == 200)


@pytest.mark.parametrize(
    ("layout", "is_bigendian"),
    [
        ({"ring": "<u2", "x": "<f4", "y": "<f4", "z": "<f4"}, False),
        ({"x": "<f8", "y": "<f8", "z": "<f8", "intensity": "<f4"}, False),
        ({"z": ">f4", "y": ">f4", "x": ">f4"}, True),
    ],
)
def test_other_layouts_are_read(layout: dict[str, str], is_bigendian: bool) -> None:
    points_N3, _ = cloud_points(lidar_cloud(layout, is_bigendian=is_bigendian))
    np.testing.assert_array_equal(points_N3, np.arange(6)[:, None] + [0.0, 10.0, 20.0])


def test_points_without_a_place_are_left_out() -> None:
    message = lidar_cloud({"x": "<f4", "y": "<f4", "z": "<f4"})
    data = bytearray(message.data)
    data[4:8] = np.float32(np.nan).tobytes()
    message.data = bytes(data)
    assert cloud_points(message)[0][:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_malformed_cloud_is_refused() -> None:
    short = cloud()
    short.data = short.data[:100]
    with pytest.raises(ImageError, match="100 bytes; 48 rows of 64 points"):
        cloud_points(short)
    nameless = cloud()
    nameless.fields[2].name = "depth"
    with pytest.raises(ImageError, match="x, y, z are needed"):
        cloud_points(nameless)
    outside = cloud()
    outside.fields[2].offset = 14
    with pytest.raises(ImageError, match="z at byte 14 of points of 16 bytes"):
        cloud_points(outside)
