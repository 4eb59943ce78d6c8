"""Samples, answers and checkpoints made by hand, for what comes after training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.networks import build_network
from tests.training.tiny_training import TINY_NETWORK
from training.checkpoint import save_checkpoint
from training.config import Recipe, recipe_from_dict, recipe_to_dict
from training.samples import DepthSample

# Networks as small as these are slower on two threads, and far slower where tests run side by side.
torch.set_num_threads(1)

CAMERA = CameraModel(width=64, height=48, fx=60.0, fy=60.0, cx=31.5, cy=23.5)
HEADS = {"log_depth": "metric", "exp": "metric", "sigmoid": "metric", "relu": "teacher"}
"""Output head: the stage that trains it."""


def sample(depth: np.ndarray, grey: int = 100, **changes: Any) -> DepthSample:
    """A grey image of 64x48 with this depth [m], of any shape that broadcasts."""
    depth_HW = np.ascontiguousarray(np.broadcast_to(depth, (48, 64)).astype(np.float32))
    made = DepthSample(np.full((48, 64, 3), grey, np.uint8), depth_HW, CAMERA, "made", sky_known=False)
    return made.replace(**changes)


def ramp(top: float, bottom: float) -> np.ndarray:
    """Depth that changes linearly from the first row to the last."""
    return np.linspace(top, bottom, 48)[:, None]


def tree_of(shards: Path, out: Path, **sections: Any) -> dict[str, Any]:
    """A recipe on shards of ``tiny_training``, as a mapping."""
    return {
        "name": "tiny", "out": str(out), "network": TINY_NETWORK,
        "data": {"scenes": {"kind": "synthetic", "path": str(shards)}}, "compute": {"threads": 1}, **sections,
    }  # fmt: skip


def write_checkpoint(path: Path, shards: Path, head: str = "log_depth", **changes: Any) -> Path:
    """A checkpoint of random weights as the stage of ``head`` leaves it; ``changes`` are entries of its meta."""
    section: dict[str, Any] = {"sources": ["scenes"], "short_sides": [28]}
    if head != "relu":
        section |= {"head": head, "head_max_depth_m": 20.0 if head == "sigmoid" else 0.0, "max_depth_m": 50.0}
        section |= {"augment": {"min_crop": 1.0}}
    recipe = recipe_from_dict(tree_of(shards, path.parent, **{HEADS[head]: section}), "made")
    network = build_network(recipe.network_config(head=head, max_depth_m=20.0 if head == "sigmoid" else 0.0), seed=1)
    with torch.no_grad():
        # Untrained, half of a ReLU head's values are 0, and half of the image is sky.
        network.head.depth.bias.fill_(1.0)
        if network.config.has_sky:
            network.head.sky.bias.fill_(-3.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, {f"ema.{key}": value for key, value in network.state_dict().items()}, meta_of(recipe, head))
    return path


def meta_of(recipe: Recipe, head: str) -> dict[str, Any]:
    """What a stage writes beside the weights."""
    return {
        "stage": HEADS[head],
        "step": 3,
        "fingerprint": "0" * 64,
        "network": recipe.network_config(head=head, max_depth_m=20.0 if head == "sigmoid" else 0.0).to_dict(),
        "quantity": "disparity" if head == "relu" else "depth",
        "recipe": recipe_to_dict(recipe),
        "trained_frames": ["dhash:0123456789abcdef"],
        "provenance": {"recipe": recipe.name, "stage": HEADS[head], "sources": "made"},
    }
