"""``run`` from end to end on small generated recordings: what it writes, and what its options change."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.cli import _build_parser
from depth_anything_ros.engine_options import EngineOptions
from depth_anything_ros.errors import MissingDependency
from depth_anything_ros.fingerprint import image_dhash
from depth_anything_ros.point_cloud import load_open3d
from depth_anything_ros.run import RunOptions, model_notice
from tests.run_command import ALL, QUICK, leftovers, read_bag, run, summary_of, visible
from tests.sample_bags import (
    PERIOD_NS,
    START_NS,
    camera_recording,
    jpeg,
    picture,
    ros1_recording,
    write_bag,
    write_ros1_bag,
)
from tests.tiny_networks import make_spec, write_network


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
    assert "neighbour counts too: 000001, 000003" in capsys.readouterr().out
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
    assert "starter" in notice and "measured unseen: abs_rel 0.12" in notice and "--model" in notice
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


def test_options_have_the_names_of_the_command_line() -> None:
    """Every option of RunOptions is one of ``run``, so that none is out of reach."""
    _, commands = _build_parser()
    destinations = {action.dest for action in commands["run"]._actions}
    assert {field.name for field in dataclasses.fields(RunOptions)} - {"engine_options"} <= destinations
    not_of_a_recording = {"max_batch", "background", "meanwhile", "report"}
    assert {field.name for field in dataclasses.fields(EngineOptions)} - not_of_a_recording <= destinations
