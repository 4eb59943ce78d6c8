from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from training.sources.demo_room import (
    DEPTH_TOPIC,
    FRAME_ID,
    IMAGE_TOPIC,
    INFO_TOPIC,
    START_NS,
    STEP_NS,
    frame_payloads,
    messages,
    render_frame,
    write_demo,
)
from training.sources.demo_scene import CAMERA, DEMO_SEED, FRAMES, demo_pose, demo_scene
from training.sources.synthetic import FIRST_TRAINING_SEED, Pinhole, hits

# The same field of view at a quarter of the size.
SMALL = Pinhole(106, 60, CAMERA.fx / 4, CAMERA.fy / 4, (CAMERA.cx + 0.5) / 4 - 0.5, (CAMERA.cy + 0.5) / 4 - 0.5)


@pytest.fixture(scope="module")
def shipped(repository: Path) -> Path:
    return repository / "depth_anything_ros" / "demo"


def read_all(folder: Path) -> dict[str, list[tuple[int, object]]]:
    found: dict[str, list[tuple[int, object]]] = {}
    with AnyReader([folder]) as reader:
        for connection, stamp, raw in reader.messages():
            found.setdefault(connection.topic, []).append((stamp, reader.deserialize(raw, connection.msgtype)))
    return found


def decode_depth(data: np.ndarray) -> np.ndarray:
    image = cv2.imdecode(data[12:], cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint16
    return image


def test_room_is_of_no_training_seed() -> None:
    assert DEMO_SEED < FIRST_TRAINING_SEED
    assert demo_scene().seed == DEMO_SEED


def test_recording_is_small_and_every_frame_decodes(shipped: Path) -> None:
    assert sum(item.stat().st_size for item in shipped.iterdir()) < 5_000_000
    found = read_all(shipped)
    assert set(found) == {IMAGE_TOPIC, INFO_TOPIC, DEPTH_TOPIC}
    stamps = [START_NS + i * STEP_NS for i in range(FRAMES)]
    for topic, entries in found.items():
        assert [stamp for stamp, _ in entries] == stamps, topic
        for stamp, message in entries:
            assert message.header.frame_id == FRAME_ID
            assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp
    for _, message in found[IMAGE_TOPIC]:
        assert cv2.imdecode(message.data, cv2.IMREAD_COLOR).shape == (CAMERA.height, CAMERA.width, 3)
    for _, message in found[DEPTH_TOPIC]:
        depth = decode_depth(message.data)
        assert depth.shape == (CAMERA.height, CAMERA.width) and depth.min() > 300 and depth.max() < 9000
    info = found[INFO_TOPIC][0][1]
    assert (info.width, info.height, info.k[0], info.k[2]) == (CAMERA.width, CAMERA.height, CAMERA.fx, CAMERA.cx)


def test_recording_is_what_the_code_renders(shipped: Path) -> None:
    """Other processors may round a picture differently, not its geometry."""
    found, scene = read_all(shipped), demo_scene()
    exact = hits(scene, CAMERA, demo_pose(30))[0]
    depth = decode_depth(found[DEPTH_TOPIC][30][1].data)
    assert (np.abs(depth / 1000.0 - exact) < 1.5e-3).mean() > 0.995
    picture = cv2.imdecode(found[IMAGE_TOPIC][30][1].data, cv2.IMREAD_COLOR)[:, :, ::-1]
    again = render_frame(scene, 30, SMALL).image_HW3
    picture = cv2.resize(picture, (SMALL.width, SMALL.height), interpolation=cv2.INTER_AREA)
    assert np.abs(picture.astype(float) - again).mean() < 8.0


def test_rendering_again_gives_the_same_bytes() -> None:
    first, second = (frame_payloads(render_frame(demo_scene(), 3, SMALL)) for _ in range(2))
    assert first == second


def test_camera_moves_smoothly_and_stays_free() -> None:
    scene, poses = demo_scene(), [demo_pose(step) for step in range(FRAMES)]
    for before, after in itertools.pairwise(poses):
        assert np.linalg.norm(after.position - before.position) < 0.09
        assert np.degrees(np.arccos(np.clip(before.rotation[:, 2] @ after.rotation[:, 2], -1, 1))) < 2.5
    assert not any(scene.inside(pose.position, 0.2) for pose in poses)


def test_written_recording_reads_back(tmp_path: Path) -> None:
    folder = write_demo(tmp_path / "demo", 1, SMALL)
    found = read_all(folder)
    expected = {topic: message for topic, _, message in messages(1, SMALL)}
    for topic in (IMAGE_TOPIC, DEPTH_TOPIC):
        np.testing.assert_array_equal(found[topic][0][1].data, expected[topic].data)
        assert found[topic][0][1].format == expected[topic].format


def test_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="no recording"):
        write_demo(tmp_path, frames=1)
    assert (tmp_path / "notes.txt").read_text() == "mine"
