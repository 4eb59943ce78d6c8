"""The losses once more, pixel by pixel in Python floats: what the fast ones are compared with."""

from __future__ import annotations

import statistics

import torch

Map = dict[tuple[int, int], float]


def pixels(values_hw: torch.Tensor, mask_hw: torch.Tensor) -> Map:
    """The values under the mask, by (row, column)."""
    height, width = values_hw.shape
    return {(y, x): float(values_hw[y, x]) for y in range(height) for x in range(width) if mask_hw[y, x]}


def normalised(values: Map) -> Map:
    if not values:
        return {}
    median = statistics.median(values.values())
    scale = statistics.fmean(abs(value - median) for value in values.values())
    return {place: (value - median) / scale for place, value in values.items()}


def difference(pred: Map, true: Map) -> Map:
    return {place: pred[place] - true[place] for place in pred}


def mean_absolute(values: Map) -> float:
    return statistics.fmean(abs(value) for value in values.values()) if values else 0.0


def gradient_matching(residual: Map, height: int, width: int) -> float:
    total = 0.0
    for step in (1, 2, 4, 8):
        for down, across in ((step, 0), (0, step)):
            differences = [
                abs(residual[y + down, x + across] - residual[y, x])
                for y in range(0, height, step)
                for x in range(0, width, step)
                if (y, x) in residual and (y + down, x + across) in residual
            ]
            total += statistics.fmean(differences) if differences else 0.0
    return total


def smallest(losses: Map, ignore_share: float) -> set[tuple[int, int]]:
    """The places that remain when ignore_share of them, those of the largest loss, are left out."""
    ordered = sorted(losses, key=lambda place: (losses[place], place))
    return set(ordered[: len(ordered) - int(ignore_share * len(ordered) + 1e-6)])
