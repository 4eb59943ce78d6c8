"""Pictures of the frames that a network answers best, worst and in the middle: where it fails, not only how much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.render import DepthScale, Picture, contact_sheet

from .evaluation_frames import FrameRecord
from .run_dir import atomic_path
from .samples import DepthSample
from .scores import Comparison

RANKS = ("best", "median", "worst")
_WORDS = {"unaligned": "unaligned", "median": "median-scaled", "affine": "affine-aligned"}


def choose(records: Sequence[FrameRecord], count: int) -> dict[str, FrameRecord]:
    """Which frames are shown: ``count`` of each of ``RANKS`` by abs_rel, no frame twice."""
    ranked = sorted((record for record in records if record.figures), key=lambda record: record.main.abs_rel)
    middle = max(0, (len(ranked) - count) // 2)
    parts = {"best": ranked[:count], "worst": ranked[::-1][:count], "median": ranked[middle : middle + count]}
    taken: set[tuple[int, int]] = set()
    chosen: dict[str, dict[str, FrameRecord]] = {}
    for rank, part in parts.items():
        free = [record for record in part if (record.number, record.index) not in taken]
        taken |= {(record.number, record.index) for record in free}
        chosen[rank] = {f"{rank}_{number}": record for number, record in enumerate(free, start=1)}
    return {name: record for rank in RANKS for name, record in chosen[rank].items()}


def picture_of(name: str, sample: DepthSample, compared: Comparison, *, seen: bool = False) -> NDArray[np.uint8]:
    """RGB: image, prediction, truth and error side by side, the depths on one scale of metres; the caption has the
    errors, and says where the network was trained on this very image (``seen``).
    """
    rank = name.replace("_", " ")
    errors = ", ".join(f"{metrics.abs_rel:.3f} {_WORDS[key]}" for key, metrics in compared.figures.items())
    shown = "" if "unaligned" in compared.figures else " (which is shown)"
    trained = ", TRAINED ON THIS FRAME" if seen else ""
    title = f"{rank}: {sample.source}   abs_rel {errors}{shown}{trained}".encode("ascii", "replace").decode()
    picture = Picture.shrink(rank, sample.image_HW3, compared.depth_HW, sample.depth_HW)
    return contact_sheet([picture], DepthScale.of([picture.depth_hw, sample.depth_HW]), title)


def write_png(path: Path, image_HW3: NDArray[np.uint8]) -> None:
    """Write an RGB picture (H, W, 3) whole or not at all. Raises ``OutputError``."""
    data = cv2.imencode(".png", cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR))[1]
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())
