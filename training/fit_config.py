"""What every stage that trains has in common: sources, sizes, schedule, optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from depth_anything_ros.errors import ConfigError

from .augment import AugmentConfig
from .config_tree import build, nearest, to_plain

SCHEDULES = ("hold", "poly", "cosine")


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One source of samples; ``sources.open_source`` opens it."""

    kind: str
    path: str
    """Folder or file, as the reader of ``kind`` expects."""
    weight: float = 0.0
    """Share of the batch relative to the other sources' weights, drawn with replacement; 0 for all sources of a list
    puts them one after the other, and every sweep sees each sample once (the papers' way)."""
    first: int = 0
    """First position, by the source's order."""
    last: int = -1
    """Last position, included; -1 takes all that follow."""
    options: dict[str, Any] = field(default_factory=dict)
    """What else the reader takes; in a recipe its keys stand beside ``kind``."""

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise ConfigError(f"weight {self.weight}: a number from 0 is accepted")
        if self.first < 0 or self.last < -1:
            raise ConfigError(f"first {self.first}, last {self.last}: positions from 0 (-1 for the last) are accepted")


Source = str | SourceConfig


def parse_sources(values: Any, place: str) -> tuple[Source, ...]:
    """A recipe's list of sources: names of ``data``, or mappings with the reader's options beside ``kind``."""
    if not isinstance(values, (list, tuple)):
        raise ConfigError(f"{place}: a list is accepted, not {values!r}")
    return tuple(
        item if isinstance(item, (str, SourceConfig)) else parse_source(item, f"{place}[{number}]")
        for number, item in enumerate(values)
    )


def parse_source(values: Any, place: str) -> SourceConfig:
    """One source as a recipe or ``to_plain`` writes it; keys that are not of every source are the reader's options."""
    if isinstance(values, SourceConfig):
        return values
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: a mapping is accepted, not {values!r}")
    known = ("kind", "path", "weight", "first", "last", "options")
    options = {**(values.get("options") or {}), **{key: value for key, value in values.items() if key not in known}}
    source: SourceConfig = build(
        SourceConfig, {**{key: value for key, value in values.items() if key in known}, "options": options}, place
    )
    return source


def over(base: Any) -> Callable[[Any, str], Any]:
    """A parser that puts the values of a recipe over those of ``base``, a dataclass."""

    def parse(values: Any, place: str) -> Any:
        if isinstance(values, type(base)) or not isinstance(values, dict):
            return values if isinstance(values, type(base)) else build(type(base), values, place)
        return build(type(base), {**to_plain(base), **values}, place)

    return parse


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Sources, sizes, schedule and optimiser of one training."""

    PARSERS: ClassVar[dict[str, Any]] = {
        "sources": parse_sources,
        "validation": parse_sources,
        "augment": over(AugmentConfig.paper()),
    }
    sources: tuple[Source, ...] = ()
    """Names of ``data`` or sources themselves."""
    validation: tuple[Source, ...] = ()
    """Labelled samples that the best checkpoint is chosen on; never trained on by the same recipe."""
    augment: AugmentConfig = field(default_factory=AugmentConfig.paper)
    """A random crop and a flip, as in the papers; what a recipe gives replaces single values of it."""
    steps: int = 1000
    batch_size: int = 16
    """Samples of one step, over all processes and accumulated parts."""
    short_sides: tuple[int, ...] = (518,)
    """Network short sides [px], multiples of 14, that the run goes through in equal parts of ``side_shares``."""
    side_shares: tuple[float, ...] = (1.0,)
    aspects: tuple[float, ...] = (1.0,)
    """Width to height ratios, one drawn per batch; the papers crop squares."""
    learning_rate: float = 5e-5
    """Of everything but the encoder."""
    encoder_rate: float = 0.1
    """Learning rate of the encoder relative to ``learning_rate``: 5e-6 to 5e-5 in both papers; 1 from scratch."""
    schedule: str = "hold"
    """hold (constant, then linear over the last ``decay_share``; 1 is linear decay), poly ((1 - t) ^ 0.9, V2's metric
    trainer) or cosine."""
    decay_share: float = 1.0
    final_share: float = 0.0
    """Share of the learning rate that the schedule ends at."""
    warmup_steps: int = 0
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    """Largest norm of the gradient; 0 does not clip."""
    ema_decay: float = 0.999
    """Decay of the averaged weights, which are validated, exported and continued from; 0 takes the trained ones."""
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: a whole number from 1 is accepted")
        if len(self.short_sides) != len(self.side_shares) or abs(sum(self.side_shares) - 1) > 1e-6:
            raise ConfigError(f"side_shares {self.side_shares}: one share per short side, adding up to 1, is accepted")
        for side in self.short_sides:
            if side < 28 or side % 14:
                raise ConfigError(f"short_sides {side}: multiples of 14 from 28 are accepted")
        if not self.aspects or any(not 0.1 <= aspect <= 10 for aspect in self.aspects):
            raise ConfigError(f"aspects {self.aspects}: one or more numbers from 0.1 to 10 are accepted")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule {self.schedule!r}: {nearest(self.schedule, SCHEDULES)}")
        for name, low, high in (
            ("learning_rate", 0.0, float("inf")), ("encoder_rate", 0.0, float("inf")), ("decay_share", 0.0, 1.0),
            ("final_share", 0.0, 1.0), ("ema_decay", 0.0, 1.0), ("clip_norm", 0.0, float("inf")),
            ("weight_decay", 0.0, float("inf")), ("warmup_steps", 0, float("inf")),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"{name} {getattr(self, name)}: a number from {low} to {high} is accepted")

    def check_references(self, names: Sequence[str], stage: str) -> None:
        """``ConfigError`` where a list names a source that ``data`` does not hold."""
        for key in ("sources", "validation", "pseudo"):
            for entry in getattr(self, key, ()):
                if isinstance(entry, str) and entry not in names:
                    raise ConfigError(f"{stage}.{key}: no source {entry!r} in data; {nearest(entry, names)}")

    def short_side_at(self, step: int) -> int:
        """The network's short side [px] at ``step``."""
        position, edge = (step + 0.5) / self.steps, 0.0
        for side, share in zip(self.short_sides, self.side_shares, strict=False):
            edge += share
            if position < edge:
                return side
        return self.short_sides[-1]
