"""From the names of published weights to those of ``DepthNetwork``: the official code's and those of ``transformers``.

The official names are those of Depth-Anything, Depth-Anything-V2 and Depth-Anything-3, which agree but for a prefix and
for the sky head of the third. Whatever wraps the modules (``module.``, ``model.backbone.``) is found, not assumed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from ..errors import ConfigError

OFFICIAL, TRANSFORMERS = "official", "transformers"
UNUSED = ("pretrained.mask_token", "backbone.embeddings.mask_token")
"""Tensors that published files have and that no output depends on: DINOv2's mask token serves its own training."""
MAY_MISS = "neck.fusion_stage.layers.0.residual_layer1."
"""The coarsest level has nothing to fuse with: V1 and V2 carry weights for it all the same, Depth Anything 3 none."""

_LAYER, _FUSION = "backbone.encoder.layer", "neck.fusion_stage.layers"
_OFFICIAL_RULES = (
    (r"pretrained\.cls_token", "backbone.embeddings.cls_token"),
    (r"pretrained\.pos_embed", "backbone.embeddings.position_embeddings"),
    (r"pretrained\.patch_embed\.proj\.(\w+)", r"backbone.embeddings.patch_embeddings.projection.\1"),
    (r"pretrained\.blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.(\w+)", rf"{_LAYER}.\1.\2.\3"),
    (r"pretrained\.blocks\.(\d+)\.mlp\.w3\.(\w+)", rf"{_LAYER}.\1.mlp.down_proj.\2"),
    (r"pretrained\.blocks\.(\d+)\.attn\.proj\.(\w+)", rf"{_LAYER}.\1.attention.o_proj.\2"),
    (r"pretrained\.blocks\.(\d+)\.ls([12])\.gamma", rf"{_LAYER}.\1.layer_scale\2.lambda1"),
    (r"pretrained\.norm\.(\w+)", r"backbone.layernorm.\1"),
    (r"head\.projects\.(\d)\.(\w+)", r"neck.reassemble_stage.layers.\1.projection.\2"),
    (r"head\.resize_layers\.([013])\.(\w+)", r"neck.reassemble_stage.layers.\1.resize.\2"),
    *((rf"head\.scratch\.layer{i + 1}_rn\.weight", f"neck.convs.{i}.weight") for i in range(4)),
    *((rf"head\.scratch\.refinenet{4 - i}\.out_conv\.(\w+)", rf"{_FUSION}.{i}.projection.\1") for i in range(4)),
    *(
        (
            rf"head\.scratch\.refinenet{4 - i}\.resConfUnit([12])\.conv([12])\.(\w+)",
            rf"{_FUSION}.{i}.residual_layer\1.convolution\2.\3",
        )
        for i in range(4)
    ),
    (r"head\.scratch\.output_conv1\.(\w+)", r"head.conv1.\1"),
    (r"head\.scratch\.output_conv2\.0\.(\w+)", r"head.conv2.\1"),
    (r"head\.scratch\.output_conv2\.2\.(\w+)", r"head.depth.\1"),
    (r"head\.scratch\.sky_output_conv2\.0\.(\w+)", r"head.sky_conv2.\1"),
    (r"head\.scratch\.sky_output_conv2\.2\.(\w+)", r"head.sky.\1"),
)
_PARTS = (
    (r"pretrained\.blocks\.(\d+)\.attn\.qkv\.(\w+)", ("attention.q_proj", "attention.k_proj", "attention.v_proj")),
    (r"pretrained\.blocks\.(\d+)\.mlp\.w12\.(\w+)", ("mlp.gate_proj", "mlp.up_proj")),
    (r"backbone\.encoder\.layer\.(\d+)\.mlp\.weights_in\.(\w+)", ("mlp.gate_proj", "mlp.up_proj")),
)
"""Matrices that files hold as one: by rows they are these of ours, in this order."""
_TRANSFORMERS_RULES = (
    *(
        (rf"(backbone\.encoder\.layer\.\d+)\.attention\.attention\.{name}\.(\w+)", rf"\1.attention.{name[0]}_proj.\2")
        for name in ("query", "key", "value")
    ),
    (r"(backbone\.encoder\.layer\.\d+)\.attention\.output\.dense\.(\w+)", r"\1.attention.o_proj.\2"),
    (r"(backbone\.encoder\.layer\.\d+)\.mlp\.weights_out\.(\w+)", r"\1.mlp.down_proj.\2"),
    (r"head\.conv3\.(\w+)", r"head.depth.\1"),
    (r"((?:backbone|neck|head)\..+)", r"\1"),
)


@dataclass(frozen=True)
class MappedWeights:
    """Weights by the names of ``DepthNetwork``."""

    tensors: dict[str, torch.Tensor]
    keys: str
    """Whose names they had: official or transformers."""
    unused: tuple[str, ...]
    """Names in the file of the tensors that no output depends on."""

    @property
    def hidden_size(self) -> int:
        """Width of the encoder, by the shape of its class token."""
        return int(self.tensors["backbone.embeddings.cls_token"].numel())

    @property
    def has_sky(self) -> bool:
        """Whether there is a sky head, as in Depth Anything 3."""
        return "head.sky.weight" in self.tensors


def map_keys(weights: Mapping[str, torch.Tensor], place: str) -> MappedWeights:
    """Rename every tensor; ``place`` is named in errors.

    Raises ConfigError where the names are neither layout's, and where one is left that has no meaning here.
    """
    official_encoder = _prefix(weights, "pretrained.cls_token")
    own_encoder = _prefix(weights, "backbone.embeddings.cls_token")
    if official_encoder is not None:
        head = _prefix(weights, "scratch.output_conv1.weight")
        prefixes = {f"{official_encoder}pretrained.": "pretrained.", head or "": "head."}
        keys = OFFICIAL
    elif own_encoder is not None:
        prefixes = {f"{own_encoder}{part}.": f"{part}." for part in ("backbone", "neck", "head")}
        keys = TRANSFORMERS
    else:
        found = ", ".join(list(weights)[:3]) or "none"
        raise ConfigError(
            f"{place}: no Depth Anything weights: pretrained.cls_token or backbone.embeddings.cls_token is expected"
            f" among the keys; the first are {found}"
        )
    tensors, unused = rename_all(weights, keys, lambda name: _without_prefix(name, prefixes), place, what="network")
    return MappedWeights(tensors, keys, unused)


def rename_all(
    weights: Mapping[str, torch.Tensor], keys: str, plain_name: Callable[[str], str | None], place: str, *, what: str
) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """All tensors of a file under this network's names, and the names of those that no output depends on.

    ``plain_name`` gives the official name, or transformers' own, of a name of the file; None for a tensor that is of
    something else. ConfigError names the first keys of no ``what`` (network, DINOv2 encoder) that is known.
    """
    tensors: dict[str, torch.Tensor] = {}
    unused, left = [], []
    for name, tensor in weights.items():
        plain = plain_name(name)
        if plain is None or plain in UNUSED:
            unused.append(name)
        elif own := rename(plain, tensor, keys):
            tensors.update(own)
        else:
            left.append(name)
    if left:
        raise ConfigError(f"{place}: {len(left)} keys of no {what} known here, such as {', '.join(left[:3])}")
    return tensors, tuple(unused)


def fill(network: torch.nn.Module, weights: Mapping[str, torch.Tensor], place: str) -> None:
    """Copy weights into a network; every one must be used, none left. Raises ConfigError, which names the first."""
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in weights and not name.startswith(MAY_MISS)]
    left = [name for name in weights if name not in wanted]
    for what, names in (("lacks", missing), ("has beyond that network", left)):
        if names:
            raise ConfigError(f"{place}: {what} {len(names)} weights, such as {', '.join(names[:3])}")
    for name, tensor in weights.items():
        if tensor.shape != wanted[name].shape or not tensor.is_floating_point():
            raise ConfigError(
                f"{place}: {name} is {tensor.dtype} {tuple(tensor.shape)}; accepted: float {tuple(wanted[name].shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise ConfigError(f"{place}: {name} holds NaN or infinite values; accepted: finite ones")
    zeros = {name: torch.zeros_like(wanted[name]) for name in wanted if name not in weights}
    network.load_state_dict({**weights, **zeros}, strict=True)


def _prefix(weights: Mapping[str, torch.Tensor], ending: str) -> str | None:
    """What stands before ``ending`` in the name that ends so; None where there is none."""
    found = [name for name in weights if name == ending or name.endswith(f".{ending}")]
    return found[0][: -len(ending)] if found else None


def _without_prefix(name: str, prefixes: Mapping[str, str]) -> str:
    for long, short in prefixes.items():
        if long and name.startswith(long):
            return short + name[len(long) :]
    return name


def rename(name: str, tensor: torch.Tensor, keys: str) -> dict[str, torch.Tensor]:
    """One tensor of a file (``pretrained.`` or ``backbone.``, ``neck.``, ``head.`` in front of its name) by our names:
    one, several where the file holds them as one matrix, none where the name has no meaning.
    """
    for pattern, parts in _PARTS:
        if found := re.fullmatch(pattern, name):
            pieces = zip(parts, tensor.chunk(len(parts)), strict=True)
            return {f"{_LAYER}.{found[1]}.{part}.{found[2]}": piece for part, piece in pieces}
    for pattern, replacement in _OFFICIAL_RULES if keys == OFFICIAL else _TRANSFORMERS_RULES:
        if found := re.fullmatch(pattern, name):
            return {found.expand(replacement): tensor}
    return {}
