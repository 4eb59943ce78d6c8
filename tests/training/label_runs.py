"""Images to label, a teacher in a moment, and recipes of the stage pseudo_label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.training.made import write_checkpoint
from tests.training.tiny_training import TINY_NETWORK
from training.config import Recipe, recipe_from_dict


def write_images(folder: Path, count: int, *, first: int = 0, size: tuple[int, int] = (48, 64)) -> Path:
    """PNG images of (height, width) that all differ, named by their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        small = np.random.default_rng(number).integers(0, 256, (4, 5, 3), np.uint8)
        image = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(folder / f"{number:03d}.png"), image)
    return folder


def write_teacher(folder: Path, head: str = "relu") -> Path:
    """A checkpoint of random weights."""
    return write_checkpoint(folder / f"{head}.safetensors", folder / "no_shards", head)


def label_recipe(out: Path, images: list[str], teacher: Path | str, **section: Any) -> Recipe:
    """A recipe with the stage pseudo_label alone, four images a shard."""
    values = {"images": images, "teacher": str(teacher), "short_side": 28, "shard_images": 4, "batch_size": 2}
    return recipe_from_dict(
        {
            "name": "tiny", "out": str(out), "network": TINY_NETWORK, "pseudo_label": {**values, **section},
            "compute": {"threads": 1},
        },
        "made",
    )  # fmt: skip
