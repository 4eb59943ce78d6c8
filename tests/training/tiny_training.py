"""A network and a data set small enough to train for a few steps in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from training.config import Recipe, recipe_from_dict

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


def tiny_recipe(shards: Path, out: Path, **changes: Any) -> Recipe:
    """A recipe for a handful of steps on ``shards``, of which the last two samples are held out. A stage that is named
    (``teacher={}``) has small values, which its own replace; everything else replaces a key of the recipe.
    """
    tree: dict[str, Any] = {
        "name": "tiny", "out": str(out), "network": TINY_NETWORK,
        "data": {
            "planes": {"kind": "synthetic", "path": str(shards), "last": 3},
            "held_out": {"kind": "synthetic", "path": str(shards), "first": 4},
        },
        "compute": {"threads": 1, "tensorboard": False},
    }  # fmt: skip
    for key, value in changes.items():
        tree[key] = {**SMALL, **value} if key in TRAINED_STAGES else value
    return recipe_from_dict(tree, "test")


TRAINED_STAGES = ("pretrain", "teacher", "student", "metric")
SMALL: dict[str, Any] = {
    "sources": ["planes"], "steps": 4, "batch_size": 3, "short_sides": [28], "aspects": [1.5], "learning_rate": 1e-3,
    "encoder_rate": 1.0, "checkpoint_every": 2, "decay_share": 0.0, "ema_decay": 0.5,
}  # fmt: skip
