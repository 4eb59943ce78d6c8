"""What --save leaves: pictures of what was watched, a cloud read back from its bytes, a summary that is JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.bag.messages import MESSAGES
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.cloud_codec import cloud_points
from depth_anything_ros.errors import OutputError
from depth_anything_ros.point_cloud import CloudBuilder
from depth_anything_ros.watch.save import focal_of, save_watch
from tests.sample_bags import picture

CAMERA = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
NOTHING: dict[str, Any] = {"image_HW3": None, "depth_HW": None, "cloud": None, "title": "t"}


def wall() -> np.ndarray:
    """A wall at 2 m (H, W) [m] with a hole."""
    depth_HW = np.full((48, 64), 2.0, np.float32)
    depth_HW[0, 0] = np.nan
    return depth_HW


def cloud(*, padded: bool = False, coloured: bool = True) -> Any:
    data = CloudBuilder(CAMERA, padded=padded).build(wall(), picture() if coloured else None)
    return MESSAGES.cloud(MESSAGES.header(1, "optical"), data)


def test_everything_is_saved_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    names = save_watch(folder, {"x": 1}, image_HW3=picture(), depth_HW=wall(), cloud=cloud(), title="t")
    assert names == ["live.png", "cloud.png", "watch.json"]
    assert {path.name for path in folder.iterdir()} == set(names)
    assert json.loads((folder / "watch.json").read_text()) == {"x": 1, "files": ["live.png", "cloud.png"]}
    live = cv2.imread(str(folder / "live.png"))
    assert live.shape[1] >= 2 * 480  # camera beside depth
    assert cv2.imread(str(folder / "cloud.png")).std() > 10.0


def test_what_is_absent_is_left_out(tmp_path: Path) -> None:
    assert save_watch(tmp_path, {}, **NOTHING) == ["watch.json"]
    assert save_watch(tmp_path, {}, **{**NOTHING, "image_HW3": picture()}) == ["live.png", "watch.json"]
    saved = cv2.imread(str(tmp_path / "live.png"))
    np.testing.assert_array_equal(saved[..., ::-1], picture())
    assert save_watch(tmp_path, {}, **{**NOTHING, "depth_HW": wall()}) == ["live.png", "watch.json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        save_watch(tmp_path / "file", {}, **NOTHING)


def test_the_focal_length_is_the_cameras() -> None:
    message = cloud()
    assert focal_of(message, cloud_points(message)[0]) == pytest.approx(50.0, rel=0.05)


def test_a_cloud_that_cannot_be_drawn_costs_the_rest_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = cloud()
    short.data = short.data[:100]
    assert save_watch(tmp_path, {}, **{**NOTHING, "depth_HW": wall(), "cloud": short}) == ["live.png", "watch.json"]
    assert "no picture of the cloud: the cloud has 100 bytes" in capsys.readouterr().err
    nowhere = MESSAGES.cloud(
        MESSAGES.header(1, "optical"), CloudBuilder(CAMERA).build(np.full((48, 64), np.nan, np.float32))
    )
    assert save_watch(tmp_path, {}, **{**NOTHING, "cloud": nowhere}) == ["watch.json"]
    assert "it has no finite point" in capsys.readouterr().err
