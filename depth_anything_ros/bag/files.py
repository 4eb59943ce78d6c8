"""Which files make up a recording; compressed ones are unpacked.

Nothing here decodes messages. ``metadata.yaml`` is taken as a hint: it orders the files and names the compression, and
where it is absent, broken or names a file that is gone, what lies in the folder is read and a note says so.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ..errors import SourceError
from ..source_kind import METADATA, storage_files, storage_kind

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MAX_METADATA_BYTES = 64 << 20


@dataclass
class BagFiles:
    """A recording's storage files in the order of recording.

    Parameters
    ----------
    kind: mcap, sqlite3 or ros1.
    paths: the files, unpacked.
    per_message_zstd: whether every message is compressed on its own.
    counts: messages by topic as metadata.yaml promises them; empty where it says nothing.
    notes: what was odd.
    """

    kind: str
    paths: list[Path]
    per_message_zstd: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _unpacked: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Remove the files that were unpacked for reading."""
        if self._unpacked is not None:
            self._unpacked.cleanup()
            self._unpacked = None


def find_bag_files(path: Path) -> BagFiles:
    """Return the files of the recording at `path` (a file or a folder). Raises SourceError if there are none."""
    notes: list[str] = []
    information: Mapping[str, Any] = {}
    if path.is_dir():
        information = _read_metadata(path, notes)
        paths = _listed_files(path, information, notes)
    else:
        paths = [path]
    found = BagFiles("", [], notes=notes)
    compression = str(information.get("compression_mode") or "").lower()
    if compression not in ("", "none", "file", "message"):
        raise SourceError(f"{path}: compression mode {compression!r} is unknown; accepted: file, message")
    found.per_message_zstd = compression == "message"
    found.counts = _promised_counts(information)
    try:
        kinds = {_unpack(part, found) for part in paths} - {""}
    except BaseException:
        found.close()
        raise
    if len(kinds) > 1:
        found.close()
        raise SourceError(f"{path} holds files of several kinds ({', '.join(sorted(kinds))}); accepted: one recording")
    if not found.paths:
        found.close()
        raise SourceError(f"{path} holds nothing to read: {'; '.join(notes) or 'no .mcap, .db3 or .bag file'}")
    found.kind = kinds.pop()
    return found


def _read_metadata(folder: Path, notes: list[str]) -> Mapping[str, Any]:
    path = folder / METADATA
    try:
        if path.stat().st_size > _MAX_METADATA_BYTES:
            raise ValueError(f"it is {path.stat().st_size} bytes long")
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        information = content["rosbag2_bagfile_information"]
        if not isinstance(information, Mapping):
            raise TypeError("rosbag2_bagfile_information is not a mapping")
        return information
    except FileNotFoundError:
        if not any(file.suffix == ".bag" for file in storage_files(folder)):
            notes.append(f"{METADATA} is missing; the files in the folder are read in the order of their names")
    except (OSError, YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        notes.append(f"{METADATA} cannot be used ({reason[:120]}); the files in the folder are read by name")
    return {}


def _listed_files(folder: Path, information: Mapping[str, Any], notes: list[str]) -> list[Path]:
    listed = information.get("relative_file_paths")
    present = storage_files(folder)
    if not isinstance(listed, list) or not listed:
        return present
    # Only the last part of a listed path counts, as in rosbag2: old recordings list absolute paths of their machine.
    wanted = [folder / PurePath(str(name)).name for name in listed]
    missing = [file.name for file in wanted if not file.is_file()]
    if not missing:
        return wanted
    found = [file for file in wanted if file.is_file()] or present
    notes.append(f"{METADATA} names {', '.join(missing)}, which is not there; read: {_names(found)}")
    return found


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths) or "nothing"


def _promised_counts(information: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    topics = information.get("topics_with_message_count")
    for entry in topics if isinstance(topics, list) else []:
        try:
            counts[str(entry["topic_metadata"]["name"])] = int(entry["message_count"])
        except (KeyError, TypeError, ValueError):
            continue
    return counts


def _unpack(path: Path, found: BagFiles) -> str:
    """Append `path`, unpacked if it is a zstd file, to `found` and return its kind; of an unreadable one, take note."""
    if path.stat().st_size == 0:
        found.notes.append(f"{path.name} is empty (0 bytes)")
        return ""
    kind = storage_kind(path)
    if kind == "zstd":
        return _unpack_zstd(path, found)
    if kind == "":
        found.notes.append(f"{path.name} is not an MCAP, SQLite or ROS 1 bag file")
    else:
        found.paths.append(path)
    return kind


def _unpack_zstd(path: Path, found: BagFiles) -> str:
    if found._unpacked is None:
        found._unpacked = tempfile.TemporaryDirectory(prefix="depth_anything_bag_")
    target = Path(found._unpacked.name, path.stem)
    try:
        with path.open("rb") as packed, target.open("wb") as file:
            _copy_unpacked(packed, file, path.name, found.notes)
    except OSError as error:
        raise SourceError(f"{path} cannot be unpacked: {error}") from error
    if storage_kind(target) == "zstd":
        raise SourceError(f"{path} is compressed twice; unpack it once first")
    return _unpack(target, found)


def _copy_unpacked(packed: Any, file: Any, name: str, notes: list[str]) -> None:
    """Copy what a zstd file holds; what follows a damaged or missing part is lost, and said so."""
    try:
        with zstd.open(packed, "rb") as stream:
            while block := stream.read1(1 << 20):
                file.write(block)
    except (zstd.ZstdError, EOFError) as error:
        notes.append(f"{name} is damaged and was unpacked in part: {error}")
