"""Checkpoints: tensors in safetensors, the rest in its JSON header; written to a temporary name, then renamed.

Groups of tensors are told apart by a prefix: ``net.`` (the network as trained), ``ema.`` (its averaged weights),
``extra.`` (what an objective trains beside it) and ``optimiser.``. The header's ``meta`` says what made them: stage,
step, fingerprint, network, quantity, recipe, trained_frames, provenance.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from depth_anything_ros.errors import ConfigError, OutputError
from depth_anything_ros.networks import DepthNetwork, NetworkConfig, build_network

from .run_dir import atomic_path

FORMAT_VERSION = 2


def save_checkpoint(path: Path, tensors: dict[str, torch.Tensor], meta: dict[str, Any]) -> None:
    """Write ``tensors`` and ``meta`` (plain JSON types); ``OutputError`` where the disk does not take it, and then the
    file that was there before is still whole.
    """
    header = {"meta": json.dumps({"format_version": FORMAT_VERSION, **meta})}
    with atomic_path(path) as temporary:
        try:
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
                temporary,
                metadata=header,
            )
            # The library makes files that their owner alone can read.
            temporary.chmod(path.parent.stat().st_mode & 0o666)
        except SafetensorError as error:
            # The system's error, in the library's own.
            raise OutputError(f"cannot write {path}: {' '.join(str(error).split())}") from None


def load_checkpoint(path: Path, only: str = "") -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what ``save_checkpoint`` wrote, or of its tensors the group ``only``; ``ConfigError`` names the file where
    it is absent, truncated or foreign.
    """
    prefix = f"{only}." if only else ""
    if not path.is_file():
        raise ConfigError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: not a readable safetensors file ({error})") from None
    return tensors, _meta(header, path)


def read_meta(path: Path) -> dict[str, Any]:
    """The meta of a checkpoint without its tensors; errors as of ``load_checkpoint``."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="pt") as file:
            return _meta(file.metadata() or {}, path)
    except (SafetensorError, OSError) as error:
        raise ConfigError(f"{path}: not a readable safetensors file ({error})") from None


def group(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose name starts with ``prefix.``, without it."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")}


def load_network(path: Path, weights: str = "ema") -> tuple[DepthNetwork, dict[str, Any]]:
    """The network of a checkpoint in evaluation mode and the checkpoint's meta; every key must be used, none left.

    ``weights``: ``ema``, or ``net`` for the weights as trained, which ``last.safetensors`` alone holds.
    """
    # The optimiser's state is twice the network; every process that labels opens the file.
    tensors, meta = load_checkpoint(path, only=weights)
    network = build_network(NetworkConfig.from_dict(meta["network"]))
    load_weights(network, group(tensors, weights), path)
    return network.eval(), meta


def load_weights(network: torch.nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Load a full state; a missing, left-over or differently shaped key is a ``ConfigError``, never a partial load."""
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise ConfigError(f"{path}: weights of another network: {' '.join(str(error).split())[:300]}") from None


def _meta(header: dict[str, str], path: Path) -> dict[str, Any]:
    try:
        meta: dict[str, Any] = json.loads(header["meta"])
        version = meta["format_version"]
    except (KeyError, ValueError, TypeError):
        raise ConfigError(f"{path}: not a checkpoint of this project (no meta entry in its header)") from None
    if version != FORMAT_VERSION:
        raise ConfigError(f"{path}: checkpoint format {version}, this version reads {FORMAT_VERSION}")
    return meta
