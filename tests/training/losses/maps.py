"""Random maps and masks for the tests of losses."""

from __future__ import annotations

import torch


def random_maps(seed: int, *shape: int, valid_share: float = 0.7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Prediction and truth (float64) and a mask."""
    generator = torch.Generator().manual_seed(seed)
    pred, true = (torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return pred, true, torch.rand(*shape, generator=generator) < valid_share


def row(*values: float) -> torch.Tensor:
    """One image of one row, float64."""
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1)


def mask(*values: int) -> torch.Tensor:
    """The mask of one image of one row."""
    return torch.tensor(values, dtype=torch.bool).reshape(1, 1, -1)
