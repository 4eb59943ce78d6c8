"""``list_images``: one entry of a recipe's ``images`` to the images in it, one after the other, in a fixed order."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from depth_anything_ros.errors import SourceError
from depth_anything_ros.source import open_source
from depth_anything_ros.source_kind import IMAGE_SUFFIXES, VIDEO_SUFFIXES, source_kind

from .references import ImageReference

ACCEPTED = "a folder of images, a list (.txt), shards (.tar, braces allowed), a bag (bag:/topic to choose), a video"
REST = "the rest of a truncated archive"
"""Stands for the members that a damaged .tar lost."""


def list_images(entry: str, *, frame_every: int = 1) -> Iterator[ImageReference]:
    """The images of one entry; of recordings and videos every ``frame_every``-th frame.

    - A folder: its images and those in its .tar files and videos, at any depth, by name; a folder that is a bag is read
      as one.
    - ``.txt``: one image file per line, relative to the list's folder; empty lines and lines that begin with ``#``
      are passed over. Whether a file is there is seen when it is read.
    - ``.tar``: WebDataset shards; ``{000..123}`` in the name stands for many. A member is an image where all that
      follows the first dot of its name is an image's suffix (so ``7.depth.png`` is none).
    - A bag or a video: its frames in order. ``bag:/topic`` chooses among several cameras.
    - An image file.

    Raises SourceError for what is none of these, cannot be read, or holds no images.
    """
    if "://" in entry:
        raise SourceError(f"{entry}: files on this machine are accepted, not addresses")
    found = False
    for reference in _references(entry, frame_every):
        found = True
        yield reference
    if not found:
        raise SourceError(f"{entry} holds no images; accepted: {ACCEPTED}")


def _references(entry: str, frame_every: int) -> Iterator[ImageReference]:
    path, topic = Path(entry), ""
    if not path.exists() and ":/" in entry:
        name, _, rest = entry.rpartition(":/")
        path, topic = Path(name), "/" + rest
    if path.suffix == ".tar" and not path.is_dir():
        for shard in _expand(entry):
            yield from _tar_members(Path(shard))
        return
    if not path.exists():
        raise SourceError(f"{entry} does not exist; accepted: {ACCEPTED}")
    kind = source_kind(path)
    if path.suffix == ".txt":
        yield from _listed(path)
    elif kind in ("bag", "video"):
        yield from _frames(path, topic, frame_every)
    elif kind == "folder":
        yield from _walk(path, set(), frame_every)
    elif kind == "image":
        yield ImageReference(str(path))


def _expand(name: str) -> Iterator[str]:
    if "{" not in name:
        return iter([name])
    from braceexpand import braceexpand

    try:
        return iter(braceexpand(name))
    except ValueError:
        raise SourceError(f"{name}: the braces do not match; shard_{{000..123}}.tar is accepted") from None


def _walk(folder: Path, above: set[tuple[int, int]], frame_every: int) -> Iterator[ImageReference]:
    try:
        # Links are followed, as data sets are often made of them; one that leads back to a folder above is not.
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        with os.scandir(folder) as entries:
            names = sorted(item.name for item in entries if not item.name.startswith("."))
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror or error}") from None
    for name in names:
        path, suffix = folder / name, os.path.splitext(name)[1].lower()
        if suffix in IMAGE_SUFFIXES:
            yield ImageReference(str(path))
        elif suffix == ".tar":
            yield from _tar_members(path)
        elif suffix in VIDEO_SUFFIXES:
            try:
                yield from _frames(path, "", frame_every)
            except SourceError:
                # As for a damaged shard: found corrupt when it is read, and counted.
                yield ImageReference(str(path), frame=0)
        elif path.is_dir():
            yield from _walk(path, above | {here}, frame_every)


def _listed(path: Path) -> Iterator[ImageReference]:
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                name = line.strip()
                if name and not name.startswith("#"):
                    yield ImageReference(str(path.parent / name))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None


def _tar_members(path: Path) -> Iterator[ImageReference]:
    end = 0
    try:
        with tarfile.open(path, "r:") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep all of them
                end = member.offset_data
                suffix = os.path.basename(member.name).partition(".")[2].lower()
                if member.isfile() and not member.issparse() and f".{suffix}" in IMAGE_SUFFIXES:
                    yield ImageReference(str(path), member.name, member.offset_data, member.size)
    except tarfile.TarError as error:
        if end == 0:
            raise SourceError(f"{path}: not an uncompressed .tar ({error})") from None
        # One damaged shard of thousands stops nothing: it is found corrupt when it is read, and counted.
        yield ImageReference(str(path), REST, end)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None


def _frames(path: Path, topic: str, every: int) -> Iterator[ImageReference]:
    with open_source(path, image_topic=topic or None) as source:
        count = source.num_frames
        if count is None:
            count = sum(1 for _ in source)
    for frame in range(0, count, every):
        yield ImageReference(str(path), frame=frame, topic=topic)
