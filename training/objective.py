"""What a stage gives to the loop: what is trained and how wrong it is, and where batches come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


class BatchSource(Protocol):
    """Batches as a function of the step alone; sent to the processes that load, so it holds no network."""

    def batch(self, step: int, positions: range) -> Any:
        """The samples at ``positions`` of the batch of ``step``, stacked: a dataclass, dict or tuple of CPU tensors.

        A sample depends on (seed, step, position) alone, never on how the batch is shared out.
        """


class Objective(nn.Module, ABC):
    """One training: ``network`` is trained, averaged and saved; other parameters that need gradients are trained and
    saved beside it; a frozen network is kept without gradients.
    """

    network: nn.Module
    best: str = ""
    """Figure of ``validate`` that the best checkpoint is chosen by, the smallest; empty: there is none."""

    @abstractmethod
    def forward(self, batch: Any, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of one part of a batch (the mean over its images) and its terms, detached, for the log."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures of the averaged ``network`` on held-out samples; in the first process alone."""
        return {}

    def pictures(self, network: nn.Module, batch: Any) -> dict[str, NDArray[np.uint8]]:
        """RGB pictures (h, w, 3) for the log, of a batch."""
        return {}
