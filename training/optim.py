"""The optimiser: AdamW with a rate for the encoder and one for the rest, and their schedules."""

from __future__ import annotations

import math

import torch
from torch import nn

from .fit_config import FitConfig
from .objective import Objective

BETAS = (0.9, 0.999)
_POLY_POWER = 0.9


def build_optimiser(objective: Objective, config: FitConfig) -> torch.optim.AdamW:
    """AdamW over everything that needs gradients.

    Parameters of ``network.backbone`` learn at ``encoder_rate`` times the rate of the rest (both papers: 0.1). Weight
    decay is for matrices and kernels, not for biases, norms and layer scales.
    """
    encoder = {id(parameter) for parameter in _encoder_of(objective).parameters()}
    members: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in objective.parameters():
        if parameter.requires_grad:
            members.setdefault((id(parameter) in encoder, parameter.ndim > 1), []).append(parameter)
    groups = [
        {
            "params": parameters,
            "weight_decay": config.weight_decay if decayed else 0.0,
            "share": config.encoder_rate if of_encoder else 1.0,
        }
        for (of_encoder, decayed), parameters in members.items()
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS)


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Let every group learn at its share of ``rate``."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


def learning_rate_at(config: FitConfig, step: int) -> float:
    """The learning rate of what is not the encoder at ``step``, from 0 to below ``config.steps``.

    A linear warm-up, times: hold, constant and then linear over the last ``decay_share``; poly, (1 - t) ^ 0.9 of the
    share t of the steps that are done (the trainer that Depth Anything V2 released); cosine, half a wave. All three
    fall from 1 towards ``final_share``.
    """
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    left = (config.steps - step) / config.steps
    if config.schedule == "hold":
        share = min(1.0, left / config.decay_share) if config.decay_share else 1.0
    elif config.schedule == "poly":
        share = left**_POLY_POWER
    else:
        share = (1 + math.cos(math.pi * (1 - left))) / 2
    return config.learning_rate * warm * (config.final_share + (1 - config.final_share) * share)


def _encoder_of(objective: Objective) -> nn.Module:
    backbone = getattr(objective.network, "backbone", None)
    return backbone if isinstance(backbone, nn.Module) else nn.Module()
