"""PLY and PCD files: ours, other people's layouts, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.calibrate.cloud_files import read_cloud_file
from depth_anything_ros.errors import SourceError
from depth_anything_ros.ply import write_ply

POINTS = np.array([[1.5, -2.0, 3.0], [0.25, 5.0, -6.0], [7.0, 8.0, 9.0]], np.float32)


def pcd_header(fields: str, sizes: str, types: str, counts: str, data: str, points: int = 3) -> bytes:
    lines = ["# .PCD v0.7", "VERSION 0.7", f"FIELDS {fields}", f"SIZE {sizes}", f"TYPE {types}", f"COUNT {counts}"]
    lines += [f"WIDTH {points}", "HEIGHT 1", "VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {points}", f"DATA {data}"]
    return ("\n".join(lines) + "\n").encode()


def ply_header(form: str, *lines: str) -> bytes:
    return "\n".join(["ply", f"format {form} 1.0", "comment made by a test", *lines, "end_header", ""]).encode()


VERTEX = ("element vertex 3", "property double x", "property float y", "property float z", "property uchar red")


def written(folder: Path, data: bytes) -> Path:
    path = folder / "cloud"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("coloured", [False, True])
def test_what_the_package_writes(tmp_path: Path, coloured: bool) -> None:
    path = tmp_path / "a.ply"
    write_ply(path, POINTS, np.zeros((3, 3), np.uint8) if coloured else None)
    np.testing.assert_array_equal(read_cloud_file(path), POINTS)


@pytest.mark.parametrize(("form", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_binary_ply_with_faces_behind_the_vertices(tmp_path: Path, form: str, order: str) -> None:
    layout = [("x", f"{order}f8"), ("y", f"{order}f4"), ("z", f"{order}f4"), ("red", "u1")]
    table = np.zeros(3, layout)
    for i, axis in enumerate("xyz"):
        table[axis] = POINTS[:, i]
    head = ply_header(form, *VERTEX, "element face 1", "property list uchar int vertex_indices")
    data = head + table.tobytes() + b"\x03" + bytes(12)
    np.testing.assert_array_equal(read_cloud_file(written(tmp_path, data)), POINTS)


def test_ascii_ply_with_windows_line_ends(tmp_path: Path) -> None:
    rows = "".join(f"{x} {y} {z} 255\n" for x, y, z in POINTS)
    data = ply_header("ascii", *VERTEX) + rows.encode()
    np.testing.assert_array_equal(read_cloud_file(written(tmp_path, data.replace(b"\n", b"\r\n"))), POINTS)


def test_ascii_pcd_leaves_out_what_has_no_place(tmp_path: Path) -> None:
    rows = "1.5 -2 3 0.1\nnan nan nan 0\n7 8 9 0.5\n"
    data = pcd_header("x y z intensity", "4 4 4 4", "F F F F", "1 1 1 1", "ascii") + rows.encode()
    np.testing.assert_array_equal(read_cloud_file(written(tmp_path, data)), POINTS[[0, 2]])


def test_binary_pcd_with_padding_and_a_histogram(tmp_path: Path) -> None:
    layout = [("x", "<f4"), ("p", "u1", 2), ("y", "<f4"), ("z", "<f4"), ("q", "u1", 1), ("h", "<u2", 3)]
    table = np.zeros(3, layout)
    for i, axis in enumerate("xyz"):
        table[axis] = POINTS[:, i]
    head = pcd_header("x _ y z _ h", "4 1 4 4 1 2", "F U F F U U", "1 2 1 1 1 3", "binary")
    np.testing.assert_array_equal(read_cloud_file(written(tmp_path, head + table.tobytes())), POINTS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not one of a cloud"),
        (b"PNG nonsense\n" * 500, "not one of a cloud"),
        (pcd_header("x y z", "4 4 4", "F F F", "1 1 1", "binary") + bytes(35), "fewer than its 3 points"),
        (pcd_header("x y z", "4 4 4", "F F F", "1 1 1", "ascii") + b"1 2 3\n4 5", "fewer than its 3 points"),
        (
            pcd_header("x y z", "4 4 4", "F F F", "1 1 1", "binary_compressed") + bytes(99),
            "pcl_convert_pcd_ascii_binary",
        ),
        (pcd_header("x y", "4 4", "F F", "1 1", "binary") + bytes(99), "has no 'z'"),
        (pcd_header("x y z", "4 4", "F F F", "1 1 1", "binary") + bytes(99), "shorter"),
        (pcd_header("x y z", "4 4 4", "F F F", "1 1 1", "binary", -1) + bytes(99), "fewer than its -1 points"),
        (pcd_header("x y z", "4 4 4", "F F F", "1 1 1", "ascii", 1) + b"nan nan nan\n", "no finite points"),
        (pcd_header("x y z", "4 4 4", "F F F", "1 1 1", "ascii", 1) + b"a b c\n", "could not convert"),
        (ply_header("ascii", "element face 1", "property float x"), "its first element is face, not vertex"),
        (ply_header("ascii", "element vertex 1", "property list uchar int x"), "property of type list"),
        (ply_header("binary_middle_endian", *VERTEX), "format is binary_middle_endian"),
        (ply_header("ascii"), "accepted: PLY and PCD"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message) as raised:
        read_cloud_file(written(tmp_path, data))
    assert "\n" not in str(raised.value) and str(tmp_path / "cloud") in str(raised.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none.pcd cannot be read: No such file"):
        read_cloud_file(tmp_path / "none.pcd")
