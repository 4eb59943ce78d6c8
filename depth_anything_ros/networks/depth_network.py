"""``DepthNetwork``: bytes in, metres at the canonical focal length and a sky score out.

The encoder and the decoder are the modules of ``transformers`` (DINOv2, Depth Anything); the head follows Depth
Anything 3 metric: depth = exp(logit), and a second channel from the same features that tells sky. Attention is called
without a
mask, because every token is always present; position embeddings are always interpolated, so that one graph serves all
sizes.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F
from transformers import DepthAnythingConfig, Dinov2Config
from transformers.models.depth_anything.modeling_depth_anything import DepthAnythingNeck
from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

from .config import PATCH_SIZE, NetworkConfig
from .conv_stem import ConvStem

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MAX_ABS_LOGIT = 8.0
"""exp(8) is about 3 km at the canonical focal length; the bound keeps exp finite in every precision."""


class MetricHead(nn.Module):
    """DPT output head with two channels: log depth and sky logit.

    ``detail`` is the number of channels of the stem's first features, which are added before the last convolutions; 0
    is the plain DPT head.
    """

    def __init__(self, features: int, hidden: int, detail: int) -> None:
        super().__init__()
        self.detail = nn.Conv2d(detail, features // 2, kernel_size=1) if detail else None
        self.conv1 = nn.Conv2d(features, features // 2, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(features // 2, hidden, kernel_size=3, padding=1)
        self.depth = nn.Conv2d(hidden, 1, kernel_size=1)
        self.sky = nn.Conv2d(hidden, 1, kernel_size=1)

    def forward(
        self, features_nfhw: torch.Tensor, detail_ndhw: torch.Tensor | None, size_hw: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (n, f, h', w') to log depth and sky logit, both (n, h, w) at ``size_hw``."""
        hidden = self.conv1(features_nfhw)
        hidden = F.interpolate(hidden, size=size_hw, mode="bilinear", align_corners=True)
        if self.detail is not None and detail_ndhw is not None:
            detail = self.detail(detail_ndhw)
            hidden = hidden + F.interpolate(detail, size=size_hw, mode="bilinear", align_corners=False)
        hidden = F.relu(self.conv2(hidden))
        # Both channels in one product: two with a single channel each cost training a tenth of its time on a CPU.
        weight = torch.cat([self.depth.weight, self.sky.weight])
        bias = torch.cat([self.depth.bias, self.sky.bias])
        depth, sky = F.conv2d(hidden, weight, bias).unbind(dim=1)
        return depth, sky


class DepthNetwork(nn.Module):
    """Encoder, decoder and metric head; see the module docstring.

    ``forward`` takes RGB bytes (n, h, w, 3), uint8, both sides multiples of 14, and returns ``depth`` (n, h, w),
    float32 metres along the optical axis for a camera with ``config.canonical_focal_px`` at this input size, and
    ``sky`` (n,
    h, w), float32 in 0..1, 1 meaning sky.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        encoder_config = Dinov2Config(
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            image_size=config.position_grid * PATCH_SIZE,
            patch_size=PATCH_SIZE,
            drop_path_rate=config.drop_path,
            use_mask_token=False,
            attn_implementation="sdpa",
        )
        self.backbone = Dinov2Model(encoder_config)
        if config.stem_channels:
            self.backbone.embeddings.patch_embeddings.projection = ConvStem(
                config.stem_channels, config.hidden_size, config.neck_channels[:2]
            )
        self.neck = DepthAnythingNeck(
            DepthAnythingConfig(
                backbone_config=copy.deepcopy(
                    encoder_config
                ),  # the outer config would reset the inner attention choice
                reassemble_hidden_size=config.hidden_size,
                neck_hidden_sizes=list(config.neck_channels),
                fusion_hidden_size=config.fusion_channels,
            )
        )
        self.head = MetricHead(config.fusion_channels, config.head_channels, config.stem_channels)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255.0, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255.0, persistent=False)

    def forward(self, image_nhw3: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        log_depth, sky_logit = self.logits(image_nhw3)
        return torch.exp(log_depth.clamp(-MAX_ABS_LOGIT, MAX_ABS_LOGIT)), torch.sigmoid(sky_logit)

    def logits(self, image_nhw3: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log depth and sky logit, both (n, h, w): what the losses work on."""
        pixels = (image_nhw3.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) / self.std
        rows, columns = pixels.shape[2] // PATCH_SIZE, pixels.shape[3] // PATCH_SIZE
        projection = self.backbone.embeddings.patch_embeddings.projection
        detail: torch.Tensor | None = None
        levels: list[torch.Tensor] = []
        if isinstance(projection, ConvStem):
            detail, levels, patches = projection(pixels)
        else:
            patches = projection(pixels)
        maps = self.neck.reassemble_stage(self.encode(patches, rows, columns), rows, columns)
        maps = [tokens + conv for tokens, conv in zip(maps, levels, strict=False)] + maps[len(levels) :]
        features = self.neck.fusion_stage([conv(level) for conv, level in zip(self.neck.convs, maps, strict=False)])[-1]
        return self.head(features, detail, (pixels.shape[2], pixels.shape[3]))

    def encode(self, patches_nchw: torch.Tensor, rows: int, columns: int) -> list[torch.Tensor]:
        """Patch embeddings (n, c, rows, columns) to the four tapped token maps, each (n, 1 + rows * columns, c),
        normed.
        """
        embeddings = self.backbone.embeddings
        tokens = patches_nchw.flatten(2).transpose(1, 2)
        tokens = torch.cat([embeddings.cls_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        tokens = tokens + self._positions(rows, columns)
        taps = []
        for index, layer in enumerate(self.backbone.encoder.layer):
            tokens = layer(tokens)
            if index in self.config.taps:
                taps.append(self.backbone.layernorm(tokens))
        return taps

    def _positions(self, rows: int, columns: int) -> torch.Tensor:
        """Position embeddings (1, 1 + rows * columns, c), by the rule of ``transformers``: bicubic to the explicit
        size.
        """
        learned = self.backbone.embeddings.position_embeddings
        grid = self.config.position_grid
        patches = learned[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
        patches = F.interpolate(patches, size=(rows, columns), mode="bicubic", align_corners=False)
        return torch.cat([learned[:, :1], patches.flatten(2).transpose(1, 2)], dim=1)


def build_network(config: NetworkConfig, *, seed: int = 0) -> DepthNetwork:
    """A network with random weights from ``seed``; weights of a checkpoint are loaded on top with
    ``load_state_dict``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DepthNetwork(config)
