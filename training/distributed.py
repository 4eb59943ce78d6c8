"""The processes of one training, through Accelerate: one, or those that ``torchrun`` starts on one or more machines."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from depth_anything_ros.errors import ConfigError

from .config import ComputeConfig
from .objective import Objective

_PATIENCE = timedelta(days=1)
"""How long processes wait for the first one, which validates and writes alone."""


class Processes:
    """Where this process stands among the others, and what they do together."""

    def __init__(self, compute: ComputeConfig) -> None:
        # An objective may leave parameters out (a sky head whose loss has no weight); all processes must know of them.
        options = DistributedDataParallelKwargs(
            find_unused_parameters=True, broadcast_buffers=False, gradient_as_bucket_view=True
        )
        # The library takes processes without GPUs for a cluster of CPUs only where it is told to.
        cpu = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.cuda.is_available()
        self.accelerator = Accelerator(mixed_precision="no", cpu=cpu, kwargs_handlers=[options])
        self.count, self.rank = self.accelerator.num_processes, self.accelerator.process_index
        self.device: torch.device = self.accelerator.device
        self.is_main = self.rank == 0
        self.shares_network = compute.strategy == "fsdp" and self.count > 1
        # Beside the GPUs' own group: it holds no stream up, and its waiting may be long.
        self._group = dist.new_group(backend="gloo", timeout=_PATIENCE) if self.count > 1 else None

    def parts(self, batch_size: int, accumulate: int) -> list[range]:
        """The positions of a batch that are this process's, in ``accumulate`` parts; ``ConfigError`` for too few."""
        number = self.count * accumulate
        if batch_size < number:
            raise ConfigError(
                f"batch_size {batch_size}: at least {number} is accepted with {self.count} processes of {accumulate} "
                "accumulated parts"
            )
        edges = [batch_size * index // number for index in range(number + 1)]
        first = self.rank * accumulate
        return [range(edges[index], edges[index + 1]) for index in range(first, first + accumulate)]

    def place(self, objective: Objective) -> None:
        """Move the objective to this process's device, with the numbers of the first process."""
        objective.to(self.device)
        if self.count > 1:
            for tensor in (*objective.parameters(), *objective.buffers()):
                dist.broadcast(tensor.detach(), src=0)

    def wrap(self, objective: Objective) -> nn.Module:
        """What is called in the objective's place."""
        if not self.shares_network:
            return self.accelerator.prepare_model(objective) if self.count > 1 else objective
        for layer in encoder_layers(objective.network):
            fully_shard(layer)
        return fully_shard(objective)

    @contextlib.contextmanager
    def whole(self, model: nn.Module) -> Iterator[None]:
        """Inside, every process holds all of what ``wrap`` shares out but the encoder's layers: what an objective
        trains beside the network can be used by one process alone. In all processes together.
        """
        if isinstance(model, FSDPModule):
            model.unshard()
        try:
            yield
        finally:
            if isinstance(model, FSDPModule):
                model.reshard()

    def without_exchange(self, model: nn.Module) -> AbstractContextManager[Any]:
        """For all parts of a batch but the last: gradients are exchanged once."""
        return contextlib.nullcontext() if self.shares_network else self.accelerator.no_sync(model)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of ``values`` over the processes, on the CPU."""
        return self.accelerator.reduce(values, "sum").cpu()  # type: ignore[no-any-return]

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is true in any process."""
        if self._group is None:
            return flag
        flags = torch.tensor([int(flag)])
        dist.all_reduce(flags, dist.ReduceOp.MAX, group=self._group)
        return bool(flags.item())

    def same(self, number: int) -> bool:
        """Whether all processes have the same ``number``."""
        if self._group is None:
            return True
        ends = torch.tensor([number, -number])
        dist.all_reduce(ends, dist.ReduceOp.MAX, group=self._group)
        return bool(ends[0] == -ends[1])

    def wait(self) -> None:
        """Until all processes are here."""
        if self._group is not None:
            dist.barrier(group=self._group)


def encoder_layers(network: nn.Module) -> list[nn.Module]:
    """The transformer's blocks; none where the network has no such encoder."""
    encoder = getattr(getattr(network, "backbone", None), "encoder", None)
    return list(getattr(encoder, "layer", []))


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a shared tensor; any other tensor as it is."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def full(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a shared tensor, for which all processes are needed; any other tensor as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def full_in_first(tensor: torch.Tensor) -> torch.Tensor:
    """As ``full``, but the whole of a shared tensor is on the CPU in the first process and empty in the others: of a
    network that is shared out, no device may be able to hold all tensors at once.
    """
    if not isinstance(tensor, DTensor):
        return tensor
    whole = tensor.full_tensor()
    return whole.cpu() if dist.get_rank() == 0 else whole.new_empty(0)


def put_full(target: torch.Tensor, whole: torch.Tensor) -> None:
    """Write ``whole`` into a tensor that may be shared."""
    with torch.no_grad():
        if isinstance(target, DTensor):
            shared = distribute_tensor(whole.to(target.device), target.device_mesh, target.placements)
            target.to_local().copy_(shared.to_local())
        else:
            target.copy_(whole)
