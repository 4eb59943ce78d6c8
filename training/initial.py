"""How the networks of the stages begin: an encoder by the recipe, a decoder from random, or all of a checkpoint."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from depth_anything_ros.errors import ConfigError
from depth_anything_ros.networks import DepthNetwork, build_network
from depth_anything_ros.networks.encoder_weights import load_encoder

from .config import STAGES, Recipe
from .run_dir import say
from .stages import checkpoint_of
from .start_weights import engine_weights, is_engine, open_weights

PARTS = ("all", "encoder")
_LAST = ("head.depth.", "head.sky.", "head.sky_conv2.")
"""What gives a head's numbers their meaning; the convolutions before it are shared by all heads."""
_METRIC = ("log_depth", "exp")
_RELU_BIAS = 1.0
"""A ReLU head from random starts with all its outputs above zero, where it learns."""
_SKY_BIAS = -2.0
"""A sky head from random starts with hardly any sky, or half of the world would be."""


def stage_seed(recipe: Recipe, stage: str) -> int:
    """The seed of a stage's random weights: no stage begins with the decoder of another."""
    return recipe.seed + 1000 * (1 + STAGES.index(stage))


def fresh_network(recipe: Recipe, stage: str, *, head: str, max_depth_m: float = 0.0) -> DepthNetwork:
    """The recipe's network with its ``encoder`` and a random decoder.

    Raises ConfigError where the encoder's weights are absent or those of another architecture.
    """
    network = _random(recipe, stage, head, max_depth_m)
    if recipe.encoder:
        say(str(load_encoder(network, weights_path(recipe, recipe.encoder))))
    return network


def continued_network(
    recipe: Recipe, stage: str, init: str, *, head: str, max_depth_m: float = 0.0, parts: str = "all"
) -> tuple[DepthNetwork, dict[str, Any]]:
    """The recipe's network with the weights of ``init``, and that checkpoint's meta.

    Parameters
    ----------
    init: a stage, or what ``open_weights`` takes: a checkpoint of this pipeline (its averaged weights), an engine with
        torch weights, or a published Depth Anything checkpoint (a .pth or .bin by its authors' name, or a folder of
        ``transformers``).
    parts: all, which must fit completely (the last convolutions start from random where the head means something else),
        or encoder, after which the decoder starts from random.

    Raises ConfigError where the weights are those of another network: nothing is ever loaded in part.
    """
    start = open_weights(checkpoint_of(recipe, init) if init in STAGES else init)
    path = start.file
    network = _random(recipe, stage, head, max_depth_m)
    if parts == "encoder":
        say(str(load_encoder(network, path)))
        return network, {**start.meta, "licence": asdict(start.licence)}
    own, theirs = network.config, start.config
    if own.head in _METRIC and theirs.head in _METRIC and own.canonical_focal_px != theirs.canonical_focal_px:
        raise ConfigError(
            f"{path}: its metres are for a focal length of {theirs.canonical_focal_px:g} px; "
            f"network.canonical_focal_px {theirs.canonical_focal_px:g} is accepted, not {own.canonical_focal_px:g}"
        )
    same_meaning = (own.head, own.max_depth_m) == (theirs.head, theirs.max_depth_m)
    random = () if same_meaning else _LAST
    wanted, found = network.state_dict(), start.load().state_dict()
    taken = {name: tensor for name, tensor in found.items() if not name.startswith(random)}
    kept = {name: tensor for name, tensor in wanted.items() if name.startswith(random)}
    for name, tensor in wanted.items():
        if name not in kept and (name not in taken or taken[name].shape != tensor.shape):
            has = tuple(taken[name].shape) if name in taken else "absent"
            raise ConfigError(f"{path}: weights of another network: {name} is {has}, {tuple(tensor.shape)} is accepted")
    left = [name for name in taken if name not in wanted]
    if left:
        raise ConfigError(f"{path}: weights of another network: {left[0]} has no place in network of the recipe")
    network.load_state_dict({**kept, **taken}, strict=True)
    say(f"weights from {path}" + ("" if same_meaning else f"; the last convolutions of head {own.head} from random"))
    return network, {**start.meta, "licence": asdict(start.licence)}


def weights_path(recipe: Recipe, name: str) -> Path:
    """The file or the hub's folder that a recipe's reference to weights means: of a stage, of an engine, its own."""
    if name not in STAGES and is_engine(name):
        return engine_weights(name)[0]
    path = Path(name)
    return path if name not in STAGES and path.is_dir() else checkpoint_of(recipe, name)


def _random(recipe: Recipe, stage: str, head: str, max_depth_m: float) -> DepthNetwork:
    network = build_network(recipe.network_config(head=head, max_depth_m=max_depth_m), seed=stage_seed(recipe, stage))
    if head == "relu":
        network.head.depth.bias.data.fill_(_RELU_BIAS)
    if network.config.has_sky:
        network.head.sky.bias.data.fill_(_SKY_BIAS)
    return network
