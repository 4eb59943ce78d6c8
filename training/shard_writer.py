"""Shards of pseudo-labels on disk: one WebDataset .tar with an offset index and a manifest beside it.

A sample is three members with one key: ``jpg`` (RGB as the teacher saw it, up to JPEG), ``disparity.png`` (16 bits) and
``json``. The disparity of a pixel is ``value * disparity_scale + disparity_offset`` (both in the json), 0 is unknown.
The manifest is written last: a shard without one is not there.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .run_dir import atomic_path, os_errors, write_json

FORMAT_VERSION = 1
INDEX = "index.json"
"""Written last into a folder of shards: their names and how many samples each has."""
IMAGE, DISPARITY, META = "jpg", "disparity.png", "json"
PARTS = (IMAGE, DISPARITY, META)
"""Members of a sample, in the order in which they lie in the .tar and in the offset index."""
JPEG_QUALITY = 95
_LEVELS = 65534


def shard_name(number: int) -> str:
    """Name of a shard's files without their suffix."""
    return f"shard_{number:08d}"


def encode_disparity(disparity_HW: NDArray[np.float32]) -> tuple[bytes, float, float]:
    """A 16-bit PNG with its scale and offset. What is not finite becomes 0; the range of the rest becomes 1 to 65535.

    Raises ValueError where nothing is finite.
    """
    known = np.isfinite(disparity_HW)
    if not known.any():
        raise ValueError("no finite disparity")
    low, high = float(disparity_HW[known].min()), float(disparity_HW[known].max())
    step = (high - low) / _LEVELS
    levels = np.zeros(disparity_HW.shape, np.uint16)
    scaled = (disparity_HW[known].astype(np.float64) - low) / step if step > 0 else 0.0
    levels[known] = np.round(scaled) + 1
    # As fast as OpenCV's default, which looks for runs alone, and a quarter smaller; higher levels only take longer.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_DEFAULT]
    return cv2.imencode(".png", levels, options)[1].tobytes(), step, low - step


def decode_disparity(png: bytes, scale: float, offset: float) -> NDArray[np.float32] | None:
    """The inverse of ``encode_disparity``, NaN where unknown; None for bytes that are no 16-bit PNG."""
    levels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED) if png else None
    if levels is None or levels.ndim != 2 or levels.dtype != np.uint16:
        return None
    return np.where(levels > 0, levels * scale + offset, np.nan).astype(np.float32)


def encode_image(image_HW3: NDArray[np.uint8]) -> bytes:
    """A JPEG of an RGB image."""
    bgr = cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


class ShardWriter:
    """Writes one shard: a context manager, in which ``finish`` makes the shard complete. Left without it, whatever was
    written is removed. Raises OutputError where the disk refuses.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self._base = folder / shard_name(number)
        self._tar = self._base.with_suffix(".tar")

    def __enter__(self) -> ShardWriter:
        with contextlib.ExitStack() as stack:
            self._temporary = stack.enter_context(atomic_path(self._tar))
            self._file = open(self._temporary, "wb")
            stack.callback(self._file.close)
            self._archive = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)
            self._stack = stack.pop_all()
        return self

    def add(self, key: str, parts: dict[str, bytes]) -> None:
        """One sample: the bytes of each of ``PARTS``."""
        with os_errors(self._tar):
            for part in PARTS:
                member = tarfile.TarInfo(f"{key}.{part}")
                member.size = len(parts[part])
                self._archive.addfile(member, io.BytesIO(parts[part]))
            self._archive.members = []  # type: ignore[attr-defined]  # it would keep all of them

    def finish(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Make the shard complete; ``manifest`` is returned with the name, size and number of samples of the .tar."""
        with os_errors(self._tar):
            self._archive.close()
            self._file.close()
            offsets, size = member_offsets(self._temporary), self._temporary.stat().st_size
        self._stack.close()
        with atomic_path(self._base.with_suffix(".npy")) as path, open(path, "wb") as file:
            np.save(file, offsets, allow_pickle=False)
        entry = {"format_version": FORMAT_VERSION, "tar": self._tar.name, "bytes": size, "samples": len(offsets)}
        write_json(self._base.with_suffix(".json"), {**entry, **manifest})
        return {**entry, **manifest}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind or RuntimeError, error or RuntimeError("not finished"), trace)


def member_offsets(tar: Path) -> NDArray[np.int64]:
    """(n, 3, 2): where each of ``PARTS`` of each sample starts, and its bytes. Raises ValueError for another layout."""
    rows = []
    with tarfile.open(tar, "r:") as archive:
        for number, member in enumerate(archive):
            if member.name.partition(".")[2] != PARTS[number % len(PARTS)]:
                raise ValueError(f"{tar}: member {member.name}, one with {PARTS[number % len(PARTS)]} is accepted")
            rows.append((member.offset_data, member.size))
    return np.array(rows, np.int64).reshape(-1, len(PARTS), 2)


def read_manifest(folder: Path, number: int) -> dict[str, Any] | None:
    """The manifest of a complete shard; None where there is none, or its .tar is not the one that it speaks of."""
    base = folder / shard_name(number)
    try:
        manifest: dict[str, Any] = json.loads(base.with_suffix(".json").read_text(encoding="ascii"))
        whole = manifest["format_version"] == FORMAT_VERSION and manifest["bytes"] == os.path.getsize(f"{base}.tar")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if whole and base.with_suffix(".npy").is_file() else None
