"""``ConvStem``: convolutional first stages of a hybrid encoder, for networks trained from scratch on little data."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .config import PATCH_SIZE

_STRIDE = 16


class ConvStem(nn.Module):
    """Pixels to patch embeddings at DINOv2's stride of 14, and to the decoder's two finest levels on the way.

    The idea is DPT-Hybrid's (Ranftl et al. 2021): convolutional stages feed the transformer and the decoder's fine
    levels. The image is first enlarged by 16/14, so that strides of 4, 8 and 16 fall on 4, 2 and 1 cells per patch.
    """

    def __init__(self, channels: int, hidden_size: int, level_channels: tuple[int, ...]) -> None:
        super().__init__()
        c = channels
        self.stride2 = _stage(3, c, repeat=False)
        self.stride4 = _stage(c, 2 * c)
        self.stride8 = _stage(2 * c, 4 * c)
        self.stride16 = _stage(4 * c, 8 * c)
        self.tokens = nn.Conv2d(8 * c, hidden_size, kernel_size=1)
        self.levels = nn.ModuleList([nn.Conv2d(2 * c, level_channels[0], 1), nn.Conv2d(4 * c, level_channels[1], 1)])

    def forward(self, pixels_n3hw: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        """Normalised pixels to half-size features, two decoder levels and patch embeddings (n, c, rows, columns)."""
        rows, columns = pixels_n3hw.shape[2] // PATCH_SIZE, pixels_n3hw.shape[3] // PATCH_SIZE
        size = (rows * _STRIDE, columns * _STRIDE)
        enlarged = F.interpolate(pixels_n3hw, size=size, mode="bilinear", align_corners=False)
        half = self.stride2(enlarged)
        quarter = self.stride4(half)
        eighth = self.stride8(quarter)
        patches = self.tokens(self.stride16(eighth))
        return half, [self.levels[0](quarter), self.levels[1](eighth)], patches


def _stage(inputs: int, outputs: int, *, repeat: bool = True) -> nn.Sequential:
    groups = max(1, outputs // 8)
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
        nn.GroupNorm(groups, outputs),
        nn.ReLU(),
    ]
    if repeat:
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.GroupNorm(groups, outputs), nn.ReLU()]
    return nn.Sequential(*layers)
