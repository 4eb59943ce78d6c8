"""``run`` on bad input: each has a one-line error or a counted, explained drop, and what was written stays whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.run_command import QUICK, one_line_error, read_bag, run, summary_of
from tests.sample_bags import (
    PERIOD_NS,
    START_NS,
    Recorded,
    camera_info_message,
    camera_recording,
    compressed_message,
    image_message,
    jpeg,
    picture,
    storage_file,
    write_bag,
)
from tests.tiny_networks import write_network


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_bag(tmp_path / "walk", camera_recording(5))


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
