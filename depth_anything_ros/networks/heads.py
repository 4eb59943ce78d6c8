"""The output heads of DPT: one decoder's features to a depth-like value and, for some, a sky score.

All share DPT's shape (Ranftl et al. 2021): a 3x3 convolution, bilinear enlargement to the image, a 3x3 convolution with
ReLU, a 1x1 convolution. They differ in what the last value means (``NetworkConfig.head``) and in where sky comes from.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .config import NetworkConfig
from .full_precision import full_precision

MAX_ABS_LOGIT = 8.0
"""exp(8) is about 3 km at the canonical focal length; the bound keeps exp finite in every precision."""


class OutputHead(nn.Module):
    """Decoder features to the logits of depth and sky; ``activate`` turns logits into what the network promises.

    ``config.stem_channels`` is the number of channels of the stem's first features, which are added before the last
    convolutions; 0 is the plain DPT head.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.kind = config.head
        self.max_depth_m = config.max_depth_m
        features, hidden, detail = config.fusion_channels, config.head_channels, config.stem_channels
        self.detail = nn.Conv2d(detail, features // 2, kernel_size=1) if detail else None
        self.conv1 = nn.Conv2d(features, features // 2, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(features // 2, hidden, kernel_size=3, padding=1)
        self.depth = nn.Conv2d(hidden, 1, kernel_size=1)
        if config.has_sky:
            self.sky = nn.Conv2d(hidden, 1, kernel_size=1)
        if self.kind == "exp":
            self.sky_conv2 = nn.Conv2d(features // 2, hidden, kernel_size=3, padding=1)

    def forward(
        self, features_nfhw: torch.Tensor, detail_ndhw: torch.Tensor | None, size_hw: tuple[int, int]
    ) -> tuple[torch.Tensor, ...]:
        """Features (n, f, h', w') to the logits (n, h, w) of depth and, where the head has it, sky, at ``size_hw``."""
        enlarged = F.interpolate(self.conv1(features_nfhw), size=size_hw, mode="bilinear", align_corners=True)
        if self.detail is not None and detail_ndhw is not None:
            detail = self.detail(detail_ndhw)
            enlarged = enlarged + F.interpolate(detail, size=size_hw, mode="bilinear", align_corners=False)
        depth_hidden = F.relu(self.conv2(enlarged))
        sky_hidden = F.relu(self.sky_conv2(enlarged)) if self.kind == "exp" else depth_hidden
        # The last product is kept in a higher precision than the rest: its result goes through exp, or loses its mean
        # in a loss, and bf16 has three digits.
        with full_precision(enlarged.device):
            return self._last(depth_hidden, sky_hidden)

    def _last(self, depth_hidden: torch.Tensor, sky_hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        hidden = depth_hidden.to(self.depth.weight.dtype)
        if self.kind == "log_depth":
            # Both channels in one product: two with a single channel each cost training a tenth of its time on a CPU.
            weight = torch.cat([self.depth.weight, self.sky.weight])
            bias = torch.cat([self.depth.bias, self.sky.bias])
            depth, sky = F.conv2d(hidden, weight, bias).unbind(dim=1)
            return depth, sky
        depth = self.depth(hidden).squeeze(1)
        if self.kind != "exp":
            return (depth,)
        return depth, self.sky(sky_hidden.to(self.sky.weight.dtype)).squeeze(1)

    def activate(self, logits: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Logits to metres or disparity, and to a sky score that is 0 or more (0 to 1 of a log_depth head)."""
        if self.kind == "relu":
            return (F.relu(logits[0]),)
        if self.kind == "sigmoid":
            return (torch.sigmoid(logits[0]) * self.max_depth_m,)
        depth = torch.exp(logits[0].clamp(-MAX_ABS_LOGIT, MAX_ABS_LOGIT))
        return depth, torch.sigmoid(logits[1]) if self.kind == "log_depth" else F.relu(logits[1])
