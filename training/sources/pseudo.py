"""Pseudo-labelled images: the shards that the stage ``pseudo_label`` wrote, read in any order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError

from ..samples import DepthSample
from ..shard_writer import FORMAT_VERSION, INDEX, decode_disparity


class PseudoSamples:
    """All samples of a complete set of shards; only how many each shard has is held in memory.

    Disparity of the teacher, up to scale and shift; no camera is known, and sky is what the teacher took for far.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            version = index["format_version"]
            self._names = [str(shard["name"]) for shard in index["shards"]]
            self._edges = np.cumsum([int(shard["samples"]) for shard in index["shards"]], dtype=np.int64)
        except OSError:
            raise SourceError(
                f"{folder}: no complete set of pseudo-labels ({INDEX} is written last); run the stage pseudo_label"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise SourceError(f"{folder / INDEX}: not an index of pseudo-labels") from None
        if version != FORMAT_VERSION:
            raise SourceError(f"{folder / INDEX}: format {version}, this version reads {FORMAT_VERSION}")

    def __len__(self) -> int:
        return int(self._edges[-1]) if len(self._edges) else 0

    def __getitem__(self, index: int) -> DepthSample:
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self._edges, index, side="right"))
        row = index - (int(self._edges[number - 1]) if number else 0)
        tar = self._folder / f"{self._names[number]}.tar"
        place = f"{tar}: sample {row}"
        try:
            # Mapped, so that one sample of a shard reads no more than its own row.
            offsets = np.load(tar.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)[row]
            with tar.open("rb") as file:
                jpg, png, text = (_member(file, int(start), int(size)) for start, size in offsets)
            meta = json.loads(text)
            disparity = decode_disparity(png, meta["disparity_scale"], meta["disparity_offset"])
            source = str(meta["source"])
        except OSError as error:
            raise SourceError(f"{place} cannot be read ({error.strerror or error})") from None
        except (ValueError, KeyError, TypeError, IndexError):
            raise SourceError(f"{place} is damaged; label again") from None
        bgr = cv2.imdecode(np.frombuffer(jpg, np.uint8), cv2.IMREAD_COLOR)
        if bgr is None or disparity is None or bgr.shape[:2] != disparity.shape:
            raise SourceError(f"{place} is damaged; label again")
        camera = CameraModel.with_assumed_fov(bgr.shape[1], bgr.shape[0])
        image = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
        return DepthSample(
            image, disparity, camera, source,
            sky_known=False, is_metric=False, quantity="disparity", camera_known=False,
        )  # fmt: skip


def open_samples(path: Path) -> PseudoSamples:
    """The pseudo-labels in ``path``: the folder ``pseudo_label`` of a run."""
    return PseudoSamples(path)


def _member(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"{len(data)} of {size} bytes")
    return data
