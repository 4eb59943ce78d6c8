"""PLY files: every byte, and the cases without points or colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.errors import OutputError
from depth_anything_ros.ply import write_ply


def read_ply(path: Path) -> np.ndarray:
    """Read a binary little-endian PLY of one element by its header."""
    header, _, body = path.read_bytes().partition(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    types = {"float": "<f4", "double": "<f8", "uchar": "u1"}
    layout = [(line.split()[2], types[line.split()[1]]) for line in lines if line.startswith("property")]
    (count,) = (int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    vertices = np.frombuffer(body, np.dtype(layout))
    assert len(vertices) == count
    return vertices


def test_the_bytes_of_one_point(tmp_path: Path) -> None:
    path = tmp_path / "one.ply"
    write_ply(path, np.array([[1.0, -2.0, 0.5]], np.float32), np.array([[1, 2, 255]], np.uint8))
    header = (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1\n"
        b"property float x\nproperty float y\nproperty float z\n"
        b"property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    )
    assert path.read_bytes() == header + bytes.fromhex("0000803f000000c00000003f" + "0102ff")


@pytest.mark.parametrize("num_points", [0, 1, 500])
@pytest.mark.parametrize("coloured", [False, True])
def test_points_come_back(tmp_path: Path, num_points: int, coloured: bool) -> None:
    rng = np.random.default_rng(0)
    points_N3 = rng.normal(size=(num_points, 3)).astype(np.float32)
    rgb_N3 = rng.integers(0, 256, (num_points, 3), dtype=np.uint8) if coloured else None
    write_ply(tmp_path / "a.ply", points_N3, rgb_N3)
    vertices = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(np.stack([vertices[axis] for axis in "xyz"], axis=-1), points_N3)
    assert ("red" in vertices.dtype.names) == coloured
    if rgb_N3 is not None:
        stored = np.stack([vertices[colour] for colour in ("red", "green", "blue")], axis=-1)
        np.testing.assert_array_equal(stored, rgb_N3)


@pytest.mark.parametrize(
    ("points", "colours"),
    [(np.zeros((4, 2)), None), (np.zeros(3), None), (np.zeros((4, 3)), np.zeros((3, 3), np.uint8))],
)
def test_arrays_that_do_not_fit_write_no_file(tmp_path: Path, points: np.ndarray, colours: np.ndarray | None) -> None:
    with pytest.raises(OutputError, match=r"bad\.ply"):
        write_ply(tmp_path / "bad.ply", points, colours)
    assert not list(tmp_path.iterdir())


def test_colours_that_are_no_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="float64"):
        write_ply(tmp_path / "bad.ply", np.zeros((2, 3)), np.zeros((2, 3)))  # type: ignore[arg-type]
