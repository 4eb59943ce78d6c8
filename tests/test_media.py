"""Images, folders of images and videos as sources."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, ImageError, SourceError
from depth_anything_ros.media import FRAME_ID, FolderSource, ImageSource, VideoSource, read_image
from depth_anything_ros.source_frame import DroppedFrame, Source, SourceFrame
from tests.sample_bags import camera_recording, jpeg, picture, write_bag

SECOND = 1_000_000_000


def write_png(path: Path, image_HW3: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(".png", image_HW3[..., ::-1])[1].tobytes())
    return path


def write_video(path: Path, count: int, *, noise: bool = False) -> Path:
    """A Motion JPEG video at 10 frames/s of flat grey pictures, each 20 brighter than the one before; or of noise."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no Motion JPEG")
    rng = np.random.default_rng(0)
    for index in range(count):
        writer.write(
            rng.integers(0, 256, (48, 64, 3), np.uint8) if noise else np.full((48, 64, 3), 20 * index, np.uint8)
        )
    writer.release()
    return path


def frames_of(source: Source) -> list[SourceFrame]:
    with source:
        frames = list(source)
    assert all(isinstance(frame, SourceFrame) for frame in frames)
    return frames  # type: ignore[return-value]


def test_an_image_is_one_frame_without_a_camera(tmp_path: Path) -> None:
    source = ImageSource(write_png(tmp_path / "room.png", picture()))
    (frame,) = frames_of(source)
    np.testing.assert_array_equal(frame.frame.image_HW3, picture())
    assert (frame.index, frame.name, frame.reference_HW, frame.frame.camera) == (0, "room", None, None)
    assert (frame.frame.stamp_ns, frame.frame.frame_id) == (SECOND, FRAME_ID)
    assert source.num_frames == 1
    assert source.camera_note == "none: images carry no intrinsics; give a calibration with --camera-info FILE"
    assert isinstance(source, Source)


def test_an_image_with_its_calibration(tmp_path: Path) -> None:
    path = write_png(tmp_path / "room.png", picture())
    camera = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    source = ImageSource(path, camera, "mine.yaml")
    assert frames_of(source)[0].frame.camera == camera
    assert source.camera_note == "calibration file mine.yaml"
    with pytest.raises(CameraError, match=r"mine\.yaml: the image is 64x48 but its camera is 32x24"):
        ImageSource(path, CameraModel(32, 24, 50.0, 50.0, 15.5, 11.5), "mine.yaml")


@pytest.mark.parametrize(
    "data", [b"", b"text", jpeg(picture())[:-100], jpeg(picture())[:30], b"\x89PNG\r\n\x1a\n", b"BM" + bytes(60)]
)
def test_a_corrupt_image_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"bad\.jpg") as caught:
        ImageSource(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm"])
def test_every_kind_of_image_file(tmp_path: Path, suffix: str) -> None:
    grey = np.full((5, 7, 3), (200, 100, 50), np.uint8)
    if not cv2.imwrite(str(tmp_path / f"a{suffix}"), grey[..., ::-1]):
        pytest.skip(f"this OpenCV writes no {suffix}")
    np.testing.assert_allclose(read_image(tmp_path / f"a{suffix}", upright=True), grey, atol=3)


def test_16_bits_grey_and_alpha_become_rgb(tmp_path: Path) -> None:
    pixels = np.array([[0, 257, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "grey.png"), pixels)
    rgb_HW3 = read_image(tmp_path / "grey.png", upright=True)
    np.testing.assert_array_equal(rgb_HW3[..., 0], [[0, 1, 255]])
    assert rgb_HW3.shape == (1, 3, 3)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.full((2, 2, 4), (1, 2, 3, 0), np.uint8))
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png", upright=True)[0, 0], (3, 2, 1))


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    if not cv2.imwrite(str(tmp_path / "a.tiff"), np.ones((4, 4), np.float32)):
        pytest.skip("this OpenCV writes no TIFF")
    with pytest.raises(ImageError, match=r"a\.tiff"):
        read_image(tmp_path / "a.tiff", upright=True)


def test_the_orientation_tag_counts_only_without_a_calibration(tmp_path: Path) -> None:
    # A JPEG with an EXIF block that says "turned by 90 degrees" (orientation 6).
    exif = (
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
    )
    data = jpeg(picture())
    path = tmp_path / "turned.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    assert frames_of(ImageSource(path))[0].frame.image_HW3.shape == (64, 48, 3)
    camera = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    assert frames_of(ImageSource(path, camera, "mine.yaml"))[0].frame.image_HW3.shape == (48, 64, 3)


def test_a_folder_is_read_in_natural_order_past_bad_files(tmp_path: Path) -> None:
    for index in (1, 2, 10):
        write_png(tmp_path / f"frame_{index}.png", picture(index))
    (tmp_path / "frame_3.jpg").write_bytes(jpeg(picture(3))[:-100])
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    with FolderSource(tmp_path) as source:
        frames = list(source)
    assert source.num_frames == 4
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    dropped = frames[2]
    assert isinstance(dropped, DroppedFrame)
    assert dropped.cause == "corrupt image" and "frame_3.jpg: JPEG is truncated" in dropped.detail
    good = [frame for frame in frames if isinstance(frame, SourceFrame)]
    assert [frame.name for frame in good] == ["frame_1", "frame_2", "frame_10"]
    assert [frame.frame.stamp_ns for frame in good] == [SECOND, 2 * SECOND, 4 * SECOND]


def test_sizes_that_differ_from_the_calibration_are_dropped(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", picture())
    write_png(tmp_path / "b.png", picture(1, 32, 24))
    with FolderSource(tmp_path, CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5), "mine.yaml") as source:
        first, second = source
    assert isinstance(first, SourceFrame) and isinstance(second, DroppedFrame)
    assert second.cause == "image size differs from its camera's"
    assert second.detail == "b.png: the image is 32x24 but its camera is 64x48"


def test_names_are_unique_where_only_the_suffix_differs(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", picture())
    (tmp_path / "a.jpg").write_bytes(jpeg(picture()))
    assert [frame.name for frame in frames_of(FolderSource(tmp_path))] == ["a.jpg", "a.png"]


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no images; accepted: \.bmp"):
        FolderSource(tmp_path)


def test_a_folder_of_recordings_names_them(tmp_path: Path) -> None:
    write_bag(tmp_path / "drive_10", camera_recording(1))
    write_bag(tmp_path / "drive_9", camera_recording(1))
    (tmp_path / "photos").mkdir()
    write_png(tmp_path / "photos" / "a.png", picture())
    (tmp_path / "notes").mkdir()
    with pytest.raises(SourceError, match=r"holds no images; give one of the recordings inside: drive_9, drive_10,"):
        FolderSource(tmp_path)
    for index in range(5):
        (tmp_path / f"shots_{index}").mkdir()
        write_png(tmp_path / f"shots_{index}" / "a.png", picture())
    with pytest.raises(SourceError, match=r"shots_0, shots_1, shots_2 and 2 more$"):
        FolderSource(tmp_path)


def test_one_image_is_not_called_images(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", picture())
    assert FolderSource(tmp_path).description == f"folder of 1 image {tmp_path}"
    write_png(tmp_path / "b.png", picture())
    assert FolderSource(tmp_path).description == f"folder of 2 images {tmp_path}"


def test_a_video_has_stamps_from_its_frame_rate(tmp_path: Path) -> None:
    source = VideoSource(write_video(tmp_path / "a.avi", 6))
    assert source.num_frames == 6
    with source:
        assert [len(list(source)) for _ in range(2)] == [6, 6]
        frames = [frame for frame in source if isinstance(frame, SourceFrame)]
    assert [frame.frame.stamp_ns for frame in frames] == [SECOND + index * SECOND // 10 for index in range(6)]
    for index, frame in enumerate(frames):
        assert frame.frame.image_HW3.shape == (48, 64, 3)
        np.testing.assert_allclose(frame.frame.image_HW3, 20 * index, atol=3)
        assert frame.name == f"{index:06d}"


def test_a_video_is_red_where_it_was_red(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no Motion JPEG")
    writer.write(np.full((48, 64, 3), (0, 0, 255), np.uint8))
    writer.release()
    np.testing.assert_allclose(frames_of(VideoSource(path))[0].frame.image_HW3[10, 10], (255, 0, 0), atol=6)


def test_a_video_of_another_size_than_its_calibration(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 2)
    camera = CameraModel(64, 48, 50.0, 50.0, 31.5, 23.5)
    assert {frame.frame.camera for frame in frames_of(VideoSource(path, camera, "mine.yaml"))} == {camera}
    with pytest.raises(CameraError, match=r"mine\.yaml: the image is 64x48 but its camera is 32x24"):
        VideoSource(path, CameraModel(32, 24, 50.0, 50.0, 15.5, 11.5), "mine.yaml")


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all" * 100)
    with pytest.raises(SourceError, match=r"a\.mp4 cannot be opened as a video"):
        VideoSource(tmp_path / "a.mp4")


def test_a_video_that_was_cut_off_gives_its_beginning(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 30, noise=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    source = VideoSource(path)
    count = len(frames_of(source))
    assert 10 < count < 20
    assert source.notes == [f"the video states {source.num_frames} frames; {count} could be decoded"]


def test_the_example_images(shared_data: Path) -> None:
    with FolderSource(shared_data / "dav2_examples") as source:
        first = next(iter(source))
    assert isinstance(first, SourceFrame) and first.name == "demo01" and first.frame.image_HW3.shape[2] == 3
    frame = frames_of(ImageSource(shared_data / "arkit_lidar" / "image.jpg"))[0].frame
    assert min(frame.image_HW3.shape[:2]) > 256
