"""RGB-D frames by index: scales, holes, distortion, and errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.errors import SourceError
from training.sources.frames import list_frames


def write_index(folder: Path, **changes: Any) -> Path:
    raw = np.full((24, 32), 2500, np.uint16)
    raw[3, 4] = 0
    cv2.imwrite(str(folder / "depth.png"), raw)
    cv2.imwrite(str(folder / "rgb.png"), np.full((24, 32, 3), (10, 20, 30), np.uint8))
    entry = {
        "dataset": "made", "id": "7", "rgb": "rgb.png", "depth": "depth.png", "depth_scale_m": 0.001,
        "width": 32, "height": 24, "K": [30, 0, 15.5, 0, 31, 11.5, 0, 0, 1], "D": [],
        "distortion_model": "none", **changes,
    }  # fmt: skip
    (folder / "index.json").write_text(json.dumps({"frames": [entry, {**entry, "id": "8"}]}))
    return folder / "index.json"


def test_scale_holes_colour_and_intrinsics(tmp_path: Path) -> None:
    entry = list_frames(write_index(tmp_path))[0]
    sample = entry.sample()
    assert entry.name == "made/7" and sample.source == "made/7" and not sample.sky_known
    assert sample.depth_HW[0, 0] == pytest.approx(2.5) and np.isnan(sample.depth_HW[3, 4])
    assert sample.image_HW3[0, 0].tolist() == [30, 20, 10]
    assert (sample.camera.fx, sample.camera.fy, sample.camera.cx, sample.camera.cy) == (30, 31, 15.5, 11.5)


def test_a_distorted_frame_comes_out_rectified_with_unmixed_depth(tmp_path: Path) -> None:
    index = write_index(tmp_path, D=[0.3, 0.1, 0.0, 0.0, 0.0], distortion_model="plumb_bob")
    sample = list_frames(index)[0].sample()
    assert not sample.camera.is_distorted
    finite = sample.depth_HW[np.isfinite(sample.depth_HW)]
    assert finite.size > 500 and set(finite.tolist()) == {2.5}


def test_ranges_are_by_order_and_both_ends_are_included(tmp_path: Path) -> None:
    index = write_index(tmp_path)
    assert [entry.name for entry in list_frames(index, "made", 1, 1)] == ["made/8"]
    assert len(list_frames(index, "made")) == 2


@pytest.mark.parametrize(("dataset", "first"), [("other", 0), ("made", 2)])
def test_an_empty_selection_is_named(tmp_path: Path, dataset: str, first: int) -> None:
    with pytest.raises(SourceError, match="no frames"):
        list_frames(write_index(tmp_path), dataset, first)


def test_absent_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such index of frames; an index\.json is accepted"):
        list_frames(tmp_path / "index.json")
    (tmp_path / "foreign.json").write_text("[1]")
    with pytest.raises(SourceError, match="not an index of frames"):
        list_frames(tmp_path / "foreign.json")
    index = write_index(tmp_path)
    (tmp_path / "depth.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"depth\.png"):
        list_frames(index)[0].sample()


def test_every_real_frame_can_be_read(shared_data: Path) -> None:
    entries = list_frames(shared_data / "index.json")
    assert len(entries) == 101
    for entry in entries[::10]:
        sample = entry.sample()
        median = float(np.median(sample.depth_HW[sample.valid_HW]))
        assert median == pytest.approx(entry.fields["depth_median_m"], rel=0.05), entry.name
