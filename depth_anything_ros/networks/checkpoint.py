"""Published checkpoints from local files: read without running code, recognised, loaded completely or not at all."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ..errors import ConfigError
from ..models import MODELS, KnownModel
from .depth_network import DepthNetwork
from .key_map import TRANSFORMERS, MappedWeights, fill, map_keys
from .known import SIZES, config_of

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
_FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
_WRAPPERS = ("model", "state_dict")
"""Keys under which trainers keep the weights beside the state of their optimiser (the V2 metric trainer: ``model``)."""


@dataclass(frozen=True)
class LoadedFrom:
    """Where weights came from."""

    file: Path
    keys: str
    """official or transformers: whose names, whose position rule, whose resize rule."""
    unused: tuple[str, ...]
    """Tensors of the file that no output depends on."""


def load_known(path: Path, model: KnownModel | None) -> tuple[DepthNetwork, KnownModel, LoadedFrom]:
    """The network of a published checkpoint, in fp32 and evaluation mode.

    Parameters
    ----------
    path: an official ``.pth``, ``.bin`` or ``.safetensors`` file (one of the V2 metric trainer too), or a folder with
        ``model.safetensors`` or ``pytorch_model.bin`` (with the ``config.json`` of transformers: a "-hf" folder).
    model: which checkpoint it is; None where the file tells. Where only the shapes of its weights speak, they tell
        neither V1 from V2 nor metric from relative: those must be named.

    Returns the network, the model that it is, and where it was loaded from.
    Raises ConfigError where the file is none, is another network, or cannot be told apart; nothing is loaded in part.
    """
    file = weights_file(Path(path))
    weights = map_keys(read_tensors(file), str(file))
    model = _recognise(file, weights, _read_config(file), model)
    network = DepthNetwork(config_of(model, transformers_layout=weights.keys == TRANSFORMERS))
    fill(network, weights.tensors, f"{file} as {model.name}")
    return network.eval(), model, LoadedFrom(file, weights.keys, weights.unused)


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file, mapped into memory where its format allows; ConfigError where there are none.

    Pickles are read with ``weights_only=True``: nothing in them is run. An archive whose entries are compressed, which
    PyTorch does not write, is refused, as it may fill the memory.
    """
    try:
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        is_archive = zipfile.is_zipfile(file)
        if is_archive and _unpacked_size(file) > file.stat().st_size:
            raise ConfigError("it is a compressed archive, which PyTorch does not write")
        content: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=is_archive)
    except Exception as error:  # whatever a damaged or hostile file makes of its reader
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).partition(". ")[0]
        if type(error).__name__ == "UnpicklingError":  # its own words advise to load the file without that protection
            reason = "it is damaged, or holds something else than tensors, which is never loaded"
        raise ConfigError(f"{file}: not a readable weights file ({reason[:200]})") from None
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    ):
        raise ConfigError(f"{file}: holds no plain mapping of names to tensors")
    return dict(content)


def _unpacked_size(file: Path) -> int:
    with zipfile.ZipFile(file) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def weights_file(path: Path) -> Path:
    """The weights file that ``path`` is, or that stands in a folder as the hub names it; ConfigError for neither."""
    if path.is_dir():
        found = [path / name for name in _FOLDER_FILES if (path / name).is_file()]
        if not found:
            raise ConfigError(f"{path}: no weights; accepted: a folder with {' or '.join(_FOLDER_FILES)}")
        return found[0]
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: accepted: a file ending in {', '.join(SUFFIXES)}, or a folder")
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    return path


def _read_config(file: Path) -> dict[str, Any]:
    """The ``config.json`` that belongs to a file of a hub's folder; empty where there is none."""
    config = file.with_name("config.json")
    if file.name not in _FOLDER_FILES or not config.is_file():
        return {}
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{config}: not readable as JSON ({error})") from None
    return content if isinstance(content, dict) else {}


def _recognise(file: Path, weights: MappedWeights, config: dict[str, Any], named: KnownModel | None) -> KnownModel:
    """The model that a file holds: those whose shapes fit, less those that its config or its name rules out."""
    size = next((name for name, size in SIZES.items() if size.hidden_size == weights.hidden_size), None)
    if size is None:
        widths = ", ".join(f"{value.hidden_size} ({name})" for name, value in SIZES.items())
        raise ConfigError(f"{file}: an encoder {weights.hidden_size} wide; accepted: {widths}")
    fitting = [model for model in MODELS if model.size == size and (model.family == "da3") == weights.has_sky]
    is_of_transformers = config.get("model_type") == "depth_anything"
    if is_of_transformers:
        fitting = _by_transformers_config(file, config, fitting, named)
    elif config.get("model_name"):
        fitting = [model for model in fitting if model.name == config["model_name"]]
    elif named is None:
        # The authors' own file names; folders of the hub all use the same ones, which say nothing.
        fitting = [model for model in fitting if file.name == model.hub_file not in _FOLDER_FILES] or fitting
    names = ", ".join(model.name for model in fitting)
    if named is None:
        if len(fitting) != 1:
            which = f"its contents do not tell which of these it is: {names or 'none'}"
            raise ConfigError(f"{file}: {which}; name it with --like NAME")
        return fitting[0]
    found = [model for model in fitting if model.name == named.name]
    if not found:
        raise ConfigError(f"{file}: is not {named.name}; by its contents it is one of: {names or 'none that is known'}")
    return dataclasses.replace(named, max_depth_m=found[0].max_depth_m) if is_of_transformers else named


def _by_transformers_config(
    file: Path, config: dict[str, Any], fitting: list[KnownModel], named: KnownModel | None
) -> list[KnownModel]:
    """Narrow down by the layers, the kind and the range that a "-hf" folder states.

    A metric network of another range is accepted where it is named: one that was trained further.
    """
    taps = _stated_taps(file, config.get("backbone_config") or {})
    kind = config.get("depth_estimation_type") or "relative"
    head = {"relative": "relu", "metric": "sigmoid"}.get(kind)
    fitting = [model for model in fitting if model.taps == taps and model.head == head]
    if head != "sigmoid":
        return fitting
    stated = config.get("max_depth")
    if not isinstance(stated, (int, float)) or not stated > 0:
        raise ConfigError(f"{file}: its config.json states max_depth {stated!r}; accepted: a positive number of metres")
    if named is None:
        return [model for model in fitting if model.max_depth_m == stated]
    return [dataclasses.replace(model, max_depth_m=float(stated)) for model in fitting]


def _stated_taps(file: Path, backbone: dict[str, Any]) -> tuple[int, ...]:
    """Zero-based layers; ``out_indices`` count the stem as 0, ``out_features`` say the same in words."""
    indices = backbone.get("out_indices")
    if indices is None:
        indices = [str(name).removeprefix("stage") for name in backbone.get("out_features") or ()]
    try:
        return tuple(int(index) - 1 for index in indices)
    except (TypeError, ValueError):
        raise ConfigError(f"{file}: its config.json states out_indices {indices!r}; accepted: whole numbers") from None
