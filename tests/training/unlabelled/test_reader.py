"""The pixels of a reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ImageError
from depth_anything_ros.rectify import Rectifier
from depth_anything_ros.source import open_source
from tests.sample_bags import (
    Recorded,
    camera_info_message,
    camera_recording,
    image_message,
    jpeg,
    picture,
    write_bag,
)
from tests.test_media import write_video
from tests.training.unlabelled.test_inputs import write_tar
from training.unlabelled import ImageReader, ImageReference, list_images


def test_a_file_and_a_member_of_a_tar_are_the_same_image(tmp_path: Path) -> None:
    data = jpeg(picture(3))
    (tmp_path / "a.jpg").write_bytes(data)
    write_tar(tmp_path / "s.tar", {"pad.json": b"{}", "a.jpg": data})
    reader = ImageReader()
    (file,) = list_images(str(tmp_path / "a.jpg"))
    (member,) = list_images(str(tmp_path / "s.tar"))
    np.testing.assert_array_equal(reader.read(file), reader.read(member))
    assert np.abs(reader.read(file).astype(int) - picture(3)).mean() < 4


def test_frames_in_any_order(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", 6)
    bag = write_bag(tmp_path / "run", camera_recording(4, info=False))
    reader = ImageReader()
    for frame in (0, 3, 4, 1, 5):
        assert abs(float(reader.read(ImageReference(str(video), frame=frame)).mean()) - 20 * frame) < 3
    for frame in (2, 3, 0):
        np.testing.assert_array_equal(reader.read(ImageReference(str(bag), frame=frame)), picture(frame))
    reader.close()


def test_reading_on_opens_a_recording_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def counted(path, **options):  # type: ignore[no-untyped-def]
        opened.append(path)
        return open_source(path, **options)

    monkeypatch.setattr("training.unlabelled.reader.open_source", counted)
    reader = ImageReader()
    video = str(write_video(tmp_path / "v.avi", 6))
    for frame in range(0, 6, 2):
        reader.read(ImageReference(video, frame=frame))
    assert opened == [video]


def test_a_distorted_camera_of_a_bag_is_rectified(tmp_path: Path) -> None:
    distortion = [-0.3, 0.1, 0.0, 0.0, 0.0]
    recorded = [
        Recorded("/camera/camera_info", camera_info_message(1, D=distortion), 1),
        Recorded("/camera/image_raw", image_message(picture(), "rgb8", 1), 2),
    ]
    bag = write_bag(tmp_path / "run", recorded)
    camera = CameraModel(
        width=64, height=48, fx=50, fy=50, cx=31.5, cy=23.5, distortion_model="plumb_bob", D=distortion
    )
    image = ImageReader().read(ImageReference(str(bag), frame=0))
    np.testing.assert_array_equal(image, Rectifier(camera)(picture()))
    assert not np.array_equal(image, picture())


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (ImageReference("gone.jpg"), "gone.jpg cannot be read: No such file"),
        (ImageReference("bad.jpg"), "bad.jpg"),
        (ImageReference("gone.tar", "a.jpg", 512, 9), "gone.tar!a.jpg cannot be read"),
        (ImageReference("s.tar", "bad.jpg", 512, 9), "s.tar!bad.jpg is not an image"),
        (ImageReference("v.avi", frame=99), "v.avi#99: the recording ends before it"),
        (ImageReference("gone.mcap", frame=0), "gone.mcap#0: .*does not exist"),
    ],
)
def test_what_cannot_be_read_is_an_image_error_that_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: ImageReference, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.jpg").write_bytes(jpeg(picture())[:200])
    write_tar(Path("s.tar"), {"bad.jpg": b"nonsense!"})
    write_video(Path("v.avi"), 2)
    with pytest.raises(ImageError, match=words):
        ImageReader().read(reference)
