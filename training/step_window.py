"""``StepWindow``: what single steps cost and gave, looked at now and then, because a GPU has to stop for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch

from depth_anything_ros.errors import ConfigError

from .distributed import Processes
from .fit_config import FitConfig

_MAX_STEPS_WITHOUT_GRADIENT = 10


class StepWindow:
    """The losses of the steps that nobody has looked at yet, kept where they were computed."""

    def __init__(self, processes: Processes, config: FitConfig) -> None:
        self._processes, self._config = processes, config
        self._sums: dict[str, torch.Tensor] = {}
        self._steps: list[tuple[int, float, torch.Tensor]] = []
        self._names: list[str] = []
        self._waited_s, self._since = 0.0, time.perf_counter()
        self._steps_without_gradient = 0

    def wait_for(self, loaded: Iterator[Any]) -> Any:
        """The next batch; the time that this takes is counted."""
        start = time.perf_counter()
        batch = next(loaded)
        self._waited_s += time.perf_counter() - start
        return batch

    def add_part(self, share: float, values: dict[str, torch.Tensor]) -> None:
        """Take in the figures of a part that is ``share`` of the batch."""
        for name, value in values.items():
            part = share * value.detach().float()
            self._sums[name] = self._sums[name] + part if name in self._sums else part

    def end_step(self, step: int, rate: float, norm: torch.Tensor) -> None:
        """Close the step whose number, counted from 1, is ``step``."""
        values = {**self._sums, "gradient_norm": norm.detach().float() / self._processes.count}
        self._names = list(values)
        self._steps.append((step, rate, torch.stack([value.to(norm.device) for value in values.values()])))
        self._sums = {}

    def entries(self) -> list[dict[str, float]]:
        """One entry per step, over all processes, and an empty window; ``ConfigError`` names the first step whose loss
        or gradient is not finite, or the steps that teach nothing.
        """
        values = self._processes.total(torch.stack([value for _, _, value in self._steps])).tolist()
        now = time.perf_counter()
        share = self._waited_s / max(now - self._since, 1e-9)
        entries = []
        for (step, rate, _), row in zip(self._steps, values, strict=False):
            entry = dict(zip(self._names, row, strict=False))
            for name, what in (("loss", "loss"), ("gradient_norm", "norm of the gradient")):
                if not math.isfinite(entry[name]):
                    raise ConfigError(
                        f"step {step}: the {what} is {entry[name]}; lower learning_rate (now "
                        f"{self._config.learning_rate}), or look for the sample at fault"
                    )
            self._steps_without_gradient = 0 if entry["gradient_norm"] else self._steps_without_gradient + 1
            if self._steps_without_gradient >= _MAX_STEPS_WITHOUT_GRADIENT:
                raise ConfigError(
                    f"steps {step + 1 - _MAX_STEPS_WITHOUT_GRADIENT} to {step}: the gradient is 0; either no sample "
                    "has a valid label, or the network's output is 0 everywhere (lower learning_rate)"
                )
            entries.append({"step": step, **entry, "learning_rate": rate, "wait_share": round(share, 4)})
        self._steps, self._waited_s, self._since = [], 0.0, now
        return entries
