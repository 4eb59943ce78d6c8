"""Weights of the encoder alone: DINOv2's in its two published layouts, or the encoder of a depth network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ..errors import ConfigError
from .checkpoint import read_tensors, weights_file
from .depth_network import DepthNetwork
from .key_map import OFFICIAL, TRANSFORMERS, fill, rename_all
from .positions import interpolate_positions

_LAYOUTS = (
    # What ends the class token's name, the layout, and what stands before the encoder's names in ``key_map``.
    ("pretrained.cls_token", OFFICIAL, "pretrained."),
    ("backbone.embeddings.cls_token", TRANSFORMERS, "backbone."),
    ("embeddings.cls_token", TRANSFORMERS, "backbone."),
    ("cls_token", OFFICIAL, "pretrained."),
)
_PREFERRED = ("ema.", "teacher.")
"""Averaged weights, where a file holds them beside the trained ones (checkpoints of training/, DINOv2's own)."""
_POSITIONS = "backbone.embeddings.position_embeddings"


@dataclass(frozen=True)
class EncoderSource:
    """Where the weights of an encoder came from, and what was done to them."""

    file: Path
    unused: tuple[str, ...]
    """Names in the file of what is not the encoder, and of what no output depends on."""
    grid: int
    """Side of the grid of position embeddings in the file."""
    own_grid: int
    """Side of the network's grid; where it differs, the file's was interpolated."""

    def __str__(self) -> str:
        resized = f"; position embeddings resized from {self.grid}x{self.grid} to {self.own_grid}x{self.own_grid}"
        some = ", ".join(self.unused[:3]) + (", ..." if len(self.unused) > 3 else "")
        left = f"; {len(self.unused)} other tensors of the file not used ({some})" if self.unused else ""
        return f"encoder from {self.file}{resized if self.grid != self.own_grid else ''}{left}"


def load_encoder(network: DepthNetwork, path: Path) -> EncoderSource:
    """Load the encoder of ``network`` from a file or folder; decoder and head stay as they are.

    Accepted are DINOv2's official files (``dinov2_vit*14_pretrain.pth``; giant's SwiGLU included), folders of
    ``transformers`` (Dinov2Model or a model with one inside), published Depth Anything weights, and checkpoints of
    training/ and ``networks.weights`` (averaged weights where there are any). Every tensor of the file's encoder is
    used and every weight of the network's is set; all else in the file is listed in what is returned. Position
    embeddings of another grid are interpolated (bicubic, as DINOv2 does for other image sizes).

    Raises ConfigError where the file holds no encoder, or one of another architecture; the network is unchanged then.
    """
    file = weights_file(Path(path))
    weights = _read(file)
    ending, keys, own_prefix = next(
        (layout for layout in _LAYOUTS if any(_ends(name, layout[0]) for name in weights)), (None, "", "")
    )
    if ending is None:
        found = ", ".join(list(weights)[:3]) or "none"
        raise ConfigError(f"{file}: no encoder: cls_token is expected among the keys; the first are {found}")
    candidates = sorted(name[: -len("cls_token")] for name in weights if _ends(name, ending))
    prefix = next((item for item in candidates if item.startswith(_PREFERRED)), candidates[0])
    prefix = prefix.removesuffix("embeddings.")
    tensors, unused = rename_all(
        weights,
        keys,
        lambda name: own_prefix + name[len(prefix) :] if name.startswith(prefix) else None,
        str(file),
        what="DINOv2 encoder",
    )
    grid = _fit_grid(tensors, network, file)
    place = f"{file} as an encoder of {network.config.num_layers} layers, {network.config.hidden_size} wide"
    fill(network.backbone, {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}, place)
    return EncoderSource(file, unused, grid, network.config.position_grid)


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _read(file: Path) -> dict[str, torch.Tensor]:
    """All tensors; of a checkpoint of training/ the averaged network alone, not its optimiser's state."""
    if file.suffix == ".safetensors":
        try:
            with safe_open(file, framework="pt") as opened:
                names = [name for name in opened.keys() if name.startswith("ema.")]  # noqa: SIM118
                if names:
                    return {name: opened.get_tensor(name) for name in names}
        except (SafetensorError, OSError) as error:
            raise ConfigError(f"{file}: not a readable weights file ({str(error)[:200]})") from None
    return read_tensors(file)


def _fit_grid(tensors: dict[str, torch.Tensor], network: DepthNetwork, file: Path) -> int:
    """Interpolate the position embeddings to the network's grid where theirs is another; the side of theirs."""
    positions = tensors.get(_POSITIONS)
    if positions is None or positions.ndim != 3:
        raise ConfigError(f"{file}: no position embeddings (1, 1 + grid * grid, width) among the encoder's tensors")
    grid, own = math.isqrt(positions.shape[1] - 1), network.config.position_grid
    if grid * grid != positions.shape[1] - 1:
        raise ConfigError(f"{file}: {positions.shape[1] - 1} position embeddings; those of a square grid are accepted")
    if grid != own:
        tensors[_POSITIONS] = interpolate_positions(positions, grid, own, own, "size")
    return grid
