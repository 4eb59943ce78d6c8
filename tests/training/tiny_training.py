"""A network and a data set small enough to train for a few steps in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

TINY_NETWORK: dict[str, Any] = {
    "hidden_size": 24, "num_layers": 4, "num_heads": 2, "taps": [0, 1, 2, 3], "neck_channels": [8, 8, 8, 8],
    "fusion_channels": 8, "head_channels": 4, "position_grid": 4,
}  # fmt: skip


def write_shards(folder: Path, *, count: int = 6, seed: int = 0) -> Path:
    """A complete folder of shards with tilted planes whose brightness follows their depth, and sky in the top row."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    depth = np.linspace(6, 2, 48)[None, :, None] * rng.uniform(0.5, 1.5, size=(count, 1, 1)) * np.ones((1, 1, 64))
    depth[:, 0] = np.inf
    grey = np.where(np.isfinite(depth), np.clip(255 - 25 * np.where(np.isfinite(depth), depth, 0), 0, 255), 255)
    np.savez(
        folder / "shard_00000.npz",
        images=grey.astype(np.uint8)[..., None].repeat(3, axis=3),
        depths=depth.astype(np.float16),
        intrinsics=np.tile(np.array([50, 50, 31.5, 23.5], np.float32), (count, 1)),
        seeds=np.arange(1000, 1000 + count),
        kinds=np.array(["room"] * count),
    )
    (folder / "index.json").write_text(json.dumps({"shards": [{"name": "shard_00000.npz"}]}))
    return folder


def tiny_recipe(shards: Path, **changes: Any) -> dict[str, Any]:
    """A recipe for a handful of steps on ``shards``."""
    return {
        "name": "tiny", "network": TINY_NETWORK, "sources": [{"kind": "synthetic", "path": str(shards)}],
        "steps": 6, "batch_size": 2, "short_sides": [28], "side_shares": [1.0], "aspects": [1.0], "warmup_steps": 1,
        "checkpoint_every": 3, "threads": 1, **changes,
    }  # fmt: skip
