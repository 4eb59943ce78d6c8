"""``full_precision``: what stays fp32 where the rest of a network is computed in less (autocast)."""

from __future__ import annotations

import contextlib

import torch


def full_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """A context without autocast; for ``meta`` tensors, which have shapes and no numbers, nothing."""
    return contextlib.nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
