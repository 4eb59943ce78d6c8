"""``DepthNetwork``: bytes in, depth or disparity out, and a sky score where the head gives one.

The encoder and the decoder are the modules of ``transformers`` (DINOv2, Depth Anything); ``heads`` holds every output
head of the family, so that training, the known checkpoints and the torch engine run one network. Attention is called
without a mask, because every token is always present; position embeddings are always interpolated, so that one graph
serves all sizes.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from transformers import DepthAnythingConfig, Dinov2Config
from transformers.models.depth_anything.modeling_depth_anything import DepthAnythingNeck
from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

from .config import PATCH_SIZE, NetworkConfig
from .conv_stem import ConvStem
from .heads import OutputHead
from .positions import interpolate_positions

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class DepthNetwork(nn.Module):
    """Encoder, decoder and output head; see the module docstring.

    ``forward`` takes RGB bytes (n, h, w, 3), uint8, both sides multiples of 14, and returns ``(depth, sky)``, or
    ``(depth,)`` where ``config.has_sky`` is false. ``depth`` (n, h, w), float32, is metres along the optical axis for a
    camera with ``config.canonical_focal_px`` at this input size (heads log_depth and exp), metres of the camera that it
    was trained for (sigmoid), or disparity up to a scale and a shift (relu). ``sky`` (n, h, w), float32, grows with the
    likeness to sky: 0 to 1 of a log_depth head, 0 and above of an exp head.
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
            use_swiglu_ffn=config.ffn == "swiglu",
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
                # A copy: the outer config would reset the inner attention choice.
                backbone_config=copy.deepcopy(encoder_config),
                reassemble_hidden_size=config.hidden_size,
                neck_hidden_sizes=list(config.neck_channels),
                fusion_hidden_size=config.fusion_channels,
            )
        )
        # The coarsest level has nothing to fuse with: its first unit is there for the names in files alone.
        self.neck.fusion_stage.layers[0].residual_layer1.requires_grad_(False)
        self.head = OutputHead(config)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1) * 255.0, persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1) * 255.0, persistent=False)

    def forward(self, image_nhw3: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.head.activate(self.logits(image_nhw3))

    def logits(self, image_nhw3: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The head's values before its activation, (n, h, w) each: what the losses work on (log depth, sky logit)."""
        return self.logits_of_pixels(self.normalise(image_nhw3))

    def logits_with_tokens(self, image_nhw3: torch.Tensor) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """``logits`` and ``tokens`` of an image in one pass."""
        pixels = self.normalise(image_nhw3)
        taps, levels, detail = self._encode_pixels(pixels)
        return self._decode(taps, levels, detail, (pixels.shape[2], pixels.shape[3])), taps[-1][:, 1:]

    def logits_of_pixels(self, pixels_n3hw: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """As ``logits``, for an image that is normalised already, (n, 3, h, w) float."""
        return self._decode(*self._encode_pixels(pixels_n3hw), (pixels_n3hw.shape[2], pixels_n3hw.shape[3]))

    def tokens(self, pixels_n3hw: torch.Tensor) -> torch.Tensor:
        """The encoder's features of a normalised image, (n, patches, c): the last tap's, normed, no class token."""
        return self._encode_pixels(pixels_n3hw)[0][-1][:, 1:]

    def normalise(self, image_nhw3: torch.Tensor) -> torch.Tensor:
        """RGB bytes (n, h, w, 3) to ImageNet-normalised pixels (n, 3, h, w)."""
        return (image_nhw3.permute(0, 3, 1, 2).to(self.mean.dtype) - self.mean) / self.std

    def _encode_pixels(
        self, pixels_n3hw: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor | None]:
        """The tapped tokens and, of a convolutional stem, the decoder's two finest levels and its first features."""
        pixels = pixels_n3hw.to(self.backbone.layernorm.weight.dtype)
        rows, columns = pixels.shape[2] // PATCH_SIZE, pixels.shape[3] // PATCH_SIZE
        projection = self.backbone.embeddings.patch_embeddings.projection
        detail: torch.Tensor | None = None
        levels: list[torch.Tensor] = []
        if isinstance(projection, ConvStem):
            detail, levels, patches = projection(pixels)
        else:
            patches = projection(pixels)
        return self.encode(patches, rows, columns), levels, detail

    def _decode(
        self,
        taps: list[torch.Tensor],
        levels: list[torch.Tensor],
        detail: torch.Tensor | None,
        size_hw: tuple[int, int],
    ) -> tuple[torch.Tensor, ...]:
        maps = self.neck.reassemble_stage(taps, size_hw[0] // PATCH_SIZE, size_hw[1] // PATCH_SIZE)
        maps = [tokens + conv for tokens, conv in zip(maps, levels, strict=False)] + maps[len(levels) :]
        features = self.neck.fusion_stage([conv(level) for conv, level in zip(self.neck.convs, maps, strict=False)])[-1]
        return self.head(features, detail, size_hw)

    def half_(self) -> DepthNetwork:
        """Turn to fp16 in place, for a CUDA device, and return itself.

        What fp16 cannot hold stays fp32: the normalisation of the bytes, the interpolation of the position embeddings,
        and the last convolution with what follows it. Layer norms and softmax add up in fp32 by themselves there.
        """
        constants = {name: self.get_buffer(name) for name in ("mean", "std")}
        self.half()
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.head.depth.float()
        if self.config.has_sky:
            self.head.sky.float()
        return self

    def encode(self, patches_nchw: torch.Tensor, rows: int, columns: int) -> list[torch.Tensor]:
        """Patch embeddings (n, c, rows, columns) to the four tapped token maps, each (n, 1 + rows * columns, c),
        normed.
        """
        embeddings = self.backbone.embeddings
        tokens = patches_nchw.flatten(2).transpose(1, 2)
        tokens = torch.cat([embeddings.cls_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        tokens = tokens + interpolate_positions(
            embeddings.position_embeddings, self.config.position_grid, rows, columns, self.config.position_rule
        )
        taps = []
        for index, layer in enumerate(self.backbone.encoder.layer):
            tokens = layer(tokens)
            if index in self.config.taps:
                taps.append(self.backbone.layernorm(tokens))
        return taps


def build_network(config: NetworkConfig, *, seed: int = 0) -> DepthNetwork:
    """A network with random weights from ``seed``; weights of a checkpoint are loaded on top with
    ``load_state_dict``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DepthNetwork(config)
