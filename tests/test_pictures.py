"""The pictures of a run: evenly spaced, on one scale, and flat in memory however long the recording is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros import pictures as pictures_module
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.pictures import Pictures, frames_per_s

CAMERA = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)


def frame(depth_m: float = 2.0, stamp_ns: int = 0, *, assumed: bool = False) -> DepthFrame:
    depth = np.full((48, 64), depth_m, np.float32)
    image = np.full((48, 64, 3), 120, np.uint8)
    return DepthFrame(depth, image, CAMERA, stamp_ns, "camera", assumed_camera=assumed)


@pytest.mark.parametrize(
    ("stamps_ms", "rate"),
    [([0, 100, 200, 300], 10.0), ([0, 100, 5000, 5100], 10.0), ([0, 10_000], 1.0), ([0, 1], 60.0)],
)
def test_rate_of_a_video(stamps_ms: list[int], rate: float) -> None:
    assert frames_per_s([stamp * 10**6 for stamp in stamps_ms]) == rate


@pytest.mark.parametrize("stamps", [[], [7], [7, 7, 7], [9, 8, 7]])
def test_rate_without_a_clock(stamps: list[int]) -> None:
    assert frames_per_s(stamps) == 5.0


def test_the_sheet_has_frames_from_the_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[list[str]] = []
    real = pictures_module.contact_sheet

    def remember(pictures: list, scale: object, title: str) -> np.ndarray:
        titles.append([picture.title for picture in pictures])
        return real(pictures, scale, title)

    monkeypatch.setattr(pictures_module, "contact_sheet", remember)
    pictures = Pictures(tmp_path, video=False, stills=True)
    for index in range(100):
        pictures.add(str(index), frame(), None)
    pictures.close("a hundred frames")
    assert titles == [["0", "16", "32", "48", "64", "80", "96"]]
    assert set(pictures.written) == {"contact_sheet.png", "cloud.png"}


def test_memory_is_flat(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, video=False, stills=True)
    kept = []
    for index in range(600):
        pictures.add(str(index), frame(), None)
        kept.append(len(pictures._sheet) + len(pictures._early))
    assert max(kept) <= 8


def test_the_video_has_every_frame_and_one_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scales = set()
    real = pictures_module.side_by_side

    def remember(picture: object, scale: object) -> np.ndarray:
        scales.add(scale)
        return real(picture, scale)

    monkeypatch.setattr(pictures_module, "side_by_side", remember)
    pictures = Pictures(tmp_path, video=True, stills=False)
    for index in range(20):
        pictures.add(str(index), frame(1.0 + index, index * 50_000_000), None)
    pictures.close("t")
    assert len(scales) == 1
    assert pictures.written == {"side_by_side.mp4": "20 frames, camera beside depth"}
    video = cv2.VideoCapture(str(tmp_path / "side_by_side.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 20
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(20.0)


def test_the_scale_holds_prediction_and_reference(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, video=True, stills=False)
    for index in range(2):
        pictures.add(str(index), frame(2.0), np.full((48, 64), 9.0, np.float32))
    pictures.close("t")
    assert pictures._scale is not None
    assert pictures._scale.near_m < 2.0
    assert pictures._scale.far_m > 9.0


def test_one_frame_is_no_video(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, video=True, stills=True)
    pictures.add("only", frame(), None)
    pictures.close("t")
    assert "side_by_side.mp4" not in pictures.written
    assert {path.name for path in tmp_path.iterdir()} == {"contact_sheet.png", "cloud.png"}


def test_no_cloud_of_an_assumed_camera_or_without_depth(tmp_path: Path) -> None:
    for name, result in (("assumed", frame(assumed=True)), ("empty", frame(np.inf))):
        folder = tmp_path / name
        folder.mkdir()
        pictures = Pictures(folder, video=False, stills=True)
        pictures.add("0", result, None)
        pictures.close("t")
        assert not (folder / "cloud.png").exists()
        assert bool(pictures.notes) == (name == "empty")


def test_titles_that_are_not_ascii_are_drawn(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, video=False, stills=True)
    pictures.add("küche 1", frame(), None)
    pictures.close("Häuser")
    assert (tmp_path / "contact_sheet.png").is_file()
