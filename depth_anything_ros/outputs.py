"""The output folder: what a run writes there, each file complete under its name or not there at all.

A file is written to a hidden name beside its own and renamed when it is whole, so an interruption or a full disk leaves
only complete files. Every failure of the file system is one OutputError that names the path.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.depth_codec import depth_to_millimetres
from depth_anything_ros.errors import ConfigError, OutputError
from depth_anything_ros.render import RGBImage

DEPTH_FORMATS = ("png", "npy")
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file grew beyond the allowed size",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "it is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long",
}
_RESULT_FILES = (
    "side_by_side.mp4",
    "side_by_side.avi",
    "contact_sheet.png",
    "cloud.png",
    "frames.csv",
    "summary.json",
)
_RESULT_FOLDERS = ("depth", "ply", "bag")
MARKER = ".depth_anything_ros"
"""File that says a folder was made by a run; --overwrite removes nothing without it."""


@contextlib.contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turn an OSError raised inside into an OutputError that names ``path`` and the reason."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise OutputError(f"cannot write {path}: {reason}") from error


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix), renamed to it on success and deleted on any failure."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        with os_errors(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write JSON, indented; no NaN and no infinity may be in it."""
    write_bytes(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def write_picture(path: Path, image_HW3: NDArray[np.uint8]) -> None:
    """Write an RGB picture (H, W, 3) uint8 as PNG."""
    write_bytes(path, _encode_png(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR), path))


def write_depth(folder: Path, name: str, depth_HW: NDArray[np.float32], kind: str) -> Path:
    """Write one depth image (H, W) [m] and return its path: 16UC1 PNG (0 = none), or float32 .npy (NaN, Inf kept)."""
    if kind not in DEPTH_FORMATS:
        raise ConfigError(f"depth format is {kind!r}; accepted: {', '.join(DEPTH_FORMATS)}")
    path = folder / f"{name}.{kind}"
    if kind == "png":
        write_bytes(path, _encode_png(depth_to_millimetres(depth_HW), path))
    else:
        with atomic_path(path) as temporary:
            np.save(temporary, depth_HW, allow_pickle=False)
    return path


def _encode_png(image: NDArray[Any], path: Path) -> bytes:
    done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise OutputError(f"cannot write {path}: OpenCV cannot encode a {image.shape} image as PNG")
    return bytes(data.tobytes())


class OutputFolder:
    """The folder of one run.

    ``check`` refuses a folder that holds results, unless ``overwrite`` and an earlier run made them: then ``create``
    removes them by their names, and nothing else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[Sequence[object]] = []

    def check(self, *, overwrite: bool, source: str | Path) -> None:
        """Refuse, before anything is computed, what ``create`` would refuse; changes nothing."""
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"cannot write to {self.path}: it is a file, not a folder")
        results = self._results()
        if results and not overwrite:
            raise OutputError(f"{self.path} already holds {results[0].name}; give another folder, or --overwrite")
        if results and not (self.path / MARKER).exists():
            raise OutputError(
                f"{self.path} holds {results[0].name} but no {MARKER}: no run made it, so --overwrite removes nothing"
            )
        for result in results:
            if result.resolve() in (Path(source).resolve(), *Path(source).resolve().parents):
                raise OutputError(f"the source {source} is the result {result} that --overwrite would remove")

    def create(self, *, overwrite: bool, folders: Sequence[str]) -> None:
        """Make the folder and those of ``folders`` (of depth, ply) inside; try that it can be written to."""
        with os_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for result in (*self._results(), *self.path.glob(".*.part*")) if overwrite else ():
                if result.is_dir() and not result.is_symlink():
                    shutil.rmtree(result)
                else:
                    result.unlink()
            for name in folders:
                (self.path / name).mkdir(exist_ok=True)
        write_bytes(self.path / MARKER, b"results of depth_anything_ros run\n")

    def add_row(self, *row: object) -> None:
        """Remember one line of frames.csv."""
        self._rows.append(row)

    def write_rows(self, header: Sequence[str]) -> None:
        """Write frames.csv: which depth image belongs to which frame of the source."""
        with atomic_path(self.path / "frames.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(self._rows)

    def _results(self) -> list[Path]:
        names = (*_RESULT_FOLDERS, *_RESULT_FILES)
        with os_errors(self.path):
            return [self.path / name for name in names if (self.path / name).exists()]


class VideoWriter:
    """A side-by-side video, MPEG-4 in .mp4 or else Motion JPEG in .avi, whichever this OpenCV can write.

    Frames are RGB of one size; a frame of another size is padded or cut to that of the first. Where no codec works, or
    what was written cannot be opened again, there is no video, ``problem`` says why, and the run goes on.
    """

    def __init__(self, folder: Path, *, frames_per_s: float) -> None:
        self.path: Path | None = None
        self.problem = ""
        self.num_frames = 0
        self._folder = folder
        self._frames_per_s = frames_per_s
        self._writer: cv2.VideoWriter | None = None
        self._temporary: Path | None = None
        self._size = (0, 0)

    def add(self, image_HW3: RGBImage) -> None:
        """Append a frame (H, W, 3) with even sides."""
        if self._writer is None and not self.problem:
            self._open(image_HW3.shape[1], image_HW3.shape[0])
        if self._writer is not None:
            width, height = self._size
            frame = np.zeros((height, width, 3), np.uint8)
            part = image_HW3[:height, :width]
            frame[: part.shape[0], : part.shape[1]] = part
            self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            self.num_frames += 1

    def close(self) -> None:
        """Finish the file, open it again to be sure, and give it its name."""
        if self._writer is None or self._temporary is None:
            return
        self._writer.release()
        self._writer = None
        final = self._folder / f"side_by_side{self._temporary.suffix}"
        try:
            reader = cv2.VideoCapture(str(self._temporary))
            readable, _ = reader.read()
            reader.release()
            if not readable:
                self.problem = "the video that OpenCV wrote cannot be read back (is the disk full?)"
                return
            with os_errors(final):
                os.replace(self._temporary, final)
            self.path = final
        finally:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def _open(self, width: int, height: int) -> None:
        for suffix, codec in ((".mp4", b"mp4v"), (".avi", b"MJPG")):
            temporary = self._folder / f".side_by_side.{os.getpid()}.part{suffix}"
            writer = cv2.VideoWriter(
                str(temporary), int.from_bytes(codec, "little"), self._frames_per_s, (width, height)
            )
            if writer.isOpened():
                self._writer, self._temporary, self._size = writer, temporary, (width, height)
                return
            writer.release()
            temporary.unlink(missing_ok=True)
        self.problem = "this OpenCV has no codec for video (mp4v and MJPG were tried)"
