"""Depth Anything as its authors name and assemble it, written anew from the published facts: an independent reference.

Encoder DINOv2 (position embeddings by a scale factor with an offset of 0.1), decoder DPT. Nothing here is shared with
the package. ``has_sky`` is the form of Depth Anything 3: a sky head, no unused fusion unit, exp instead of ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, length, width))


class Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(width) + 0.5)


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads), Mlp(width)
        self.ls1, self.ls2 = Scale(width), Scale(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.ls1.gamma * self.attn(self.norm1(x))
        return x + self.ls2.gamma * self.mlp.fc2(F.gelu(self.mlp.fc1(self.norm2(x))))


class PatchEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, 14, 14)


class Encoder(nn.Module):
    def __init__(self, width: int, depth: int, heads: int, grid: int, *, has_mask_token: bool) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + grid * grid, width) * 0.5)
        if has_mask_token:
            self.mask_token = nn.Parameter(torch.zeros(1, width))
        self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def positions(self, rows: int, columns: int) -> torch.Tensor:
        grid = round(math.sqrt(self.pos_embed.shape[1] - 1))
        if rows == columns == grid:
            return self.pos_embed
        square = self.pos_embed[:, 1:].reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
        scale = ((rows + 0.1) / grid, (columns + 0.1) / grid)
        square = F.interpolate(square, scale_factor=scale, mode="bicubic", antialias=False)
        return torch.cat([self.pos_embed[:, :1], square.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, pixels: torch.Tensor, taps: Sequence[int]) -> list[torch.Tensor]:
        patches = self.patch_embed.proj(pixels)
        rows, columns = patches.shape[2:]
        x = torch.cat([self.cls_token.expand(len(pixels), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        x, found = x + self.positions(rows, columns), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in taps:
                found.append(self.norm(x)[:, 1:].transpose(1, 2).unflatten(2, (rows, columns)))
        return found


class ResidualUnit(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Fusion(nn.Module):
    def __init__(self, features: int, *, has_first: bool) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(features, features, 1)
        if has_first:
            self.resConfUnit1 = ResidualUnit(features)
        self.resConfUnit2 = ResidualUnit(features)

    def forward(self, x: torch.Tensor, lateral: torch.Tensor | None, size: tuple[int, int]) -> torch.Tensor:
        if lateral is not None:
            x = x + self.resConfUnit1(lateral)
        return self.out_conv(F.interpolate(self.resConfUnit2(x), size=size, mode="bilinear", align_corners=True))


def output_convolutions(features: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(features // 2, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 1, 1))


class Head(nn.Module):
    def __init__(self, width: int, channels: Sequence[int], features: int, *, has_sky: bool) -> None:
        super().__init__()
        self.projects = nn.ModuleList([nn.Conv2d(width, c, 1) for c in channels])
        self.resize_layers = nn.ModuleList([
            nn.ConvTranspose2d(channels[0], channels[0], 4, 4),
            nn.ConvTranspose2d(channels[1], channels[1], 2, 2),
            nn.Identity(),
            nn.Conv2d(channels[3], channels[3], 3, 2, 1),
        ])  # fmt: skip
        self.scratch = nn.Module()
        for index, c in enumerate(channels, start=1):
            setattr(self.scratch, f"layer{index}_rn", nn.Conv2d(c, features, 3, padding=1, bias=False))
            has_first = index < 4 or not has_sky
            setattr(self.scratch, f"refinenet{index}", Fusion(features, has_first=has_first))
        self.scratch.output_conv1 = nn.Conv2d(features, features // 2, 3, padding=1)
        self.scratch.output_conv2 = output_convolutions(features, 32)
        if has_sky:
            self.scratch.sky_output_conv2 = output_convolutions(features, 32)

    def forward(self, taps: list[torch.Tensor], size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        s = self.scratch
        maps = [resize(project(x)) for x, project, resize in zip(taps, self.projects, self.resize_layers, strict=True)]
        first, second, third, fourth = (getattr(s, f"layer{i + 1}_rn")(x) for i, x in enumerate(maps))
        x = s.refinenet4(fourth, None, third.shape[2:])
        x = s.refinenet3(x, third, second.shape[2:])
        x = s.refinenet2(x, second, first.shape[2:])
        x = s.refinenet1(x, first, (2 * first.shape[2], 2 * first.shape[3]))
        x = F.interpolate(s.output_conv1(x), size=size, mode="bilinear", align_corners=True)
        sky = F.relu(s.sky_output_conv2(x)) if hasattr(s, "sky_output_conv2") else None
        return s.output_conv2(x), sky


class OfficialModel(nn.Module):
    """``pretrained`` and ``depth_head``, as the official files name them; random weights of a fixed seed."""

    def __init__(
        self, width: int, depth: int, heads: int, channels: Sequence[int], features: int, *, has_sky: bool = False,
        grid: int = 37, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.pretrained = Encoder(width, depth, heads, grid, has_mask_token=not has_sky)
            self.depth_head = Head(width, channels, features, has_sky=has_sky)
            # Outputs that spread over a useful range, so that a difference is seen.
            for name, parameter in self.named_parameters():
                if name.endswith("output_conv2.2.bias"):
                    parameter.data.fill_(0.4)
                elif name.endswith("output_conv2.2.weight"):
                    parameter.data.mul_(4.0)

    def forward(self, pixels: torch.Tensor, taps: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Normalised pixels to the value before its activation, and the sky score; (n, h, w)."""
        depth, sky = self.depth_head(self.pretrained(pixels, taps), pixels.shape[2:])
        return depth[:, 0], None if sky is None else sky[:, 0]


def official_weights(model: OfficialModel, *, prefix: str = "") -> dict[str, torch.Tensor]:
    """The weights by their official names: of V1 and V2, or with ``model.`` as the hub file of Depth Anything 3."""
    weights = {}
    for name, tensor in model.state_dict().items():
        part, rest = name.split(".", 1)
        if prefix == "model.":
            part = {"pretrained": "backbone.pretrained", "depth_head": "head"}[part]
        weights[f"{prefix}{part}.{rest}"] = tensor
    return weights


def normalised(image_nhw3: torch.Tensor) -> torch.Tensor:
    """RGB bytes (n, h, w, 3) to ImageNet-normalised (n, 3, h, w)."""
    pixels = image_nhw3.permute(0, 3, 1, 2).float() / 255.0
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (pixels - mean[:, None, None]) / std[:, None, None]
