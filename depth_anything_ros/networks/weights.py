"""The torch engine's own weights file: safetensors with the network's configuration in its header."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import ConfigError, EngineError, SpecError
from ..spec import EngineSpec, sha256_of
from .config import NetworkConfig
from .depth_network import DepthNetwork
from .key_map import fill

FORMAT_VERSION = "1"


def save_weights(network: DepthNetwork, path: Path, *, half_weights: bool = False) -> None:
    """Write the weights to a temporary name beside ``path``, then rename.

    ``half_weights`` stores them in fp16, half the file: nothing is lost where they were rounded to fp16 before.
    """
    header = {"format_version": FORMAT_VERSION, "network": json.dumps(network.config.to_dict())}
    temporary = path.with_name(f".{path.name}.tmp{os.getpid()}")
    try:
        kind = torch.float16 if half_weights else torch.float32
        tensors = {name: value.to(kind).contiguous() for name, value in network.state_dict().items()}
        save_file(tensors, temporary, header)
        temporary.chmod(0o644)  # safetensors lets nobody but the owner read; the folder is made to be passed on
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(path: Path) -> DepthNetwork:
    """The network of a file of ``save_weights``, in fp32 and evaluation mode; SpecError where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SpecError(f"{path}: not a readable safetensors file ({error})") from None
    if header.get("format_version") != FORMAT_VERSION:
        raise SpecError(f"{path}: format {header.get('format_version')!r}, this version reads {FORMAT_VERSION!r}")
    try:
        network = DepthNetwork(NetworkConfig.from_dict(json.loads(header["network"])))
        fill(network, tensors, str(path))
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise SpecError(f"{path}: not the weights of a network ({error})") from None
    return network.eval()


def checked_weights(artifact: Path, spec: EngineSpec) -> Path:
    """The file of torch weights that the spec of ``artifact`` names. EngineError where it names none or the file is
    absent, SpecError where it is another.
    """
    if spec.torch_weights is None:
        raise EngineError(f"{artifact}: its spec names no torch weights")
    weights = artifact.with_name(spec.torch_weights)
    if not weights.is_file():
        raise EngineError(f"no weights at {weights}, which the spec names")
    found = sha256_of(weights)
    if found != spec.torch_weights_sha256:
        raise SpecError(f"{weights} has the SHA-256 {found[:12]}…, its spec names {spec.torch_weights_sha256!s:.12}…")
    return weights
