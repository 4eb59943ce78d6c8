"""Which files a data set has: lists in text files, and folders that must be there."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from depth_anything_ros.errors import ConfigError, SourceError

from ..config_tree import nearest
from ..samples import DepthSample


class ListedSamples:
    """Samples read one by one by their names.

    Parameters
    ----------
    names: one per sample; kept as one block of bytes, so that a million of them cost a worker process nothing.
    read: name to sample; a function or an object that can be sent to another process.
    """

    def __init__(self, names: Sequence[str], read: Callable[[str], DepthSample]) -> None:
        self._names = np.array([name.encode() for name in names], dtype=np.bytes_)
        self._read = read

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> DepthSample:
        return self._read(self.name(index))

    def name(self, index: int) -> str:
        """The name of the sample at ``index``."""
        return str(bytes(self._names[index]), "utf-8")


def require_folder(folder: Path, expected: str) -> Path:
    """``folder``; SourceError that says what is ``expected`` there if it is no folder."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; {expected} is expected")
    return folder


def require_names(names: Sequence[str], where: Path, expected: str) -> list[str]:
    """``names`` in the order of their characters; SourceError that says what is ``expected`` if there are none."""
    if not names:
        raise SourceError(f"{where}: {expected} is expected, and none was found")
    return sorted(names)


def frame_keys(folder: Path, prefix: str, suffix: str) -> set[str]:
    """What stands between ``prefix`` and ``suffix`` in the names of the files in ``folder``; none where there is no
    such folder.
    """
    if not folder.is_dir():
        return set()
    cut = slice(len(prefix), -len(suffix) or None)
    return {name[cut] for name in os.listdir(folder) if name.startswith(prefix) and name.endswith(suffix)}


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in ``folder``, in order; none where it is no folder."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []


def chosen(given: str | Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """The names in ``given``, a list or a text with commas, or all ``known`` ones where it is empty.

    Raises ConfigError for a name that is not known, with the nearest one.
    """
    separate = given.split(",") if isinstance(given, str) else map(str, given)
    names = [name.strip() for name in separate if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(f"{what} {name!r}: {nearest(name, list(known))}")
    return names or list(known)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty, stripped. Raises SourceError, naming the file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SourceError(f"{path}: no such list") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not a text file that can be read ({error})") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header. Raises SourceError, naming the file and the ``columns`` that it lacks."""
    rows = list(csv.DictReader(read_lines(path)))
    missing = [column for column in columns if not rows or rows[0].get(column) is None]
    if missing:
        raise SourceError(f"{path}: no column {', '.join(missing)}; a CSV file with a header is expected")
    return rows
