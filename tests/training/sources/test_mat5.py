"""MAT files of level 5: plain, small and compressed elements, both byte orders, and damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.errors import SourceError
from tests.training.sources.mat_files import CELL_CLASS, compressed, mat_file, matrix
from training.sources.mat5 import read_mat


@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_come_back_from_both_byte_orders(tmp_path: Path, order: str) -> None:
    # MATLAB stores doubles that are whole numbers in the smallest type, and few of them inside the tag.
    long, short = np.arange(1, 796, dtype=np.uint16), np.array([7], np.uint8)
    (tmp_path / "a.mat").write_bytes(mat_file(matrix("long", long, order), matrix("n", short, order), order=order))
    assert read_mat(tmp_path / "a.mat", "long").tolist() == long.tolist()
    assert read_mat(tmp_path / "a.mat", "n").tolist() == [7]


def test_compressed_elements_are_not_padded(tmp_path: Path) -> None:
    first, second = np.array([1.5, 2.0, 4.0]), np.array([9.0, 8.0])
    (tmp_path / "a.mat").write_bytes(
        mat_file(compressed(matrix("first", first, "<")), compressed(matrix("second", second, "<")))
    )
    assert read_mat(tmp_path / "a.mat", "first").tolist() == first.tolist()
    assert read_mat(tmp_path / "a.mat", "second").tolist() == second.tolist()


def test_what_is_not_numbers_is_left_out_and_what_is_there_is_said(tmp_path: Path) -> None:
    cells = matrix("names", np.array([1.0, 2.0]), "<", class_=CELL_CLASS)
    (tmp_path / "a.mat").write_bytes(mat_file(cells, matrix("numbers", np.array([1.0]), "<")))
    with pytest.raises(SourceError, match="'names' in it; it has numbers"):
        read_mat(tmp_path / "a.mat", "names")


def test_absent_foreign_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        read_mat(tmp_path / "a.mat", "n")
    (tmp_path / "a.mat").write_bytes(b"no mat file" * 20)
    with pytest.raises(SourceError, match="not a MAT file"):
        read_mat(tmp_path / "a.mat", "n")
    whole = mat_file(matrix("n", np.arange(100.0), "<"))
    (tmp_path / "a.mat").write_bytes(whole[:-60])
    with pytest.raises(SourceError, match="damaged"):
        read_mat(tmp_path / "a.mat", "n")
