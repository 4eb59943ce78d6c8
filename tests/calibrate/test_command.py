"""calibrate-scale from end to end: every kind of reference, the file it writes, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.cli import main
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engine import load_engine
from depth_anything_ros.media import read_image
from depth_anything_ros.metrics import depth_metrics, mean_metrics
from depth_anything_ros.pipeline import DepthPipeline, PipelineOptions
from depth_anything_ros.ply import write_ply
from depth_anything_ros.scale_calibration import ScaleCalibration, load_calibration
from depth_anything_ros.source import open_source
from depth_anything_ros.source_frame import SourceFrame
from tests.run_command import one_line_error
from tests.sample_bags import camera_recording, write_bag
from tests.sample_clouds import LIDAR_POSE, LIDAR_TOPIC, lidar_recording, seen_by_lidar, wall_points
from tests.tiny_networks import reference_infer, write_network

DEPTH_TOPIC = "/camera/aligned_depth/image_raw"
# The wall of the exact plane is at 2 m.
PLANE = ("--model", "plane:z=2.0")
POSE = tuple(str(value) for value in (*LIDAR_POSE[0], *LIDAR_POSE[1]))


def calibrate(source: Path, out: Path, *options: str) -> int:
    return main(["calibrate-scale", str(source), "--out", str(out), *options])


def scale_of(source: Path, folder: Path, *options: str) -> ScaleCalibration:
    out = folder / "scale.yaml"
    assert calibrate(source, out, *PLANE, *options) == 0
    return load_calibration(out)


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Five images with depth of 1, 2, 3, 4 and 5 m."""
    return write_bag(tmp_path / "bag", camera_recording())


@pytest.fixture
def lidar_bag(tmp_path: Path) -> Path:
    """Three images of a wall at 3 m, and a LiDAR's clouds of it."""
    return write_bag(tmp_path / "lidar", lidar_recording())


def test_depth_of_a_topic_by_hand(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ratios 0.5, 1, 1.5, 2, 2.5; then errors of 2, 0.5, 0, 0.25, 0.4 against 1, 0, 1/3, 0.5, 0.6 before."""
    found = scale_of(bag, tmp_path, "--depth-topic", DEPTH_TOPIC, "--max-error", "1")
    assert (found.scale, found.shift, found.quantity) == (pytest.approx(1.5), 0.0, "metres")
    assert found.abs_rel == pytest.approx(0.63) and found.abs_rel_before == pytest.approx((1 + 1 / 3 + 0.5 + 0.6) / 5)
    assert found.frame_spread == pytest.approx(np.std(np.log([0.5, 1.0, 1.5, 2.0, 2.5])))
    assert (found.num_frames, found.num_pixels) == (5, 5 * (64 * 48 - 1))
    assert (found.camera_width, found.camera_height, found.camera_fx) == (64, 48, 50.0)
    assert found.reference == f"depth on {DEPTH_TOPIC} (bag)"
    printed = capsys.readouterr().out
    assert "5 used of 5 read" in printed and "the frames disagree" in printed and "--scale-file" in printed


def test_what_is_written_makes_the_pipeline_right(bag: Path, tmp_path: Path) -> None:
    calibration = scale_of(bag, tmp_path, "--depth-topic", DEPTH_TOPIC, "--max-frames", "1")
    with open_source(bag) as source, load_engine(PLANE[1]) as engine:
        first = next(iter(source))
        assert isinstance(first, SourceFrame)
        pipeline = DepthPipeline(engine, PipelineOptions(calibration=calibration))
        (result,) = pipeline.run([first.frame])
    np.testing.assert_allclose(result.depth_HW, 1.0, rtol=1e-6)
    assert pipeline.notes == (calibration.describe(),)


def test_a_reference_that_does_not_fit_is_refused_and_nothing_written(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(bag, tmp_path / "scale.yaml", *PLANE, "--depth-topic", DEPTH_TOPIC) == 2
    assert "no fit: abs_rel is 0.630" in one_line_error(capsys)
    assert not (tmp_path / "scale.yaml").exists()


def test_frames_are_spread_as_asked(bag: Path, tmp_path: Path) -> None:
    """Frames 0, 2 and 4: 1, 3 and 5 m."""
    found = scale_of(bag, tmp_path, "--depth-topic", DEPTH_TOPIC, "--every", "2", "--max-error", "2")
    assert (found.num_frames, found.scale) == (3, pytest.approx(1.5))
    assert found.frame_spread == pytest.approx(np.std(np.log([0.5, 1.5, 2.5])))


def test_reference_depths_out_of_range_do_not_count(bag: Path, tmp_path: Path) -> None:
    range_m = ("--min-depth", "1.5", "--max-depth", "3.5")
    found = scale_of(bag, tmp_path, "--depth-topic", DEPTH_TOPIC, "--max-error", "1", *range_m)
    assert (found.num_frames, found.scale) == (2, pytest.approx(math.sqrt(1.5)))


def test_one_taped_distance(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = scale_of(bag, tmp_path, "--distance", "3.0", "--max-frames", "1")
    assert found.scale == pytest.approx(1.5, rel=1e-2)  # the window around the centre is a little aslant
    assert "one frame says nothing" in capsys.readouterr().out


def test_a_distance_at_a_pixel_is_along_its_ray(bag: Path, tmp_path: Path) -> None:
    found = scale_of(bag, tmp_path, "--distance", "56", "10", "3.0")
    planar_m = 3.0 / math.sqrt(1.0 + ((56 - 31.5) / 50) ** 2 + ((10 - 23.5) / 50) ** 2)
    assert (found.num_frames, found.scale) == (5, pytest.approx(planar_m / 2.0, rel=1e-3))


def test_depth_in_a_folder(bag: Path, tmp_path: Path) -> None:
    folder = tmp_path / "depth"
    folder.mkdir()
    cv2.imwrite(str(folder / "000001.png"), np.full((48, 64), 768, np.uint16))
    found = scale_of(bag, tmp_path, "--depth-folder", str(folder), "--depth-unit", str(1 / 256))
    assert (found.num_frames, found.scale) == (1, pytest.approx(1.5))


def test_clouds_placed_by_tf_static(lidar_bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = scale_of(lidar_bag, tmp_path, "--cloud-topic", LIDAR_TOPIC)
    assert (found.num_frames, found.scale) == (3, pytest.approx(1.5, rel=1e-5))
    assert found.reference == f"clouds on {LIDAR_TOPIC}, placed by tf_static (lidar)"


def test_clouds_placed_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", lidar_recording(transforms=False))
    found = scale_of(bag, tmp_path, "--cloud-topic", LIDAR_TOPIC, "--transform", *POSE)
    assert found.scale == pytest.approx(1.5, rel=1e-5)
    assert calibrate(bag, tmp_path / "b.yaml", *PLANE, "--cloud-topic", LIDAR_TOPIC) == 2
    assert "no transform from 'lidar' to 'camera_optical_frame'; frames in tf_static: none" in one_line_error(capsys)


def test_clouds_of_another_time_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = write_bag(tmp_path / "bag", lidar_recording(delay_ns=3_000_000_000))
    assert calibrate(bag, tmp_path / "a.yaml", *PLANE, "--cloud-topic", LIDAR_TOPIC) == 2
    error = one_line_error(capsys)
    assert "3 without a reference" in error and "the nearest cloud is 3.00 s away" in error


@pytest.mark.parametrize("placed", [True, False])
def test_a_cloud_in_a_file(lidar_bag: Path, tmp_path: Path, placed: bool) -> None:
    points = seen_by_lidar(wall_points()) if placed else wall_points()
    write_ply(tmp_path / "wall.ply", points)
    options = ("--transform", *POSE) if placed else ()
    found = scale_of(lidar_bag, tmp_path, "--cloud", str(tmp_path / "wall.ply"), *options)
    assert found.scale == pytest.approx(1.5, rel=1e-5)


def test_a_cloud_without_its_transform_does_not_meet_the_image(
    lidar_bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ply(tmp_path / "wall.ply", seen_by_lidar(wall_points()))
    assert calibrate(lidar_bag, tmp_path / "a.yaml", *PLANE, "--cloud", str(tmp_path / "wall.ply")) == 2
    assert "3 with fewer than 50 pixels to compare" in one_line_error(capsys)


def test_a_relative_network_gets_its_two_numbers(tmp_path: Path) -> None:
    """The depth of the folder is what the disparity 0.6 x - 0.1 of the network's own output makes."""
    network = write_network(tmp_path, meaning="relative", quantity="disparity", canonical_focal_px=None)
    images, depths = tmp_path / "images", tmp_path / "depths"
    images.mkdir()
    depths.mkdir()
    for index in range(3):
        coarse = np.random.default_rng(index).integers(0, 120, (3, 4, 3), np.uint8)
        image = cv2.resize(coarse, (56, 42), interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(images / f"{index}.png"), image[..., ::-1])
        np.save(depths / f"{index}.npy", 1.0 / (0.6 * reference_infer(image[None])[0] - 0.1))
    out = tmp_path / "scale.yaml"
    options = ("--model", str(network), "--engine", "onnxruntime", "--depth-folder", str(depths))
    assert calibrate(images, out, *options, "--max-frames", "2") == 0
    found = load_calibration(out)
    assert found.quantity == "disparity" and found.abs_rel_before is None
    assert (found.scale, found.shift) == (pytest.approx(0.6, rel=1e-2), pytest.approx(-0.1, abs=1e-2))
    with load_engine(network, engine="onnxruntime") as engine:
        pipeline = DepthPipeline(engine, PipelineOptions(calibration=found, edge_ratio=None))
        frame = CameraFrame(read_image(images / "2.png", upright=True), None, 0, "c")
        (result,) = pipeline.run([frame])
    np.testing.assert_allclose(result.depth_HW, np.load(depths / "2.npy"), rtol=1e-2)


def test_intrinsics_that_were_assumed_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    found = scale_of(tmp_path / "a.png", tmp_path, "--distance", "3", "--assumed-fov", "90")
    assert found.camera_fx == pytest.approx(32.0)
    assert "intrinsics are assumed" in capsys.readouterr().out


def test_taped_distances_in_a_scene_that_moves_are_refused(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walk = shared_data / "bags" / "hololens_mcap"
    assert calibrate(walk, tmp_path / "a.yaml", "--distance", "2", "--every", "8", "--max-error", "9") == 2
    assert "nothing may move" in one_line_error(capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no reference given; accepted: one of --distance, --depth-topic, --depth-folder, --cloud-topic, --cloud"),
        (("--distance", "3", "--cloud", "a.ply"), "--distance and --cloud given"),
        (("--distance", "1", "2"), "--distance 1 2; accepted: METRES, or U V METRES"),
        (("--distance", "-3"), "--distance -3; accepted"),
        (("--distance", "99", "0", "3"), "the pixel of a distance is (99, 0); accepted: inside the 64x48 image"),
        (("--distance", "3", "--transform", *POSE), "--transform is of a cloud, not of --distance"),
        (("--cloud-topic", "/nothing"), "has no clouds on /nothing"),
        (("--cloud-topic", "/x", "--transform", *POSE[:6], "3"), "a quaternion qx qy qz qw of length 1"),
        (("--depth-topic", "/nothing"), "has no depth on /nothing"),
        (("--depth-topic", DEPTH_TOPIC, "--min-depth", "3", "--max-depth", "2"), "accepted: min-depth < max-depth"),
    ],
)
def test_mistakes_are_one_line(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    assert calibrate(bag, tmp_path / "a.yaml", *PLANE, *options) == 2
    assert message in one_line_error(capsys)
    assert not (tmp_path / "a.yaml").exists()


@pytest.mark.parametrize("word", ["nan", "2m", "SOURCE"])
def test_a_distance_that_is_no_number_is_one_line(bag: Path, capsys: pytest.CaptureFixture[str], word: str) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["calibrate-scale", str(bag), "--distance", "2.0", word])
    assert raised.value.code == 2
    assert f"{word!r}; accepted: METRES, or U V METRES, in numbers, and SOURCE before it" in one_line_error(capsys)


def test_a_file_is_replaced_only_if_asked(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scale.yaml"
    out.write_text("mine")
    assert calibrate(bag, out, *PLANE, "--distance", "3") == 2
    assert "scale.yaml exists; accepted: another name, or --overwrite" in one_line_error(capsys)
    assert out.read_text() == "mine"
    assert calibrate(bag, out, *PLANE, "--distance", "3", "--overwrite") == 0
    assert load_calibration(out).num_frames == 5


def test_a_folder_that_is_not_there_is_named(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate(bag, tmp_path / "none" / "scale.yaml", *PLANE, "--distance", "3") == 2
    assert "cannot write" in one_line_error(capsys)


def test_the_starter_gains_on_frames_it_was_not_calibrated_with(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Calibrated on frames 0 to 59 of a real walk, measured on 60 to 79."""
    walk = shared_data / "bags" / "hololens_mcap"
    topic = "/camera/aligned_depth_to_color/image_raw/compressedDepth"
    out = tmp_path / "scale.yaml"
    assert calibrate(walk, out, "--depth-topic", topic, "--every", "6", "--max-frames", "10") == 0
    assert "trained on 10 of these frames" in capsys.readouterr().out
    found = load_calibration(out)
    assert found.abs_rel_before is not None and found.abs_rel < found.abs_rel_before
    errors: dict[str, list[float]] = {"before": [], "after": []}
    with load_engine("starter") as engine, open_source(walk) as source:
        pipelines = {
            "before": DepthPipeline(engine),
            "after": DepthPipeline(engine, PipelineOptions(calibration=found)),
        }
        for item in source:
            if not isinstance(item, SourceFrame) or item.index < 60 or item.reference_HW is None:
                continue
            for name, pipeline in pipelines.items():
                (result,) = pipeline.run([item.frame])
                measured = depth_metrics(result.depth_HW, item.reference_HW, min_depth_m=0.1, max_depth_m=20.0)
                mean = mean_metrics([measured])
                assert mean is not None
                errors[name].append(mean.mean.abs_rel)
    assert len(errors["after"]) == 20
    assert np.mean(errors["after"]) < np.mean(errors["before"]) - 0.003


def test_what_cannot_be_written_is_told_before_anything_is_measured(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path, tmp_path / "absent" / "scale.yaml"):
        assert calibrate(bag, out, *PLANE, "--distance", "2", "--overwrite") == 2
        printed = capsys.readouterr()
        assert "cannot write" in printed.err and "source:" not in printed.out


def test_the_unit_of_depth_images_needs_depth_images(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(bag, tmp_path / "scale.yaml", *PLANE, "--distance", "2", "--depth-unit", "0.01") == 2
    assert "--depth-unit is of PNG images, not of --distance" in capsys.readouterr().err


def test_the_command_to_go_on_with_can_be_copied(bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "my scale.yaml"
    assert calibrate(bag, out, *PLANE, "--distance", "2") == 0
    assert f"--scale-file '{out}'" in capsys.readouterr().out
