"""What a path holds, told by content where content tells: a bag, a folder of images, an image or a video."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from .errors import SourceError

METADATA = "metadata.yaml"
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm"}
)

_MAGIC = {b"\x89MCAP": "mcap", b"SQLite format 3\0": "sqlite3", b"#ROSBAG": "ros1", b"\x28\xb5\x2f\xfd": "zstd"}
# A file without its first bytes is still recognised by its name, so that it is reported as a damaged bag.
_SUFFIXES = {".mcap": "mcap", ".db3": "sqlite3", ".bag": "ros1", ".mcap.zstd": "zstd", ".db3.zstd": "zstd"}


def source_kind(path: Path) -> str:
    """Return bag, folder, image or video; '' for anything else. Raises SourceError if `path` cannot be read."""
    if path.is_dir():
        if (path / METADATA).is_file() or storage_files(path):
            return "bag"
        return "folder"
    if not path.is_file():  # a pipe or a device: opening it may never return
        raise SourceError(f"{path} is neither a file nor a folder")
    if storage_kind(path):
        return "bag"
    suffix = path.suffix.lower()
    return "image" if suffix in IMAGE_SUFFIXES else "video" if suffix in VIDEO_SUFFIXES else ""


def storage_kind(path: Path) -> str:
    """Return what bag file this is: mcap, sqlite3, ros1, zstd (any of them, compressed), or '' for no bag file.

    The first bytes tell; the name does only if they say nothing. Raises SourceError if the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return next((kind for suffix, kind in _SUFFIXES.items() if path.name.lower().endswith(suffix)), "")


def storage_files(folder: Path) -> list[Path]:
    """Return the bag files in a folder, by their names' natural order. Raises SourceError if it cannot be read."""
    return [path for path in list_folder(folder) if path.name.lower().endswith(tuple(_SUFFIXES))]


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder, by their names' natural order. Raises SourceError if it cannot be read."""
    return [path for path in list_folder(folder) if path.suffix.lower() in IMAGE_SUFFIXES]


def recordings_inside(folder: Path) -> list[Path]:
    """Return the folders right inside a folder that hold a bag or images, by their names' natural order.

    Those that cannot be read are left out. Raises SourceError if `folder` cannot be read.
    """
    found = []
    for inner in _sorted_by_name(path for path in _entries(folder) if path.is_dir()):
        with contextlib.suppress(SourceError):
            if source_kind(inner) == "bag" or image_files(inner):
                found.append(inner)
    return found


def list_folder(folder: Path) -> list[Path]:
    """Return the files in a folder, hidden ones apart, so that frame_9 comes before frame_10."""
    return _sorted_by_name(path for path in _entries(folder) if path.is_file())


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror or error}") from error


def _sorted_by_name(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (_natural_key(path.name), path.name))


def _natural_key(name: str) -> list[tuple[bool, int, str]]:
    parts = [part for part in re.split("([0-9]+)", name.lower()) if part]
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts]
