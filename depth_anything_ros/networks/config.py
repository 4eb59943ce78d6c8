"""What a network is made of, as one frozen value that is stored beside its weights."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError

PATCH_SIZE = 14
"""Side of one DINOv2 patch in pixels; image sides must be multiples of it."""
HEADS = ("log_depth", "relu", "sigmoid", "exp")
POSITION_RULES = ("size", "offset")
FFNS = ("mlp", "swiglu")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the encoder, the decoder and the head, and the focal length that its metres refer to."""

    hidden_size: int
    """Width of the encoder's tokens."""
    num_layers: int
    num_heads: int
    taps: tuple[int, int, int, int]
    """Zero-based encoder layers whose tokens feed the decoder, shallow to deep."""
    neck_channels: tuple[int, int, int, int]
    fusion_channels: int
    head_channels: int = 32
    position_grid: int = 37
    """Side of the learned square grid of position embeddings; other image sizes interpolate it."""
    stem_channels: int = 0
    """Width of the first stage of ``ConvStem`` in front of the tokens; 0 is DINOv2's single 14x14 convolution."""
    canonical_focal_px: float = 300.0
    """The depth output is in metres for a camera of this focal length at the network's input size."""
    ffn: str = "mlp"
    """What follows the attention of each layer: mlp (four times as wide, GELU) or swiglu (DINOv2 giant's)."""
    drop_path: float = 0.0
    """Stochastic depth while training (Huang et al. 2016); 0 at inference."""
    head: str = "log_depth"
    """What the last convolution's value means: log_depth (metres = exp, a sky score beside it, which training/ makes),
    relu (disparity: Depth Anything V1 and V2), sigmoid (metres = sigmoid times ``max_depth_m``: V2 metric) or exp
    (metres = exp, a sky head of its own: Depth Anything 3)."""
    max_depth_m: float = 0.0
    """Range of a sigmoid head [m]; 0 for the others."""
    position_rule: str = "size"
    """How position embeddings are interpolated: size (to the explicit size, as ``transformers``) or offset (by a scale
    of (size + 0.1) / grid, as the official code of Depth Anything)."""

    def __post_init__(self) -> None:
        for name in ("taps", "neck_channels"):
            object.__setattr__(self, name, tuple(int(value) for value in getattr(self, name)))
        if len(self.taps) != 4 or list(self.taps) != sorted(set(self.taps)) or self.taps[-1] >= self.num_layers:
            raise ConfigError(f"taps {self.taps}: four ascending layers below {self.num_layers} are accepted")
        if len(self.neck_channels) != 4:
            raise ConfigError(f"neck_channels {self.neck_channels}: four values are accepted")
        if self.hidden_size % self.num_heads:
            raise ConfigError(f"hidden_size {self.hidden_size}: a multiple of num_heads {self.num_heads} is accepted")
        if not self.canonical_focal_px > 0:
            raise ConfigError(f"canonical_focal_px {self.canonical_focal_px}: a positive number of pixels is accepted")
        for name, accepted in (("head", HEADS), ("position_rule", POSITION_RULES), ("ffn", FFNS)):
            if getattr(self, name) not in accepted:
                raise ConfigError(f"{name} {getattr(self, name)!r}: {', '.join(accepted)} are accepted")
        if (self.max_depth_m > 0) != (self.head == "sigmoid"):
            accepted_depth = "a positive number of metres" if self.head == "sigmoid" else "0"
            raise ConfigError(f"max_depth_m {self.max_depth_m}: {accepted_depth} is accepted with the head {self.head}")

    @property
    def has_sky(self) -> bool:
        """Whether the network gives a sky score beside the depth."""
        return self.head in ("log_depth", "exp")

    @classmethod
    def vit_small(cls) -> NetworkConfig:
        """Depth Anything V2 Small: 384 wide, 12 layers, taps 2 5 8 11."""
        return cls(
            hidden_size=384,
            num_layers=12,
            num_heads=6,
            taps=(2, 5, 8, 11),
            neck_channels=(48, 96, 192, 384),
            fusion_channels=64,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """Build from a mapping of a recipe or checkpoint; an unknown key is a ``ConfigError`` with the nearest name."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                raise ConfigError(
                    f"network.{key}: unknown key"
                    + (f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}")
                )
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"network: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The mapping that ``from_dict`` takes, of plain JSON types."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(self).items()
        }
