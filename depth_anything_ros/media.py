"""Images and videos as sources.

They carry neither intrinsics nor a clock: a calibration YAML gives the first, the frame rate or the order the second.

Stamps begin at one second, because a stamp of zero means "not set" in ROS.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from .camera import CameraModel
from .depth_frame import CameraFrame
from .encodings import NAMED_ENCODINGS, check_size
from .errors import CameraError, ImageError, SourceError
from .image_codec import pixels_to_rgb
from .image_headers import JPEG_MAGIC, PNG_MAGIC, read_header
from .message_fields import one_line
from .source_frame import CORRUPT_IMAGE, OTHER_SIZE, DroppedFrame, SourceFrame, check_calibration
from .source_kind import IMAGE_SUFFIXES, image_files, recordings_inside

FRAME_ID = "camera_optical_frame"
_SECOND_NS = 1_000_000_000
_DEFAULT_FPS = 30.0
_MAX_FILE_BYTES = 1 << 30
_MAX_NAMES = 6
_NO_CAMERA = "none: {} carry no intrinsics; give a calibration with --camera-info FILE"


def read_image(path: Path, *, upright: bool) -> npt.NDArray[np.uint8]:
    """Return an image file as (H, W, 3) uint8 RGB; alpha is dropped, 16 bits are divided by 257.

    `upright` turns the picture as its orientation tag says; without it the pixels are as stored, as calibrations of
    cameras want them. Raises ImageError for a truncated or corrupt file, another pixel type, or more than MAX_PIXELS.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ImageError(f"{path} has {path.stat().st_size} bytes; accepted: images up to {_MAX_FILE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error
    return decode_image(data, str(path), upright=upright)


def decode_image(data: bytes, name: str, *, upright: bool) -> npt.NDArray[np.uint8]:
    """As ``read_image``, of a file's bytes; ``name`` is named in errors."""
    mode = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        if data.startswith((PNG_MAGIC, JPEG_MAGIC)):  # OpenCV fills what is missing of them with grey
            read_header(data)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode) if data else None
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except cv2.error as error:
        raise ImageError(f"{name} cannot be decoded: {one_line(error)}") from error
    if pixels is None:
        raise ImageError(f"{name} is not an image that OpenCV can decode, or it is corrupt")
    check_size(pixels.shape[1], pixels.shape[0], name)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{name} holds {pixels.dtype}; accepted: 8 or 16 bits per channel")
    return pixels_to_rgb(pixels, NAMED_ENCODINGS["bgr8" if pixels.dtype == np.uint8 else "bgr16"])


class FolderSource:
    """The images of a folder in the natural order of their names, one second apart.

    Parameters
    ----------
    path: the folder, or one image file.
    camera, camera_name: the intrinsics of all images and the file they came from; None if unknown.

    A file that cannot be decoded, or is not of the camera's size, is a dropped frame. Raises SourceError for a folder
    without images.
    """

    def __init__(self, path: str | Path, camera: CameraModel | None = None, camera_name: str = "") -> None:
        path = Path(path)
        self._files = image_files(path) if path.is_dir() else [path]
        if not self._files:
            raise SourceError(f"{path} holds no images; {_what_to_give_instead(path)}")
        stems = Counter(file.stem for file in self._files)
        self._names = [file.stem if stems[file.stem] == 1 else file.name for file in self._files]
        self._camera = camera
        noun = "image" if len(self._files) == 1 else "images"
        self.description = f"folder of {len(self._files)} {noun} {path}"
        self.num_frames: int | None = len(self._files)
        self.camera_note = _NO_CAMERA.format("images") if camera is None else f"calibration file {camera_name}"
        self.notes: list[str] = []

    def __enter__(self) -> FolderSource:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held open between frames."""

    def __iter__(self) -> Iterator[SourceFrame | DroppedFrame]:
        for index, (file, name) in enumerate(zip(self._files, self._names, strict=True)):
            stamp_ns = (index + 1) * _SECOND_NS
            try:
                image_HW3 = read_image(file, upright=self._camera is None)
                frame = CameraFrame(image_HW3, self._camera, stamp_ns, FRAME_ID)
            except ImageError as error:
                yield DroppedFrame(index, stamp_ns, CORRUPT_IMAGE, str(error))
            except CameraError as error:
                yield DroppedFrame(index, stamp_ns, OTHER_SIZE, f"{file.name}: {error}")
            else:
                yield SourceFrame(frame, index, name)


def _what_to_give_instead(folder: Path) -> str:
    """Of a folder without images: the recordings inside it, or what counts as an image."""
    names = [inner.name for inner in recordings_inside(folder)]
    if not names:
        return f"accepted: {', '.join(sorted(IMAGE_SUFFIXES))}"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"give one of the recordings inside: {', '.join(names[:_MAX_NAMES])}{more}"


class ImageSource(FolderSource):
    """One image file. Raises SourceError if it cannot be decoded, CameraError if it is not of the camera's size."""

    def __init__(self, path: str | Path, camera: CameraModel | None = None, camera_name: str = "") -> None:
        super().__init__(path, camera, camera_name)
        self.description = f"image {path}"
        try:
            height, width = read_image(Path(path), upright=camera is None).shape[:2]
        except ImageError as error:
            raise SourceError(str(error)) from error
        if camera is not None:
            check_calibration(camera, camera_name, width, height)


class VideoSource:
    """A video file, with stamps from its frame rate.

    Raises SourceError if it cannot be opened, CameraError if it is not of the camera's size.
    """

    def __init__(self, path: str | Path, camera: CameraModel | None = None, camera_name: str = "") -> None:
        self._path = Path(path)
        self._camera = camera
        self.notes: list[str] = []
        self.camera_note = _NO_CAMERA.format("videos") if camera is None else f"calibration file {camera_name}"
        self._capture: cv2.VideoCapture | None = self._open()
        readable, first = self._capture.read()
        if not readable:
            self.close()
            raise SourceError(f"{path} is not a video that OpenCV can decode, or it has no frames")
        if camera is not None:
            check_calibration(camera, camera_name, first.shape[1], first.shape[0])
        self._fps = self._capture.get(cv2.CAP_PROP_FPS)
        if not (math.isfinite(self._fps) and 0.0 < self._fps <= 10_000.0):
            self.notes.append(f"the video states a frame rate of {self._fps}; {_DEFAULT_FPS:g} frames/s are assumed")
            self._fps = _DEFAULT_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.num_frames: int | None = int(count) if math.isfinite(count) and 0 < count < 1e9 else None
        self.description = f"video {path}, {first.shape[1]}x{first.shape[0]}, {self._fps:g} frames/s"

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the decoder."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def __iter__(self) -> Iterator[SourceFrame | DroppedFrame]:
        self.close()
        self._capture = capture = self._open()
        index = 0
        while True:
            try:
                readable, picture = capture.read()
            except cv2.error:
                readable = False
            if not readable:
                break
            stamp_ns = _SECOND_NS + round(index * _SECOND_NS / self._fps)
            rgb_HW3 = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
            yield self._frame(rgb_HW3, index, stamp_ns)
            index += 1
        if self.num_frames is not None and index < self.num_frames:
            note = f"the video states {self.num_frames} frames; {index} could be decoded"
            if note not in self.notes:
                self.notes.append(note)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise SourceError(f"{self._path} cannot be opened as a video by this OpenCV")
        return capture

    def _frame(self, rgb_HW3: npt.NDArray[np.uint8], index: int, stamp_ns: int) -> SourceFrame | DroppedFrame:
        try:
            return SourceFrame(CameraFrame(rgb_HW3, self._camera, stamp_ns, FRAME_ID), index, f"{index:06d}")
        except CameraError as error:
            return DroppedFrame(index, stamp_ns, OTHER_SIZE, str(error))
