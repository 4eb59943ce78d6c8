"""Rendered views on disk: resumable shards with an index that is written last.

A shard is an .npz of images uint8 (n,H,W,3) RGB, depths float16 (n,H,W) metres (+Inf sky), intrinsics float32 (n,4)
fx fy cx cy, seeds int64 (n,) and kinds (n,). It appears under its name only when complete.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from . import FIRST_TRAINING_SEED, VERSION, render_sample

INDEX = "index.json"


@dataclass(frozen=True)
class ShardPlan:
    """Which seeds go where: ``count`` seeds from ``start_seed`` in files of ``shard`` views of width x height px."""

    out: Path
    start_seed: int
    count: int
    shard: int = 100
    width: int = 256
    height: int = 192
    device: str = "cpu"
    style: str = "full"

    def __post_init__(self) -> None:
        if self.start_seed < FIRST_TRAINING_SEED:
            raise ValueError(f"start seed {self.start_seed} is reserved: training seeds begin at {FIRST_TRAINING_SEED}")
        if min(self.count, self.shard, self.width, self.height) < 1:
            size = f"{self.width}x{self.height}"
            raise ValueError(f"count, shard and size must be positive: {self.count}, {self.shard}, {size}")

    def parts(self) -> Iterator[tuple[Path, list[int]]]:
        """Each shard file with its seeds."""
        for number, first in enumerate(range(0, self.count, self.shard)):
            last = min(first + self.shard, self.count)
            yield self.out / f"shard_{number:05d}.npz", list(range(self.start_seed + first, self.start_seed + last))


def shard_is_complete(path: Path, seeds: list[int], width: int, height: int) -> bool:
    """Whether the file holds exactly these seeds at this size; damaged or partial files are not complete."""
    try:
        with np.load(path) as data:
            same = data["seeds"].tolist() == seeds and data["images"].shape == (len(seeds), height, width, 3)
            return same and data["depths"].shape == (len(seeds), height, width) and len(data["kinds"]) == len(seeds)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False


def _render_one(job: tuple[int, int, int, str, str]) -> tuple[np.ndarray, np.ndarray, list[float], str]:
    seed, width, height, device, style = job
    torch.set_num_threads(1)
    view = render_sample(seed, width=width, height=height, device=device, style=style)
    # Ground beyond the range of float16 (65 km, at the horizon) becomes +Inf.
    with np.errstate(over="ignore"):
        depth = view.depth_HW.astype(np.float16)
    return view.image_HW3, depth, [view.fx, view.fy, view.cx, view.cy], view.kind


def _write_shard(path: Path, seeds: list[int], views: list[tuple[np.ndarray, np.ndarray, list[float], str]]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(temporary, "wb") as stream:
        np.savez_compressed(
            stream,
            images=np.stack([view[0] for view in views]),
            depths=np.stack([view[1] for view in views]),
            intrinsics=np.array([view[2] for view in views], dtype=np.float32),
            seeds=np.array(seeds, dtype=np.int64),
            kinds=np.array([view[3] for view in views]),
        )
    os.replace(temporary, path)


def write_shards(plan: ShardPlan, *, workers: int = 1, progress: bool = True) -> Path:
    """Render what is missing, then write the index; returns its path. Complete shards are kept as they are."""
    plan.out.mkdir(parents=True, exist_ok=True)
    index = plan.out / INDEX
    index.unlink(missing_ok=True)
    pool = multiprocessing.get_context("spawn").Pool(workers) if workers > 1 else None
    try:
        with tqdm(total=plan.count, unit="view", disable=not progress) as bar:
            for path, seeds in plan.parts():
                if shard_is_complete(path, seeds, plan.width, plan.height):
                    bar.update(len(seeds))
                    continue
                jobs = [(seed, plan.width, plan.height, plan.device, plan.style) for seed in seeds]
                views = []
                for view in pool.imap(_render_one, jobs, chunksize=4) if pool else map(_render_one, jobs):
                    views.append(view)
                    bar.update(1)
                _write_shard(path, seeds, views)
    finally:
        if pool:
            pool.terminate()
            pool.join()
    return _write_index(plan, index)


def _write_index(plan: ShardPlan, index: Path) -> Path:
    shards = [
        {"name": path.name, "views": len(seeds), "seeds": [seeds[0], seeds[-1]], "sha256": sha256_of(path)}
        for path, seeds in plan.parts()
    ]
    content = {
        "version": VERSION,
        "style": plan.style,
        "width": plan.width,
        "height": plan.height,
        "start_seed": plan.start_seed,
        "count": plan.count,
        "shards": shards,
    }
    temporary = index.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, index)
    return index


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
