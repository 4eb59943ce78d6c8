"""``ShardLabeller``: the images of one chunk through the teacher and into one shard; what each worker does."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import depth_anything_ros
from depth_anything_ros.errors import ImageError
from depth_anything_ros.preprocess import network_size, resize_to_network
from depth_anything_ros.spec import ResizeRule

from .predictor import open_predictor
from .shard_writer import DISPARITY, IMAGE, META, ShardWriter, encode_disparity, encode_image
from .unlabelled import ImageReader, ImageReference, WorkList

Claim = Callable[[Sequence[bytes], Sequence[int]], list[bool]]
"""Which images are the first of their content, by SHA-256 and position (see ``ContentHashes.claim``)."""
_WINDOW_BATCHES = 4
"""Batches of images that are read ahead of the teacher."""


@dataclass(frozen=True)
class LabelJob:
    """All that a worker needs to know; plain values, as it may be another process on another machine."""

    folder: str
    teacher: str
    teacher_sha256: str
    short_side: int
    interpolation: str
    batch_size: int
    precision: str = "auto"
    threads: int = 0
    """CPU threads of each worker; 0 shares those of the machine out."""


@dataclass(frozen=True)
class _Clean:
    """An image that the teacher is to see."""

    position: int
    reference: ImageReference
    image_hw3: NDArray[np.uint8]
    sha256: bytes
    size_hw: tuple[int, int]


@dataclass(frozen=True)
class _Broken:
    """An image that cannot be used."""

    reference: ImageReference
    reason: str


class ShardLabeller:
    """A loaded teacher. A context manager.

    The teacher sees the clean image, resized to ``short_side`` by the one preprocessing; depths of a metric teacher are
    turned into disparity. An image that cannot be read, or that a network cannot be fed (too long for its width), and
    an exact copy of an earlier one (SHA-256 of the pixels at full size) are passed over and counted.
    """

    def __init__(self, job: LabelJob, claim: Claim) -> None:
        self._job, self._claim = job, claim
        self._teacher = open_predictor(job.teacher, precision=job.precision, threads=job.threads)
        self._rule = ResizeRule(kind="short_side", side=job.short_side, interpolation=job.interpolation)
        self._work = WorkList(Path(job.folder))
        self._reader = ImageReader()
        self._ahead = ThreadPoolExecutor(1, "read ahead")
        self._threads = ThreadPoolExecutor(max(1, job.threads), "images")

    def __enter__(self) -> ShardLabeller:
        return self

    def __exit__(self, *error: object) -> None:
        self._ahead.shutdown(cancel_futures=True)
        self._threads.shutdown(cancel_futures=True)
        self._reader.close()
        self._teacher.close()

    def label(self, shard: int, on_progress: Callable[[int], object] = lambda images: None) -> dict[str, Any]:
        """Write a shard and return its manifest; ``on_progress`` is told how many images more were dealt with.

        Raises OutputError where the disk refuses, and what the teacher raises; nothing is left of the shard then.
        """
        references = self._work.chunk(shard)
        skipped: dict[str, list[list[str]]] = {"corrupt": [], "duplicate": [], "unlabelled": []}
        waiting: dict[tuple[int, ...], list[_Clean]] = {}
        with ShardWriter(Path(self._job.folder), shard) as writer:
            for window in self._windows(references, self._work.first(shard)):
                for clean in self._first_ones(window, skipped):
                    alike = waiting.setdefault(clean.image_hw3.shape, [])
                    alike.append(clean)
                    if len(alike) == self._job.batch_size:
                        self._label_batch(writer, waiting.pop(clean.image_hw3.shape), skipped)
                on_progress(len(window))
            for alike in waiting.values():
                self._label_batch(writer, alike, skipped)
            manifest = {
                "images": len(references),
                "teacher": {"name": self._job.teacher, "sha256": self._job.teacher_sha256},
                "short_side": self._job.short_side,
                "interpolation": self._job.interpolation,
                "versions": _versions(),
                "skipped": skipped,
            }
            return writer.finish(manifest)

    def _windows(self, references: list[ImageReference], first: int) -> Iterator[list[_Clean | _Broken]]:
        """The images, some batches at a time; the next ones are read while these are used."""
        size = self._job.batch_size * _WINDOW_BATCHES
        starts = range(0, len(references), size)
        futures = (self._ahead.submit(self._read, references[at : at + size], first + at) for at in starts)
        coming = next(futures, None)
        while coming is not None:
            current, coming = coming, next(futures, None)
            yield current.result()

    def _read(self, references: list[ImageReference], first: int) -> list[_Clean | _Broken]:
        # Frames of a recording come one after the other, by this thread.
        waiting = [
            None if reference.frame >= 0 else self._threads.submit(self._prepare, first + number, reference)
            for number, reference in enumerate(references)
        ]
        return [
            self._prepare(first + number, references[number]) if future is None else future.result()
            for number, future in enumerate(waiting)
        ]

    def _prepare(self, position: int, reference: ImageReference) -> _Clean | _Broken:
        try:
            image = np.ascontiguousarray(self._reader.read(reference))
            height, width = image.shape[:2]
            small = resize_to_network(image, network_size(width, height, self._rule), self._rule.interpolation)
        except ImageError as error:
            return _Broken(reference, str(error))
        digest = hashlib.sha256(np.array(image.shape, "<u4").tobytes())
        digest.update(image.data)
        return _Clean(position, reference, small, digest.digest(), (height, width))

    def _first_ones(self, window: list[_Clean | _Broken], skipped: dict[str, list[list[str]]]) -> Iterator[_Clean]:
        """Those that are whole and not a copy of an earlier one."""
        clean = [item for item in window if isinstance(item, _Clean)]
        skipped["corrupt"] += [[str(item.reference), item.reason] for item in window if isinstance(item, _Broken)]
        granted = self._claim([item.sha256 for item in clean], [item.position for item in clean])
        for item, own in zip(clean, granted, strict=True):
            if own:
                yield item
            else:
                skipped["duplicate"].append([str(item.reference), item.sha256.hex()])

    def _label_batch(self, writer: ShardWriter, batch: list[_Clean], skipped: dict[str, list[list[str]]]) -> None:
        disparity = self._teacher.disparity(np.stack([clean.image_hw3 for clean in batch]))
        encoded = self._threads.map(_encode, batch, disparity)
        for clean, parts in zip(batch, encoded, strict=True):
            if parts is None:
                skipped["unlabelled"].append([str(clean.reference), "the teacher gave no finite disparity"])
            else:
                writer.add(f"{clean.position:012d}", parts)


def _encode(clean: _Clean, disparity_hw: NDArray[np.float32]) -> dict[str, bytes] | None:
    try:
        png, scale, offset = encode_disparity(disparity_hw)
    except ValueError:
        return None
    meta = {
        "source": str(clean.reference),
        "sha256": clean.sha256.hex(),
        "height": clean.size_hw[0],
        "width": clean.size_hw[1],
        "disparity_scale": scale,
        "disparity_offset": offset,
    }
    return {IMAGE: encode_image(clean.image_hw3), DISPARITY: png, META: json.dumps(meta).encode("ascii")}


def _versions() -> dict[str, str]:
    return {
        "depth_anything_ros": depth_anything_ros.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "torch": torch.__version__,
    }
