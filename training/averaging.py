"""The averaged weights: an exponential moving average of the network's, which is what gets validated and exported."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .distributed import full, local, put_full


class Average:
    """``network`` (a copy of the trained one, in evaluation mode) holds the averaged weights.

    Where processes share the trained network, each averages its own part, and ``gather`` puts the whole together.

    Parameters
    ----------
    copy: a copy of the network that is not trained and not shared out.
    trained: the network as the optimiser changes it.
    decay: of the average at one step; the first steps count more, or the random start would stay for long.
    """

    def __init__(self, copy: nn.Module, trained: nn.Module, decay: float) -> None:
        self.network = copy.eval().requires_grad_(False)
        self._decay = decay
        self._shared = any(local(value) is not value for value in trained.parameters())
        self._values = (
            [value.detach().clone() for value in trained.parameters()]
            if self._shared
            else [value.detach() for value in self.network.parameters()]
        )

    def update(self, trained: nn.Module, step: int) -> None:
        """Take in the weights after ``step``."""
        average = get_ema_multi_avg_fn(min(self._decay, (step + 1) / (step + 10)))
        average([local(value) for value in self._values], [local(value.detach()) for value in trained.parameters()], 0)

    def gather(self) -> None:
        """Bring ``network`` up to date; in all processes together."""
        if self._shared:
            with torch.no_grad():
                for target, value in zip(self.network.parameters(), self._values, strict=False):
                    target.copy_(full(value))

    def restore(self) -> None:
        """Take over what was loaded into ``network``."""
        if self._shared:
            for target, value in zip(self.network.parameters(), self._values, strict=False):
                put_full(value, target)
