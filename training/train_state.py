"""What a training is at a step, as tensors by name: the same whether one process trains, or many that share."""

from __future__ import annotations

from pathlib import Path

import torch

from depth_anything_ros.errors import ConfigError

from .averaging import Average
from .checkpoint import group, load_weights
from .distributed import full_in_first, put_full
from .objective import Objective

_NETWORK = "network."


def extra_parameters(objective: Objective) -> dict[str, torch.nn.Parameter]:
    """What is trained beside the network, by name."""
    return {
        name: value
        for name, value in objective.named_parameters()
        if value.requires_grad and not name.startswith(_NETWORK)
    }


def averaged_tensors(objective: Objective, average: Average | None) -> dict[str, torch.Tensor]:
    """The groups ``ema`` and ``extra``: what later stages and the export need. In all processes together."""
    tensors = {f"extra.{name}": full_in_first(value.detach()) for name, value in extra_parameters(objective).items()}
    if average:
        average.gather()
        tensors |= {f"ema.{name}": value for name, value in average.network.state_dict().items()}
    return tensors


def trained_tensors(objective: Objective, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The groups ``net`` and ``optimiser``: what it takes to go on. In all processes together."""
    tensors = {f"net.{name}": full_in_first(value.detach()) for name, value in objective.network.state_dict().items()}
    for name, parameter in objective.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{name}/{key}"] = full_in_first(value)
    return tensors


def load_trained(objective: Objective, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Put ``net`` and ``extra`` of a checkpoint into an objective that is not shared out yet."""
    load_weights(objective.network, group(tensors, "net"), path)
    extra, stored = extra_parameters(objective), group(tensors, "extra")
    if extra.keys() != stored.keys():
        raise ConfigError(f"{path}: trains {sorted(stored)} beside the network, {sorted(extra)} is expected")
    for name, parameter in extra.items():
        put_full(parameter, stored[name])


def load_optimiser(objective: Objective, optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put ``optimiser`` of a checkpoint into one over the objective's parameters, shared out or not."""
    parameters = dict(objective.named_parameters())
    for name, value in group(tensors, "optimiser").items():
        parameter_name, key = name.rsplit("/", 1)
        parameter = parameters[parameter_name]
        if value.ndim == 0:
            optimiser.state[parameter][key] = value
        else:
            state = torch.zeros_like(parameter, requires_grad=False)
            put_full(state, value)
            optimiser.state[parameter][key] = state
