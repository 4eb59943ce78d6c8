"""What the known checkpoints (``models.py``) are made of: their authors' sizes of encoder and decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
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


GIANT = Size(1536, 24, (1536, 1536, 1536, 1536), 384)
"""DINOv2 giant with the decoder of Depth Anything V2's teacher, which was never published."""
TINY = Size(192, 3, (24, 48, 96, 192), 32)
"""Not of the family: for training from scratch on one machine, with convolutional first stages."""
TAPS = {"small": (2, 5, 8, 11), "base": (2, 5, 8, 11), "large": (4, 11, 17, 23)}
"""Zero-based layers that feed the decoder in Depth Anything V2."""


def sized_config(size: str, **changes: Any) -> NetworkConfig:
    """The network of a named size as Depth Anything V2 has it (small, base, large, giant), or tiny, with ``changes`` to
    its fields; a size that there is not is a ConfigError.
    """
    if size == "tiny":
        base: dict[str, Any] = {
            "num_layers": 4, "taps": (0, 1, 2, 3), "head_channels": 16, "position_grid": 16, "stem_channels": 24,
        }  # fmt: skip
        widths = TINY
    elif size == "giant":
        base = {"num_layers": 40, "taps": (9, 19, 29, 39), "ffn": "swiglu"}
        widths = GIANT
    elif size in SIZES:
        base = {"num_layers": LAYERS[size], "taps": TAPS[size]}
        widths = SIZES[size]
    else:
        raise ConfigError(f"network.size {size!r}: tiny, {', '.join(SIZES)}, giant are accepted")
    return NetworkConfig.from_dict({**vars(widths), **base, **changes})


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
