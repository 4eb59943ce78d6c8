"""Rendered shards read back as samples: the folder that ``python -m training.sources.synthetic`` writes."""

from __future__ import annotations

import functools
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError

from ..config_tree import nearest
from ..samples import DepthSample, SampleSource
from .synthetic import KINDS


class ShardedSamples:
    """All samples of a complete folder of shards, held in memory as stored (uint8 images, float16 depths)."""

    def __init__(self, folder: Path) -> None:
        index = folder / "index.json"
        if not index.is_file():
            raise SourceError(f"{folder}: no complete set of shards (index.json is written last); render it first")
        try:
            names = [shard["name"] for shard in json.loads(index.read_text(encoding="utf-8"))["shards"]]
            loaded = [np.load(folder / name, allow_pickle=False) for name in names]
            self._images, self._depths, self._intrinsics, self._seeds, self.kinds = (
                np.concatenate([shard[key] for shard in loaded])
                for key in ("images", "depths", "intrinsics", "seeds", "kinds")
            )
        except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split())[:200]
            raise SourceError(f"{folder}: not a complete set of rendered shards ({reason}); render it again") from None

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


class OfKinds:
    """The samples of some kinds of scenes."""

    def __init__(self, samples: ShardedSamples, kinds: Sequence[str]) -> None:
        self._samples, self._positions = samples, np.flatnonzero(np.isin(samples.kinds, list(kinds)))

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int) -> DepthSample:
        return self._samples[int(self._positions[index])]


def open_samples(path: Path, *, kinds: Sequence[str] = ()) -> SampleSource:
    """The rendered views of the folder ``path`` that ``python -m training.sources.synthetic`` wrote; ``kinds``: of
    these kinds of scenes (room, tabletop, outdoor), of all where none is named.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(f"kinds {kind!r}: {nearest(str(kind), KINDS)}")
    index = path / "index.json"
    samples = _loaded(path.resolve(), index.stat().st_mtime_ns) if index.is_file() else ShardedSamples(path)
    return OfKinds(samples, kinds) if kinds else samples


@functools.lru_cache(maxsize=4)
def _loaded(folder: Path, _written_ns: int) -> ShardedSamples:
    """One copy in memory for all of a stage's uses: a look at its labels, the training, the validation."""
    return ShardedSamples(folder)
