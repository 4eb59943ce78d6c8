"""What a training tells while it runs: ``log.jsonl``, TensorBoard, and a line in the terminal."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from depth_anything_ros.errors import MissingDependency

from .run_dir import atomic_path, os_errors

LOG = "log.jsonl"
TENSORBOARD = "tensorboard"


class Tracker:
    """Writes into ``folder``, going on at ``step``: what an earlier run wrote of later steps is taken out first, and
    ``figures``, of a validation at this very step that it did not come to, are added.

    ``log.jsonl`` has one line per step (step, seconds, loss and its terms, learning_rate, wait_share, and the figures
    of a validation); the terminal shows images/s and the time left. Raises ``OutputError``, and ``MissingDependency``
    where ``tensorboard`` is wanted and not installed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        step: int,
        steps: int,
        batch_size: int,
        name: str,
        figures: Mapping[str, float],
        tensorboard: bool,
    ) -> None:
        self._path, self._batch_size = folder / LOG, batch_size
        self._go_on(step, figures)
        self._board = _open_board(folder / TENSORBOARD, step) if tensorboard else None
        self._started = time.monotonic()
        self._bar = tqdm(
            total=steps * batch_size, initial=step * batch_size, desc=name, unit="image", unit_scale=True,
            dynamic_ncols=True, mininterval=1.0,
        )  # fmt: skip

    def steps(self, entries: list[dict[str, float]]) -> None:
        """Log one entry per step, in order."""
        seconds = round(time.monotonic() - self._started, 2)
        lines = "".join(f"{json.dumps({**_plain(entry), 'seconds': seconds})}\n" for entry in entries)
        with os_errors(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(lines)
        if self._board:
            with os_errors(self._path.parent / TENSORBOARD):
                for entry in entries:
                    for key, value in entry.items():
                        if key != "step":
                            self._board.add_scalar(key, value, int(entry["step"]))
        if entries:
            self._bar.update(self._batch_size * len(entries))
            self._bar.set_postfix_str(f"loss {entries[-1]['loss']:.4g}")

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """RGB (h, w, 3) for TensorBoard."""
        if self._board:
            with os_errors(self._path.parent / TENSORBOARD):
                for name, image_HW3 in pictures.items():
                    self._board.add_image(name, image_HW3, step, dataformats="HWC")
                self._board.flush()

    def close(self) -> None:
        """End the line in the terminal and the files."""
        self._bar.close()
        if self._board:
            with contextlib.suppress(OSError):
                self._board.close()

    def _go_on(self, step: int, figures: Mapping[str, float]) -> None:
        if not self._path.is_file():
            return
        kept = []
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                entry = _entry(line)
                if entry and entry["step"] <= step:
                    kept.append(line if entry["step"] < step else f"{json.dumps({**entry, **_plain(figures)})}\n")
        with atomic_path(self._path) as temporary:
            temporary.write_text("".join(kept), encoding="utf-8")


def _entry(line: str) -> dict[str, Any] | None:
    """A line of the log; None for the last one of a run that was killed while it wrote."""
    try:
        entry: dict[str, Any] = json.loads(line)
        return entry
    except ValueError:
        return None


def _plain(entry: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {key: value if math.isfinite(value) else None for key, value in entry.items()}


def _open_board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingDependency("tensorboard", "train") from None
    with os_errors(folder):
        return SummaryWriter(str(folder), purge_step=step + 1)
