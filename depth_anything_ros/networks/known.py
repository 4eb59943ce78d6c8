"""What the known checkpoints (``models.py``) are made of: their authors' sizes of encoder and decoder."""

from __future__ import annotations

from dataclasses import dataclass

from ..models import LAYERS, KnownModel
from .config import NetworkConfig


@dataclass(frozen=True)
class Size:
    """Widths of one size; the DPT decoder's are those of the official configurations."""

    hidden_size: int
    num_heads: int
    neck_channels: tuple[int, int, int, int]
    fusion_channels: int


SIZES = {
    "small": Size(384, 6, (48, 96, 192, 384), 64),
    "base": Size(768, 12, (96, 192, 384, 768), 128),
    "large": Size(1024, 16, (256, 512, 1024, 1024), 256),
}


def config_of(model: KnownModel, *, transformers_layout: bool) -> NetworkConfig:
    """The network of a known checkpoint.

    ``transformers_layout`` says whose checkpoint it is: the one of ``transformers`` ("-hf") interpolates position
    embeddings to an explicit size, the official code by a scale with an offset; each gives the numbers of its own code.
    """
    size = SIZES[model.size]
    return NetworkConfig(
        hidden_size=size.hidden_size,
        num_layers=LAYERS[model.size],
        num_heads=size.num_heads,
        taps=model.taps,
        neck_channels=size.neck_channels,
        fusion_channels=size.fusion_channels,
        canonical_focal_px=model.canonical_focal_px or NetworkConfig.canonical_focal_px,
        head=model.head,
        max_depth_m=model.max_depth_m if model.head == "sigmoid" else 0.0,
        position_rule="size" if transformers_layout else "offset",
    )
