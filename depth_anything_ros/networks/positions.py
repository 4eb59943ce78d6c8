"""Position embeddings at any image size: bicubic interpolation of the learned square grid, as matrix products.

The two published rules differ in the scale alone, so one form serves both, and it exports with free sizes (the exporter
bakes in a scale that is given to an interpolation operator).
"""

from __future__ import annotations

import torch

from .full_precision import full_precision

_OFFSET = 0.1
_A = -0.75
"""The parameter of the cubic kernel, as in PyTorch and OpenCV (Keys 1981 has -0.5)."""


def interpolate_positions(learned_1lc: torch.Tensor, grid: int, rows: int, columns: int, rule: str) -> torch.Tensor:
    """Learned embeddings (1, 1 + grid * grid, c) to (1, 1 + rows * columns, c), by ``NetworkConfig.position_rule``.

    The first embedding, the class token's, is kept. The official code (DINOv2's ``interpolate_pos_encoding``) takes the
    embeddings as they are where rows and columns are the grid's, and stretches them by 0.1 cells everywhere else.
    """
    device = learned_1lc.device
    row = torch.arange(rows, device=device).float()
    column = torch.arange(columns, device=device).float()
    # Numbers of rows and columns as tensors, which an exporter follows.
    row_count, column_count = row[-1] + 1.0, column[-1] + 1.0
    if rule == "offset":
        is_own_grid = (row_count == grid) & (column_count == grid)
        offset = _OFFSET * (1.0 - is_own_grid.float())
        row_count, column_count = row_count + offset, column_count + offset
    by_row = _cubic_weights(row, row_count, grid)
    by_column = _cubic_weights(column, column_count, grid)
    patches = learned_1lc[0, 1:].float().reshape(grid, -1)
    # These products carry where everything is.
    with full_precision(device):
        patches = (by_row @ patches).reshape(-1, grid, learned_1lc.shape[2])
        patches = (by_column @ patches).reshape(1, -1, learned_1lc.shape[2])
    return torch.cat([learned_1lc[:, :1], patches.to(learned_1lc.dtype)], dim=1)


def _cubic_weights(index_n: torch.Tensor, length: torch.Tensor, grid: int) -> torch.Tensor:
    """Matrix (n, grid) that interpolates ``grid`` values to n, which stand for ``length`` ones; borders repeat."""
    position = (index_n + 0.5) * (grid / length) - 0.5
    first = torch.floor(position)
    t = position - first
    cells = torch.arange(grid, device=index_n.device).float()
    weights = torch.zeros((1, grid), device=index_n.device)
    # Distances without abs: OpenVINO 2026.4 takes the absolute value of a constant for the constant itself.
    for step, distance in ((-1.0, t + 1.0), (0.0, t), (1.0, 1.0 - t), (2.0, 2.0 - t)):
        cell = (first + step).clamp(0.0, grid - 1.0)
        weight = _near(distance) if step in (0.0, 1.0) else _far(distance)
        weights = weights + weight[:, None] * (cell[:, None] == cells).float()
    return weights


def _near(x: torch.Tensor) -> torch.Tensor:
    """Keys' cubic convolution kernel for distances of 0 to 1 cells."""
    return ((_A + 2.0) * x - (_A + 3.0)) * x * x + 1.0


def _far(x: torch.Tensor) -> torch.Tensor:
    """The same kernel for distances of 1 to 2 cells."""
    return ((_A * x - 5.0 * _A) * x + 8.0 * _A) * x - 4.0 * _A
