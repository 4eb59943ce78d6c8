"""What a run writes: exact millimetres, whole files or none, and one-line reasons."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros import outputs
from depth_anything_ros.errors import ConfigError, OutputError
from depth_anything_ros.outputs import (
    MARKER,
    OutputFolder,
    VideoWriter,
    write_depth,
    write_json,
    write_picture,
)


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_png_round_trip_is_16_bit_millimetres(tmp_path: Path) -> None:
    depth = np.random.default_rng(0).uniform(0.2, 60, (31, 47)).astype(np.float32)
    depth[3, 4:8] = [np.nan, np.inf, -np.inf, 70.0]  # the last one is more than 16 bits hold
    path = write_depth(tmp_path, "000007", depth, "png")
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert path.name == "000007.png"
    assert read.dtype == np.uint16
    finite = np.isfinite(depth) & (depth < 65.5)
    np.testing.assert_allclose(read[finite] / 1000.0, depth[finite], atol=5.1e-4, rtol=0)
    assert not read[~finite].any()
    assert files_of(tmp_path) == ["000007.png"]


def test_npy_keeps_nan_and_infinities(tmp_path: Path) -> None:
    depth = np.float32([[1.5, np.nan], [np.inf, -np.inf]])
    np.testing.assert_array_equal(np.load(write_depth(tmp_path, "000000", depth, "npy")), depth)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'exr'; accepted: png, npy"):
        write_depth(tmp_path, "0", np.zeros((2, 2), np.float32), "exr")


def test_picture_keeps_its_colours(tmp_path: Path) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    image[..., 0] = 200
    write_picture(tmp_path / "p.png", image)
    assert cv2.imread(str(tmp_path / "p.png"))[0, 0].tolist() == [0, 0, 200]


@pytest.mark.parametrize("kind", ["png", "npy"])
def test_a_full_disk_leaves_what_was_there_and_nothing_half(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write_depth(tmp_path, "000000", np.ones((4, 4), np.float32), kind)
    before = first.read_bytes()

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs.os, "replace", full)
    for name in ("000000", "000001"):
        with pytest.raises(OutputError, match=rf"cannot write .*{name}.{kind}: the disk is full"):
            write_depth(tmp_path, name, np.zeros((4, 4), np.float32), kind)
    assert files_of(tmp_path) == [first.name]
    assert first.read_bytes() == before


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}


def test_folder_with_results_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "000000.png").write_bytes(b"old")
    with pytest.raises(OutputError, match="already holds depth; give another folder, or --overwrite"):
        OutputFolder(tmp_path).check(overwrite=False, source="x.mcap")
    assert files_of(tmp_path) == ["depth/000000.png"]


def test_overwrite_removes_results_and_nothing_else(tmp_path: Path) -> None:
    for name in ("depth/000000.png", "depth/000001.npy", "depth/.000002.1.part.png", "ply/000000.ply"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"old")
    for name in (MARKER, "notes.txt", "summary.json", "side_by_side.mp4", ".side_by_side.7.part.mp4"):
        (tmp_path / name).write_bytes(b"old")
    folder = OutputFolder(tmp_path)
    folder.check(overwrite=True, source="x.mcap")
    folder.create(overwrite=True, folders=["depth"])
    assert files_of(tmp_path) == [MARKER, "notes.txt"]
    assert (tmp_path / "depth").is_dir()


def test_overwrite_never_removes_what_no_run_made(tmp_path: Path) -> None:
    (tmp_path / "depth").mkdir()
    (tmp_path / "depth" / "kitchen.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="no run made it, so --overwrite removes nothing"):
        OutputFolder(tmp_path).check(overwrite=True, source="x.mcap")
    assert files_of(tmp_path) == ["depth/kitchen.png"]


@pytest.mark.parametrize("source", ["bag", "bag/bag_0.mcap"])
def test_overwrite_never_removes_the_source(tmp_path: Path, source: str) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "bag_0.mcap").write_bytes(b"source")
    (tmp_path / MARKER).touch()
    with pytest.raises(OutputError, match="that --overwrite would remove"):
        OutputFolder(tmp_path).check(overwrite=True, source=tmp_path / source)


def test_a_file_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(OutputError, match="it is a file, not a folder"):
        OutputFolder(tmp_path / "out").check(overwrite=True, source="x")
    with pytest.raises(OutputError, match="a file, not a folder"):
        OutputFolder(tmp_path / "out" / "below").create(overwrite=False, folders=[])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="permission denied"):
            OutputFolder(tmp_path).create(overwrite=False, folders=["depth"])
    finally:
        tmp_path.chmod(0o700)


def test_rows_become_a_table(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    folder.add_row("depth/000000.png", 12, "a, b")
    folder.write_rows(["file", "stamp_ns", "name"])
    assert (tmp_path / "frames.csv").read_text() == 'file,stamp_ns,name\ndepth/000000.png,12,"a, b"\n'


def video_frames(path: Path) -> list[np.ndarray]:
    reader = cv2.VideoCapture(str(path))
    frames = []
    while True:
        done, frame = reader.read()
        if not done:
            return frames
        frames.append(frame)


def test_video_can_be_read_back(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path, frames_per_s=10.0)
    for level in (40, 120, 200):
        writer.add(np.full((64, 96, 3), (level, 0, 0), np.uint8))
    writer.add(np.full((80, 60, 3), (200, 0, 0), np.uint8))
    assert not (tmp_path / "side_by_side.mp4").exists()
    writer.close()
    assert writer.path is not None and not writer.problem
    frames = video_frames(writer.path)
    assert len(frames) == 4
    assert frames[0].shape == (64, 96, 3)
    assert [round(frame[32, 30, 2] / 40) for frame in frames] == [1, 3, 5, 5]
    assert files_of(tmp_path) == [writer.path.name]


def test_motion_jpeg_is_the_second_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cv2.VideoWriter
    mpeg4 = int.from_bytes(b"mp4v", "little")
    monkeypatch.setattr(outputs.cv2, "VideoWriter", lambda *args: real() if args[1] == mpeg4 else real(*args))
    writer = VideoWriter(tmp_path, frames_per_s=10.0)
    writer.add(np.full((64, 96, 3), 128, np.uint8))
    writer.close()
    assert writer.path == tmp_path / "side_by_side.avi"
    assert len(video_frames(writer.path)) == 1


def test_without_a_codec_there_is_no_video_and_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = cv2.VideoWriter
    monkeypatch.setattr(outputs.cv2, "VideoWriter", lambda *args: real())
    writer = VideoWriter(tmp_path, frames_per_s=10.0)
    writer.add(np.zeros((64, 96, 3), np.uint8))
    writer.add(np.zeros((64, 96, 3), np.uint8))
    writer.close()
    assert writer.path is None
    assert "no codec" in writer.problem
    assert files_of(tmp_path) == []
