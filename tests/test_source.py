"""open_source: every kind of recording by one call, and one line for everything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from depth_anything_ros.errors import CameraError, SourceError
from depth_anything_ros.source import Source, SourceFrame, describe_bag, open_source
from tests.sample_bags import camera_recording, jpeg, picture, ros1_recording, storage_file, write_bag, write_ros1_bag
from tests.source_tree import REPOSITORY

CALIBRATION = """
image_width: 64
image_height: 48
distortion_model: plumb_bob
camera_matrix: {rows: 3, cols: 3, data: [70, 0, 30, 0, 70, 20, 0, 0, 1]}
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0, 0, 0, 0]}
projection_matrix: {rows: 3, cols: 4, data: [66, 0, 30, 0, 0, 66, 20, 0, 0, 0, 1, 0]}
"""


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(CALIBRATION)
    return path


def make(kind: str, folder: Path) -> Path:
    """A small recording of the kind."""
    if kind == "ros1":
        return write_ros1_bag(folder / "a.bag", ros1_recording(2))
    if kind in ("image", "folder"):
        (folder / "images").mkdir()
        (folder / "images" / "a.jpg").write_bytes(jpeg(picture()))
        return folder / "images" if kind == "folder" else folder / "images" / "a.jpg"
    storage, _, form = kind.partition(" ")
    bag = write_bag(folder / "bag", camera_recording(2), storage)
    return storage_file(bag) if form == "file" else bag


KINDS = ("mcap", "mcap file", "sqlite3", "sqlite3 file", "ros1", "image", "folder")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_opens_and_gives_frames(tmp_path: Path, kind: str) -> None:
    with open_source(make(kind, tmp_path)) as source:
        frames = list(source)
        assert isinstance(source, Source)
        assert len(frames) == source.num_frames
        assert str(tmp_path) in source.description
    assert all(isinstance(frame, SourceFrame) for frame in frames)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rectified", [False, True])
def test_a_calibration_file_counts_for_every_kind(
    tmp_path: Path, calibration: Path, kind: str, rectified: bool
) -> None:
    with open_source(make(kind, tmp_path), camera_info=calibration, rectified=rectified) as source:
        frame = next(iter(source))
        assert source.camera_note == f"calibration file {calibration}"
    assert isinstance(frame, SourceFrame) and frame.frame.camera is not None
    assert frame.frame.camera.fx == (66.0 if rectified else 70.0)
    assert frame.frame.camera.is_distorted != rectified


def test_what_cannot_be_opened_is_one_line(tmp_path: Path, calibration: Path) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (
        ("none", r"does not exist; accepted: a ROS 2 bag"),
        ("text.txt", r"is of no known kind; accepted:"),
        ("empty", r"holds no images"),
        ("pipe", r"is neither a file nor a folder"),
    ):
        with pytest.raises(SourceError, match=reason):
            open_source(tmp_path / name)
    with pytest.raises(SourceError, match=r"has no topics; the image topic /a cannot be chosen"):
        open_source(make("image", tmp_path), image_topic="/a")
    with pytest.raises(CameraError, match=r"no\.yaml cannot be read"):
        open_source(tmp_path / "images", camera_info=tmp_path / "no.yaml")
    with pytest.raises(SourceError, match="both a CameraInfo topic"):
        open_source(make("mcap", tmp_path), camera_info=calibration, camera_info_topic="/camera/camera_info")


def test_options_reach_the_bag(tmp_path: Path) -> None:
    bag = make("mcap", tmp_path)
    with pytest.raises(SourceError, match="no images on /x"):
        open_source(bag, image_topic="/x")
    with pytest.raises(SourceError, match="no CameraInfo on /x"):
        open_source(bag, camera_info_topic="/x")
    with pytest.raises(SourceError, match="no depth on /x"):
        open_source(bag, depth_topic="/x")


def test_describe_bag_is_at_hand(tmp_path: Path) -> None:
    assert describe_bag(make("mcap", tmp_path)).num_messages == 6


def test_without_rosbags_images_work_and_bags_say_what_is_missing(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["rosbags"] = None
from depth_anything_ros.errors import SourceError
from depth_anything_ros.source import open_source
assert len(list(open_source(sys.argv[1]))) == 1
try:
    open_source(sys.argv[2])
except SourceError as error:
    print(error)
"""
    paths = [str(make("image", tmp_path)), str(make("mcap", tmp_path))]
    command = [sys.executable, "-c", code, *paths]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("bags are read through rosbags, and rosbags")
    assert "pip install rosbags" in result.stdout
