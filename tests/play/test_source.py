"""What play publishes: a bag's messages as recorded, everything else as rgb8, either as JPEG where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from depth_anything_ros.compressed_codec import decode_compressed
from depth_anything_ros.errors import CameraError, ConfigError, SourceError
from depth_anything_ros.image_codec import to_rgb
from depth_anything_ros.play.source import PlayFrame, open_play_source
from depth_anything_ros.source_frame import CORRUPT_IMAGE, DroppedFrame
from tests.sample_bags import (
    CAMERA_INFO,
    COMPRESSED,
    FRAME,
    IMAGE,
    PERIOD_NS,
    START_NS,
    STORE,
    Recorded,
    camera_recording,
    compressed_message,
    image_message,
    jpeg,
    picture,
    write_bag,
)

CALIBRATION = """
image_width: 64
image_height: 48
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.0, 0.0, 0.0]}
camera_matrix: {rows: 3, cols: 3, data: [80.0, 0.0, 30.0, 0.0, 81.0, 25.0, 0.0, 0.0, 1.0]}
"""


def frames_of(path: Path, **options: Any) -> list[PlayFrame]:
    source = open_play_source(str(path), **options)
    frames = [item for item in source if isinstance(item, PlayFrame)]
    source.close()
    assert frames
    return frames


def decoded(cdr: Any, kind: str) -> Any:
    return STORE.deserialize_cdr(cdr, kind)


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    path = tmp_path / "camera.yaml"
    path.write_text(CALIBRATION)
    return path


def test_raw_images_of_a_bag_keep_their_encoding(tmp_path: Path) -> None:
    mosaic = picture()[..., 0].copy()
    message = image_message(mosaic, "bayer_rggb8", START_NS)
    path = write_bag(tmp_path / "bag", [Recorded("/camera/image_raw", message, START_NS)])
    (frame,) = frames_of(path)
    assert bytes(frame.image_cdr) == bytes(STORE.serialize_cdr(message, IMAGE))
    assert frame.camera_info_cdr is None


def test_jpegs_of_a_bag_become_rgb8_or_stay(tmp_path: Path) -> None:
    message = compressed_message(jpeg(picture()), START_NS)
    path = write_bag(tmp_path / "bag", [Recorded("/camera/image/compressed", message, START_NS)])
    (raw,) = frames_of(path)
    image = decoded(raw.image_cdr, IMAGE)
    assert (image.encoding, image.header.frame_id) == ("rgb8", FRAME)
    np.testing.assert_array_equal(to_rgb(image), decode_compressed(message))
    (kept,) = frames_of(path, compressed=True)
    assert bytes(kept.image_cdr) == bytes(STORE.serialize_cdr(message, COMPRESSED))


def test_raw_images_become_jpeg_where_asked_for(tmp_path: Path) -> None:
    frames = frames_of(write_bag(tmp_path / "bag", camera_recording(2)), compressed=True)
    message = decoded(frames[1].image_cdr, COMPRESSED)
    assert message.format == "rgb8; jpeg compressed bgr8"
    assert np.abs(decode_compressed(message).astype(int) - picture(1)).mean() < 3.0
    assert frames[1].stamp_ns == START_NS + PERIOD_NS


def test_a_calibration_file_goes_before_the_bags(tmp_path: Path, calibration: Path) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(2))
    assert decoded(frames_of(path)[0].camera_info_cdr, CAMERA_INFO).k[0] == 50.0
    source = open_play_source(str(path), camera_info=calibration)
    assert source.camera_note == f"calibration file {calibration}"
    info = decoded(frames_of(path, camera_info=calibration)[0].camera_info_cdr, CAMERA_INFO)
    assert (info.k[0], info.k[4], list(info.d[:2]), info.header.frame_id) == (80.0, 81.0, [0.1, -0.2], FRAME)


def test_a_calibration_of_another_size_is_refused(tmp_path: Path, calibration: Path) -> None:
    path = write_bag(tmp_path / "bag", camera_recording(2, width=32, height=24))
    with pytest.raises(CameraError, match="the image is 32x24 but its camera is 64x48"):
        open_play_source(str(path), camera_info=calibration)


def test_pictures_are_rgb8_with_the_calibration_given(tmp_path: Path, calibration: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), picture(index)[..., ::-1])
    assert all(frame.camera_info_cdr is None for frame in frames_of(folder))
    frames = frames_of(folder, camera_info=calibration)
    for index, frame in enumerate(frames):
        image, info = decoded(frame.image_cdr, IMAGE), decoded(frame.camera_info_cdr, CAMERA_INFO)
        np.testing.assert_array_equal(to_rgb(image), picture(index))
        assert (info.width, info.height, info.k[0]) == (64, 48, 80.0)
        assert info.header == image.header
    (one,) = frames_of(folder / "1.png")
    np.testing.assert_array_equal(to_rgb(decoded(one.image_cdr, IMAGE)), picture(1))


def test_unusable_images_are_dropped_with_the_cause(tmp_path: Path) -> None:
    messages = [compressed_message(data, START_NS + i) for i, data in enumerate([jpeg(picture()), b"no jpeg at all"])]
    recording = [Recorded("/camera/image/compressed", message, START_NS + i) for i, message in enumerate(messages)]
    source = open_play_source(str(write_bag(tmp_path / "bag", recording)))
    items = list(source)
    source.close()
    assert isinstance(items[0], PlayFrame)
    assert isinstance(items[1], DroppedFrame) and items[1].cause == CORRUPT_IMAGE


def test_options_that_do_not_fit_the_source_are_refused(tmp_path: Path, calibration: Path) -> None:
    path = str(write_bag(tmp_path / "bag", camera_recording(2)))
    with pytest.raises(ConfigError, match="--size is for cameras"):
        open_play_source(path, size=(640, 480))
    with pytest.raises(SourceError, match="both a CameraInfo topic"):
        open_play_source(path, camera_info=calibration, camera_info_topic="/camera/camera_info")
    with pytest.raises(SourceError, match="is a camera and has no topics"):
        open_play_source("/dev/video97", image_topic="/image")
    with pytest.raises(SourceError, match="does not exist"):
        open_play_source(str(tmp_path / "nowhere"))


def test_rectified_without_a_calibration_file_is_refused_for_a_bag(repository: Path) -> None:
    with pytest.raises(ConfigError, match="--rectified says how --camera-info is read"):
        open_play_source(str(repository / "depth_anything_ros" / "demo"), rectified=True)
