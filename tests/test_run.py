"""``run`` from end to end on small generated recordings: what it writes, and what it does with bad input."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros import outputs
from depth_anything_ros.cli import main
from depth_anything_ros.errors import MissingDependency
from depth_anything_ros.fingerprint import image_dhash
from depth_anything_ros.point_cloud import load_open3d
from depth_anything_ros.run import RunOptions, model_notice
from tests.sample_bags import (
    PERIOD_NS,
    START_NS,
    STORE,
    Recorded,
    camera_info_message,
    camera_recording,
    compressed_message,
    image_message,
    jpeg,
    picture,
    ros1_recording,
    storage_file,
    write_bag,
    write_ros1_bag,
)
from tests.tiny_networks import make_spec, write_network

QUICK = ("--no-video", "--no-pictures")
ALL = {"bag", "cloud.png", "contact_sheet.png", "depth", "frames.csv", "side_by_side.mp4", "summary.json"}


def run(source: Path | str, out: Path, *options: str, engine: str = "plane") -> int:
    return main(["run", str(source), "--out", str(out), "--engine", engine, *options])


def summary_of(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text())


def visible(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if not path.name.startswith(".")}


def leftovers(out: Path) -> list[Path]:
    return [path for path in out.rglob(".*") if path.name != outputs.MARKER]


def read_bag(path: Path) -> dict[str, list]:
    """All messages of a bag by topic, read by rosbags itself."""
    from rosbags.rosbag2 import Reader

    messages: dict[str, list] = {}
    with Reader(path) as reader:
        for connection, stamp, data in reader.messages():
            message = STORE.deserialize_cdr(data, connection.msgtype)
            messages.setdefault(connection.topic, []).append((stamp, message))
    return messages


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_bag(tmp_path / "walk", camera_recording(5))


def test_everything_is_written_and_counted(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run(bag, out, "--model", "plane:z=2.0", "--ply", "--ply-every", "2") == 0
    assert visible(out) == ALL | {"ply"}
    assert leftovers(out) == []
    names = [f"{index:06d}" for index in range(5)]
    assert sorted(path.name for path in (out / "depth").iterdir()) == [f"{name}.png" for name in names]
    depth = cv2.imread(str(out / "depth" / "000003.png"), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16
    assert (depth == 2000).all()
    assert sorted(path.name for path in (out / "ply").iterdir()) == ["000000.ply", "000002.ply", "000004.ply"]
    summary = summary_of(out)
    assert summary["frames"] == {"in": 5, "out": 5, "skipped": 0, "dropped": 0, "causes": {}}
    assert {"read", "resize", "engine", "upsample", "cloud", "write", "total"} <= set(summary["latency_ms"])
    printed = capsys.readouterr().out
    assert "frames: 5 in, 5 out, 0 dropped" in printed
    assert "side_by_side.mp4" in printed


def test_the_bag_has_the_original_stamps_frames_and_camera(bag: Path, tmp_path: Path) -> None:
    assert run(bag, tmp_path / "out", "--model", "plane:z=2.0", "--stride", "1", *QUICK) == 0
    messages = read_bag(tmp_path / "out" / "bag")
    assert {topic: len(items) for topic, items in messages.items()} == {
        "/depth/image": 5,
        "/depth/camera_info": 5,
        "/points": 5,
    }
    for items in messages.values():
        assert [stamp for stamp, _ in items] == [START_NS + index * PERIOD_NS for index in range(5)]
        for stamp, message in items:
            assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp
            assert message.header.frame_id == "camera_optical_frame"
    depth = messages["/depth/image"][0][1]
    assert (depth.encoding, depth.height, depth.width) == ("32FC1", 48, 64)
    assert (depth.data.view(np.float32) == 2.0).all()
    assert messages["/depth/camera_info"][0][1].k[0] == 50.0
    cloud = messages["/points"][0][1]
    assert (cloud.height, cloud.width, cloud.point_step) == (48, 64, 16)
    corner = cloud.data[:12].view(np.float32)
    np.testing.assert_allclose(corner, [-31.5 / 50 * 2, -23.5 / 50 * 2, 2.0], rtol=1e-5)


def test_errors_against_registered_depth(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bag's depth is flat at 1, 2, 3, 4 and 5 m; the plane says 2 m for all of them."""
    assert run(bag, tmp_path / "out", "--model", "plane:z=2.0", *QUICK) == 0
    unseen = summary_of(tmp_path / "out")["errors"]["unseen"]
    expected = np.mean([abs(2.0 - truth) / truth for truth in (1.0, 2.0, 3.0, 4.0, 5.0)])
    np.testing.assert_allclose(unseen["unaligned"]["abs_rel"], expected, rtol=1e-6)
    np.testing.assert_allclose(unseen["median-scaled"]["abs_rel"], 0.0, atol=1e-6)
    assert unseen["unaligned"]["num_pixels"] == 5 * (64 * 48 - 1)
    assert "5 unseen" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "frames.csv").open()))
    assert [float(row["abs_rel"]) for row in rows] == [1.0, 0.0, 0.3333, 0.5, 0.6]
    assert rows[1]["file"] == "depth/000001.png"
    assert int(rows[1]["stamp_ns"]) == START_NS + PERIOD_NS


def test_frames_the_network_was_trained_on_are_named_and_apart(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tuple(image_dhash(picture(index)) for index in (1, 3))
    network = write_network(tmp_path, trained_frames=trained)
    assert run(bag, tmp_path / "out", "--model", str(network), *QUICK, engine="onnxruntime") == 0
    errors = summary_of(tmp_path / "out")["errors"]
    assert errors["unseen"]["frames"] == 3
    assert errors["trained on"]["names"] == ["000001", "000003"]
    assert "no measure for new scenes): 000001, 000003" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "frames.csv").open()))
    assert [row["trained_on"] for row in rows] == ["0", "1", "0", "1", "0"]


def test_a_network_runs_on_every_engine(bag: Path, tmp_path: Path) -> None:
    network = write_network(tmp_path)
    pytest.importorskip("openvino")
    for engine in ("onnxruntime", "openvino"):
        assert run(bag, tmp_path / engine, "--model", str(network), "--format", "npy", *QUICK, engine=engine) == 0
    first, second = (np.load(tmp_path / engine / "depth" / "000002.npy") for engine in ("onnxruntime", "openvino"))
    assert first.dtype == np.float32
    np.testing.assert_allclose(first, second, rtol=2e-3, atol=2e-4)


def test_a_starter_says_what_it_is_and_how_far_it_is_off() -> None:
    provenance = {"recipe": "starter.yaml", "measured_unseen": "abs_rel 0.12"}
    notice = model_notice(make_spec(name="starter", provenance=provenance))
    assert "starter" in notice and "measured_unseen: abs_rel 0.12" in notice and "--model" in notice
    assert "recipe" not in notice
    assert "starter" not in model_notice(make_spec(name="large"))


def test_outputs_can_be_left_out(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(bag, out, "--no-depth", "--no-bag", "--no-video", "--no-pictures") == 0
    assert visible(out) == {"frames.csv", "summary.json"}
    assert run(bag, tmp_path / "b", "--no-points", "--no-video", "--no-pictures") == 0
    assert "/points" not in read_bag(tmp_path / "b" / "bag")


def test_every_and_max_frames(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(bag, out, "--every", "2", "--max-frames", "2", "--no-bag", *QUICK) == 0
    assert sorted(path.stem for path in (out / "depth").iterdir()) == ["000000", "000002"]
    assert summary_of(out)["frames"]["skipped"] == 1


def test_range_and_scale_reach_the_depth(bag: Path, tmp_path: Path) -> None:
    options = ("--model", "plane:z=2.0", "--format", "npy", "--max-frames", "1", "--no-bag", *QUICK)
    assert run(bag, tmp_path / "a", *options, "--scale", "1.5") == 0
    assert (np.load(tmp_path / "a" / "depth" / "000000.npy") == 3.0).all()
    assert run(bag, tmp_path / "b", *options, "--max-depth", "1.9") == 0
    assert np.isposinf(np.load(tmp_path / "b" / "depth" / "000000.npy")).all()
    assert run(bag, tmp_path / "c", *options, "--min-depth", "2.1") == 0
    assert np.isneginf(np.load(tmp_path / "c" / "depth" / "000000.npy")).all()


def test_voxel_thins_the_cloud(bag: Path, tmp_path: Path) -> None:
    try:
        load_open3d()
    except MissingDependency as error:
        pytest.skip(str(error))
    options = ("--model", "plane:z=2.0", "--max-frames", "1", *QUICK)
    assert run(bag, tmp_path / "out", *options, "--voxel", "0.5", "--remove-outliers") == 0
    _, cloud = read_bag(tmp_path / "out" / "bag")["/points"][0]
    assert cloud.height == 1
    assert 10 < cloud.width < 64 * 48 / 20


def test_other_sources(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        (folder / f"view {index}.jpg").write_bytes(jpeg(picture(index)))
    video = cv2.VideoWriter(str(tmp_path / "clip.avi"), int.from_bytes(b"MJPG", "little"), 10.0, (64, 48))
    for index in range(3):
        video.write(picture(index))
    video.release()
    ros1 = write_ros1_bag(tmp_path / "old.bag", ros1_recording(3))
    for source, count, names in (
        (folder, 3, {"view 0.png", "view 1.png", "view 2.png"}),
        (folder / "view 1.jpg", 1, {"view 1.png"}),
        (tmp_path / "clip.avi", 3, {"000000.png", "000001.png", "000002.png"}),
        (ros1, 3, {"000000.png", "000001.png", "000002.png"}),
    ):
        out = tmp_path / f"out_{source.name}"
        assert run(source, out) == 0
        assert summary_of(out)["frames"]["out"] == count
        assert {path.name for path in (out / "depth").iterdir()} == names


def test_without_intrinsics_there_is_depth_and_no_cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(3, info=False))
    out = tmp_path / "out"
    assert run(bag, out, "--ply") == 0
    assert visible(out) == (ALL | {"ply"}) - {"cloud.png"}
    assert set(read_bag(out / "bag")) == {"/depth/image"}  # nor intrinsics that nobody measured
    assert list((out / "ply").iterdir()) == []
    notes = [note for note in summary_of(out)["notes"] if "no point cloud" in note]
    assert len(notes) == 1
    assert "no CameraInfo" in notes[0] and "60 degrees" in notes[0]
    assert capsys.readouterr().err.count("no point cloud") == 1


def test_a_calibration_file_brings_the_cloud(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(2, info=False))
    matrix = {"rows": 3, "cols": 3, "data": [50.0, 0, 31.5, 0, 50.0, 23.5, 0, 0, 1]}
    text = {
        "image_width": 64,
        "image_height": 48,
        "camera_name": "front",
        "camera_matrix": matrix,
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.0] * 5},
        "rectification_matrix": {"rows": 3, "cols": 3, "data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        "projection_matrix": {"rows": 3, "cols": 4, "data": [50.0, 0, 31.5, 0, 0, 50.0, 23.5, 0, 0, 0, 1, 0]},
    }
    (tmp_path / "front.yaml").write_text(json.dumps(text))  # JSON is YAML
    assert run(bag, tmp_path / "out", "--camera-info", str(tmp_path / "front.yaml")) == 0
    assert len(read_bag(tmp_path / "out" / "bag")["/points"]) == 2
    assert (tmp_path / "out" / "cloud.png").is_file()


# ---------------------------------------------------------------------------------------------------------------------
# Bad input
# ---------------------------------------------------------------------------------------------------------------------


def compressed_recording(corrupt: Iterable[int] = (), count: int = 4) -> list[Recorded]:
    recorded = []
    for index in range(count):
        stamp = START_NS + index * PERIOD_NS
        data = jpeg(picture(index))
        message = compressed_message(data[: len(data) // 2] if index in corrupt else data, stamp)
        recorded.append(Recorded("/camera/image_raw/compressed", message, stamp))
        recorded.append(Recorded("/camera/camera_info", camera_info_message(stamp), stamp))
    return recorded


def images_with(encoding: str) -> list[Recorded]:
    return [Recorded("/image", image_message(picture(0), encoding, START_NS, step=192), START_NS)]


def one_line_error(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("depth_anything_ros: error:")]
    assert len(lines) == 1, lines
    return lines[0]


def test_no_such_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "nowhere", tmp_path / "out") == 2
    assert "nowhere does not exist; accepted:" in one_line_error(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ([], "no messages"),
        ([Recorded("/camera_info", camera_info_message(START_NS), START_NS)], "no images"),
        (images_with("rainbow"), "rainbow"),
    ],
    ids=["empty bag", "bag without images", "unknown encoding"],
)
def test_recordings_that_give_nothing(
    recorded: list[Recorded], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(tmp_path / "bag", recorded)
    assert run(bag, tmp_path / "out") == 2
    assert words in one_line_error(capsys)
    assert not (tmp_path / "out" / "bag").exists()


def test_two_cameras_are_listed_and_one_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorded = [
        Recorded(f"/{side}/image_raw", image_message(picture(0), "rgb8", START_NS, frame_id=side), START_NS)
        for side in ("left", "right")
    ]
    bag = write_bag(tmp_path / "bag", recorded)
    assert run(bag, tmp_path / "out") == 2
    error = one_line_error(capsys)
    assert "/left/image_raw" in error and "/right/image_raw" in error and "--image-topic" in error
    assert run(bag, tmp_path / "out", "--image-topic", "/right/image_raw", *QUICK) == 0
    assert run(bag, tmp_path / "other", "--image-topic", "/top/image_raw") == 2


def test_sizes_that_change_mid_stream_are_dropped_and_explained(tmp_path: Path) -> None:
    recorded = camera_recording(4)
    stamp = START_NS + 4 * PERIOD_NS
    recorded.append(Recorded("/camera/image_raw", image_message(picture(4, 80, 60), "rgb8", stamp), stamp))
    assert run(write_bag(tmp_path / "bag", recorded), tmp_path / "out", *QUICK) == 0
    frames = summary_of(tmp_path / "out")["frames"]
    assert (frames["in"], frames["out"], frames["dropped"]) == (5, 4, 1)
    assert "80x60" in next(iter(frames["causes"].values()))["first"]


def test_corrupt_jpegs_are_dropped_counted_and_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", compressed_recording(corrupt=(1, 2)))
    assert run(bag, tmp_path / "out", *QUICK) == 0
    causes = summary_of(tmp_path / "out")["frames"]["causes"]
    assert {cause: entry["count"] for cause, entry in causes.items()} == {"corrupt image": 2}
    captured = capsys.readouterr()
    assert captured.err.count("dropped (corrupt image; said once): frame 1") == 1
    assert "dropped 2: corrupt image" in captured.out
    assert len(read_bag(tmp_path / "out" / "bag")["/depth/image"]) == 2


def test_all_frames_corrupt_is_an_error_with_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", compressed_recording(corrupt=range(4)))
    assert run(bag, tmp_path / "out") == 2
    assert "no depth was made" in one_line_error(capsys)
    summary = summary_of(tmp_path / "out")
    assert summary["frames"]["dropped"] == 4
    assert "corrupt image" in summary["problem"]
    assert not (tmp_path / "out" / "bag").exists()


@pytest.mark.parametrize("fx", [float("nan"), 0.0], ids=["NaN in K", "K[0] = 0"])
def test_unusable_intrinsics_leave_the_depth(fx: float, tmp_path: Path) -> None:
    recorded = camera_recording(2, info=False)
    for item in list(recorded[:2]):
        recorded.append(Recorded("/camera/camera_info", camera_info_message(item.log_ns, fx=fx), item.log_ns))
    bag = write_bag(tmp_path / "bag", sorted(recorded, key=lambda item: item.log_ns))
    assert run(bag, tmp_path / "out", *QUICK) == 0
    summary = summary_of(tmp_path / "out")
    assert summary["frames"]["out"] == 2
    assert any("no point cloud" in note and "/camera/camera_info" in note for note in summary["notes"])


@pytest.mark.parametrize("size", [(1, 1), (8000, 6000), (200, 2000)])
def test_images_of_extreme_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    pixels = np.full((height, width, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "image.jpg"), pixels)
    out = tmp_path / "out"
    assert run(tmp_path / "image.jpg", out, "--model", "plane:z=2.0", "--no-bag") == 0
    depth = cv2.imread(str(out / "depth" / "image.png"), cv2.IMREAD_UNCHANGED)
    assert depth.shape == (height, width)
    assert (depth == 2000).all()


def test_an_image_that_is_hardly_one_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "line.png"), np.full((2000, 3, 3), 90, np.uint8))
    assert run(tmp_path / "line.png", tmp_path / "out") == 2
    assert "3x2000 is more than 12 times" in one_line_error(capsys)


def test_a_truncated_bag_gives_what_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", camera_recording(12))
    file = storage_file(bag)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert run(file, tmp_path / "out", *QUICK) == 0
    summary = summary_of(tmp_path / "out")
    assert 1 <= summary["frames"]["out"] < 12
    assert summary["notes"]


def test_earlier_results_are_refused_unless_overwritten(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(bag, out, *QUICK) == 0
    assert run(bag, out, "--max-frames", "1") == 2
    assert "--overwrite" in one_line_error(capsys)
    assert len(list((out / "depth").iterdir())) == 5
    assert run(bag, out, "--max-frames", "1", "--overwrite", *QUICK) == 0
    assert len(list((out / "depth").iterdir())) == 1


def test_a_failed_start_leaves_earlier_results(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(bag, out, *QUICK) == 0
    before = sorted(path for path in out.rglob("*"))
    assert run(bag, out, "--overwrite", "--model", str(tmp_path / "absent.onnx"), engine="onnxruntime") == 2
    assert sorted(path for path in out.rglob("*")) == before


def test_output_folder_that_cannot_be(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(bag, tmp_path / "file") == 2
    assert "is a file, not a folder" in one_line_error(capsys)
    assert run(bag, tmp_path / "file" / "below") == 2
    assert "file" in one_line_error(capsys)
    assert run(bag, Path("/proc/depth")) == 2
    assert "cannot write /proc/depth" in one_line_error(capsys)


def test_a_network_without_spec_and_one_with_a_wrong_hash(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = write_network(tmp_path)
    network.write_bytes(network.read_bytes() + b"\0")
    assert run(bag, tmp_path / "out", "--model", str(network), engine="onnxruntime") == 2
    assert "SHA-256" in one_line_error(capsys)
    network.with_suffix(".json").unlink()
    assert run(bag, tmp_path / "out", "--model", str(network), engine="onnxruntime") == 2
    assert "no spec at" in one_line_error(capsys)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_the_run_and_keeps_what_is_whole(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def full_after_three(source: str, target: str) -> None:
        if Path(target).name == "000003.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(outputs.os, "replace", full_after_three)
    out = tmp_path / "out"
    assert run(bag, out) == 2
    error = one_line_error(capsys)
    assert "000003.png: the disk is full" in error
    assert sorted(path.name for path in (out / "depth").iterdir()) == ["000000.png", "000001.png", "000002.png"]
    assert len(read_bag(out / "bag")["/depth/image"]) == 3
    assert summary_of(out)["problem"].endswith("the disk is full")
    assert leftovers(out) == []


def test_files_that_may_not_grow_end_the_run_cleanly(tmp_path: Path) -> None:
    """A real limit of the system, in a process of its own: no file beyond 3 MB. The bag has to stop there."""
    bag = write_bag(tmp_path / "bag", camera_recording(6, width=320, height=240))
    out = tmp_path / "out"
    code = (
        "import resource, signal, sys\n"
        "from depth_anything_ros.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))\n"
        f"sys.exit(main(['run', {str(bag)!r}, '--out', {str(out)!r}, '--engine', 'plane', '--stride', '1']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("depth_anything_ros: error:") == 1
    num_written = len(read_bag(out / "bag")["/depth/image"])
    assert 1 <= num_written < 6
    assert summary_of(out)["problem"]


def test_ctrl_c_finishes_what_was_begun(tmp_path: Path) -> None:
    """SIGINT in the middle of a long recording: exit 130, and all that was written is whole and as the summary says."""
    bag = write_bag(tmp_path / "bag", camera_recording(600, depth=False))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "depth_anything_ros", "run", str(bag), "--out", str(out), "--engine", "plane"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (out / "depth" / "000004.png").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "interrupted" in printed
    summary = summary_of(out)
    assert summary["interrupted"] is True
    count = summary["frames"]["out"]
    assert 5 <= count < 600
    messages = read_bag(out / "bag")
    assert len(messages["/depth/image"]) == len(messages["/points"]) == count
    assert len(list((out / "depth").glob("*.png"))) == count
    assert all(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None for path in (out / "depth").iterdir())
    assert cv2.VideoCapture(str(out / "side_by_side.mp4")).read()[0]
    assert leftovers(out) == []


def test_options_have_the_names_of_the_command_line() -> None:
    """Every option of RunOptions is one of ``run``, so that none is out of reach."""
    from depth_anything_ros.cli import _build_parser

    _, commands = _build_parser()
    destinations = {action.dest for action in commands["run"]._actions}
    assert {field.name for field in dataclasses.fields(RunOptions)} <= destinations
