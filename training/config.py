"""Recipes: a YAML file plus ``key=value`` overrides become one frozen ``TrainConfig``; an unknown key is refused."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from depth_anything_ros.errors import ConfigError

from .augment import AugmentConfig


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One source of training samples and how often it is drawn."""

    kind: str
    """``synthetic`` (a folder of rendered shards) or ``frames`` (RGB-D frames listed by an index.json)."""
    path: str
    """Folder of the shards, or the index.json."""
    weight: float = 1.0
    """Share of the batch, relative to the other sources."""
    dataset: str = ""
    """frames: the data set's name in the index."""
    first: int = 0
    """frames: first position, by the order of the index."""
    last: int = -1
    """frames: last position, included; -1 takes all that follow."""

    def __post_init__(self) -> None:
        if self.kind not in ("synthetic", "frames"):
            raise ConfigError(f"sources.kind {self.kind!r}: synthetic or frames are accepted")
        if not self.weight > 0:
            raise ConfigError(f"sources.weight {self.weight}: a number above 0 is accepted")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a metric run; saved beside its results."""

    name: str
    description: str = ""
    network: dict[str, Any]
    """Fields of ``depth_anything_ros.networks.NetworkConfig``."""
    init: str = ""
    """Checkpoint whose averaged weights the run starts from; empty starts from random weights."""
    sources: tuple[SourceConfig, ...]
    validation: tuple[SourceConfig, ...] = ()
    """Frames that decisions are made on; never trained on by the same recipe."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    seed: int = 0
    steps: int = 1000
    batch_size: int = 16
    short_sides: tuple[int, ...] = (126, 168)
    """Network short sides [px], multiples of 14, that the run goes through in equal parts of ``side_shares``."""
    side_shares: tuple[float, ...] = (0.7, 0.3)
    aspects: tuple[float, ...] = (4 / 3, 1.5, 16 / 9)
    """Width to height ratios, one drawn per batch."""
    learning_rate: float = 1e-3
    decay_share: float = 0.3
    """Last share of the steps over which the learning rate falls linearly to a hundredth; constant before, after
    warm-up.
    """
    warmup_steps: int = 200
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    variance_focus: float = 1.0
    """Share of the scale error that SILog leaves out; see ``losses.silog_loss``."""
    scale_weight: float = 0.5
    """Weight of the scale error on its own; see ``losses.scale_loss``."""
    gradient_weight: float = 2.0
    sky_weight: float = 0.2
    min_depth_m: float = 0.1
    max_depth_m: float = 100.0
    checkpoint_every: int = 200
    threads: int = 0
    """CPU threads; 0 leaves PyTorch's choice."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: a whole number from 1 is accepted")
        if not self.sources:
            raise ConfigError("sources: at least one is needed")
        if len(self.short_sides) != len(self.side_shares) or abs(sum(self.side_shares) - 1) > 1e-6:
            raise ConfigError(f"side_shares {self.side_shares}: one share per short side, adding up to 1, is accepted")
        for side in self.short_sides:
            if side < 28 or side % 14:
                raise ConfigError(f"short_sides {side}: multiples of 14 from 28 are accepted")

    def short_side_at(self, step: int) -> int:
        """The network's short side [px] at ``step``."""
        position, edge = (step + 0.5) / self.steps, 0.0
        for side, share in zip(self.short_sides, self.side_shares, strict=False):
            edge += share
            if position < edge:
                return side
        return self.short_sides[-1]

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, constant, then linear to 1 % over the last ``decay_share`` of the steps."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        left = (self.steps - step) / max(1.0, self.decay_share * self.steps)
        return self.learning_rate * warm * max(0.01, min(1.0, left))


def load_recipe(path: Path, overrides: list[str] | None = None) -> TrainConfig:
    """Read a recipe; ``overrides`` are ``key=value`` or ``key.sub=value`` with YAML values. Raises ``ConfigError``."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: the recipe cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: a mapping of recipe keys is accepted")
    for override in overrides or []:
        key, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"{override!r}: key=value is accepted")
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{key}: {parent} holds no named keys")
        node[leaf] = yaml.safe_load(text)
    return config_from_dict(tree, str(path))


def config_from_dict(tree: dict[str, Any], place: str) -> TrainConfig:
    """Build the typed configuration of a mapping; ``place`` is named in errors."""
    values = dict(tree)
    for key in ("sources", "validation"):
        if not isinstance(values.get(key, []), list):
            raise ConfigError(f"{place}: {key} takes a list")
        values[key] = tuple(_build(SourceConfig, item, f"{place}: {key}") for item in values.get(key, []))
    values["augment"] = _build(AugmentConfig, values.get("augment", {}), f"{place}: augment")
    for key in ("short_sides", "side_shares", "aspects"):
        if key in values:
            values[key] = tuple(values[key])
    return _build(TrainConfig, values, place)


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """Plain JSON types; ``config_from_dict`` takes them back."""
    tree = dataclasses.asdict(config)
    return {key: list(value) if isinstance(value, tuple) else value for key, value in tree.items()}


def _build(kind: type, values: Any, place: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: a mapping is accepted, not {values!r}")
    known = [item.name for item in dataclasses.fields(kind)]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{place}: unknown key {key!r}; {hint}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{place}: {error}") from None
