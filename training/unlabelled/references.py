"""Where an image is, and the list of all of them on disk: what is to be done, cut into chunks once and for all."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from depth_anything_ros.errors import SourceError

from ..run_dir import atomic_path, write_json

LIST, INDEX = "images.jsonl", "images.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ImageReference:
    """One image: a file, a member of a .tar, or a frame of a recording."""

    path: str
    """The file, or what it is part of."""
    member: str = ""
    """Name in the .tar."""
    offset: int = 0
    """Where the member's bytes start."""
    size: int = 0
    """How many they are."""
    frame: int = -1
    """Position in the recording; -1 for what is none."""
    topic: str = ""
    """Image topic of a bag; empty where it has only one."""

    def __str__(self) -> str:
        if self.member:
            return f"{self.path}!{self.member}"
        return self.path if self.frame < 0 else f"{self.path}{self.topic and ':'}{self.topic}#{self.frame}"

    def to_json(self) -> str:
        """One line of ASCII; names that are not valid UTF-8 survive it."""
        given = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return json.dumps({key: value for key, value in given.items() if value != _DEFAULTS.get(key)})


_DEFAULTS = {item.name: item.default for item in dataclasses.fields(ImageReference)}


class WorkList:
    """The references of a run in chunks of ``chunk_images``, written once, so that a chunk is the same set of images
    whenever a run goes on, also where a folder has grown meanwhile.

    ``WorkList.write`` makes it; a folder that was not written to the end holds none (the index is written last).
    """

    def __init__(self, folder: Path) -> None:
        self._list = folder / LIST
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            if index["format_version"] != FORMAT_VERSION:
                raise SourceError(
                    f"{folder / INDEX}: format {index['format_version']}, this version reads {FORMAT_VERSION}"
                )
            self.num_images = int(index["images"])
            self.chunk_images = int(index["chunk_images"])
            self._offsets: list[int] = index["offsets"]
        except OSError as error:
            raise SourceError(f"{folder / INDEX}: the list of images cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{folder / INDEX}: not an index of a list of images") from None

    @classmethod
    def is_written(cls, folder: Path) -> bool:
        """Whether there is a complete list in ``folder``."""
        return (folder / INDEX).is_file()

    @classmethod
    def write(cls, folder: Path, references: Iterable[ImageReference], *, chunk_images: int) -> WorkList:
        """Go through ``references`` once and write them down. Raises OutputError where that cannot be done."""
        offsets, count, position = [], 0, 0
        with atomic_path(folder / LIST) as path, path.open("w", encoding="ascii") as file:
            for reference in references:
                if count % chunk_images == 0:
                    offsets.append(position)
                line = reference.to_json() + "\n"
                file.write(line)
                count, position = count + 1, position + len(line)
        index = {"format_version": FORMAT_VERSION, "images": count, "chunk_images": chunk_images, "offsets": offsets}
        write_json(folder / INDEX, index)
        return cls(folder)

    def __len__(self) -> int:
        """How many chunks there are."""
        return len(self._offsets)

    def first(self, chunk: int) -> int:
        """Position, among all images, of the first one of a chunk."""
        return chunk * self.chunk_images

    def size(self, chunk: int) -> int:
        """How many images a chunk has: ``chunk_images``, but for the last one."""
        return min(self.chunk_images, self.num_images - self.first(chunk))

    def chunk(self, number: int) -> list[ImageReference]:
        """The references of one chunk."""
        with self._list.open("rb") as file:
            file.seek(self._offsets[number])
            lines = [file.readline() for _ in range(self.size(number))]
        return [ImageReference(**json.loads(line)) for line in lines]
