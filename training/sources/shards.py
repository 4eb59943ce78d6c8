"""Rendered shards read back as samples: the folder that ``python -m training.sources.synthetic`` writes."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError

from ..samples import DepthSample


class ShardedSamples:
    """All samples of a complete folder of shards, held in memory as stored (uint8 images, float16 depths)."""

    def __init__(self, folder: Path) -> None:
        index = folder / "index.json"
        if not index.is_file():
            raise SourceError(f"{folder}: no complete set of shards (index.json is written last); render it first")
        names = [shard["name"] for shard in json.loads(index.read_text(encoding="utf-8"))["shards"]]
        loaded = [np.load(folder / name, allow_pickle=False) for name in names]
        self._images = np.concatenate([shard["images"] for shard in loaded])
        self._depths = np.concatenate([shard["depths"] for shard in loaded])
        self._intrinsics = np.concatenate([shard["intrinsics"] for shard in loaded])
        self._seeds = np.concatenate([shard["seeds"] for shard in loaded])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> DepthSample:
        image = self._images[index]
        fx, fy, cx, cy = (float(value) for value in self._intrinsics[index])
        camera = CameraModel(width=image.shape[1], height=image.shape[0], fx=fx, fy=fy, cx=cx, cy=cy)
        return DepthSample(
            image,
            self._depths[index].astype(np.float32),
            camera,
            f"synthetic/{int(self._seeds[index])}",
            sky_known=True,
        )


def open_samples(path: Path) -> ShardedSamples:
    """The rendered views of the folder ``path`` that ``python -m training.sources.synthetic`` wrote."""
    index = path / "index.json"
    return _loaded(path.resolve(), index.stat().st_mtime_ns) if index.is_file() else ShardedSamples(path)


@functools.lru_cache(maxsize=4)
def _loaded(folder: Path, _written_ns: int) -> ShardedSamples:
    """One copy in memory for all of a stage's uses: a look at its labels, the training, the validation."""
    return ShardedSamples(folder)
