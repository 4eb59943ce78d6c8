"""``Recipe``: everything that decides a run, read from one YAML file; each stage has its section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from depth_anything_ros.errors import ConfigError

from .config_tree import build, read_tree, to_plain
from .fit_config import FitConfig, SourceConfig, parse_source
from .stage_configs import (
    EvaluateConfig,
    ExportConfig,
    MetricConfig,
    PretrainConfig,
    PseudoLabelConfig,
    StudentConfig,
    TeacherConfig,
)

if TYPE_CHECKING:
    from depth_anything_ros.networks import NetworkConfig

STAGES = ("pretrain", "teacher", "pseudo_label", "student", "metric", "evaluate", "export")
"""In the order in which ``run`` does them; module, recipe section and folder have the stage's name."""


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """How a run is computed. What is learnt stays the same up to rounding, so a run may go on with other values."""

    precision: str = "fp32"
    """fp32, or bf16 (autocast; weights and optimiser stay fp32)."""
    strategy: str = "ddp"
    """With more than one process: ddp (every process holds the network) or fsdp (they share it)."""
    compile: bool = False
    """torch.compile."""
    accumulate: int = 1
    """Parts that a process's share of a batch is computed in, one after the other, to save memory."""
    checkpoint_activations: bool = False
    """Compute the encoder's activations again in the backward pass instead of keeping them."""
    workers: int = 0
    """Processes that make batches; 0 makes them in a thread beside the training."""
    threads: int = 0
    """CPU threads of torch; 0 leaves its choice."""
    tensorboard: bool = True

    def __post_init__(self) -> None:
        for name, accepted in (("precision", ("fp32", "bf16")), ("strategy", ("ddp", "fsdp"))):
            if getattr(self, name) not in accepted:
                raise ConfigError(f"{name} {getattr(self, name)!r}: {' or '.join(accepted)} is accepted")
        if self.accumulate < 1:
            raise ConfigError(f"accumulate {self.accumulate}: a whole number from 1 is accepted")
        for name in ("workers", "threads"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} {getattr(self, name)}: a whole number from 0 is accepted")


def parse_data(values: Any, place: str) -> dict[str, SourceConfig]:
    """The named sources of a recipe."""
    if not isinstance(values, dict):
        raise ConfigError(f"{place}: a mapping of names to sources is accepted, not {values!r}")
    return {str(name): parse_source(item, f"{place}.{name}") for name, item in values.items()}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One run of the pipeline, or of a part of it."""

    PARSERS: ClassVar[dict[str, Any]] = {"data": parse_data}
    name: str
    description: str = ""
    out: str
    """The run's folder; a stage writes into the folder of its name in it."""
    seed: int = 0
    network: dict[str, Any]
    """``size: tiny|small|base|large|giant`` and/or fields of ``depth_anything_ros.networks.NetworkConfig``, without the
    head: teacher and student have ``relu``, the stage metric names its own."""
    encoder: str = ""
    """Weights that every encoder starts from: DINOv2's (a file, or a folder of the hub), a checkpoint of this pipeline,
    or ``pretrain``; empty starts from random ones."""
    interpolation: str = "area"
    """How images shrink to the network's size, in training and in the exported spec: area, cubic (Depth Anything's) or
    cubic_or_area."""
    data: dict[str, SourceConfig] = field(default_factory=dict)
    """Sources by name, for the stages' lists to refer to."""
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    pretrain: PretrainConfig | None = None
    teacher: TeacherConfig | None = None
    pseudo_label: PseudoLabelConfig | None = None
    student: StudentConfig | None = None
    metric: MetricConfig | None = None
    evaluate: EvaluateConfig | None = None
    export: ExportConfig | None = None

    def __post_init__(self) -> None:
        if not any(getattr(self, stage) for stage in STAGES):
            raise ConfigError(f"no stage: at least one of {', '.join(STAGES)} is needed")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}: a whole number from 0 is accepted")
        self.network_config()
        for stage in self.stages():
            section = getattr(self, stage)
            if isinstance(section, (FitConfig, EvaluateConfig)):
                section.check_references(tuple(self.data), stage)

    def stages(self) -> tuple[str, ...]:
        """The stages that this recipe has, in order."""
        return tuple(stage for stage in STAGES if getattr(self, stage) is not None)

    def section(self, stage: str) -> Any:
        """The configuration of ``stage``; ``ConfigError`` where the recipe has none."""
        section = getattr(self, stage)
        if section is None:
            raise ConfigError(f"recipe {self.name}: no section {stage}; it has {', '.join(self.stages())}")
        return section

    def network_config(self, **changes: Any) -> NetworkConfig:
        """The network with ``changes`` (head, max_depth_m, ...) put in."""
        # Late, because it loads torch: a mistyped key is told at once.
        from depth_anything_ros.networks import NetworkConfig
        from depth_anything_ros.networks.known import sized_config

        values = {**self.network, **changes}
        size = values.pop("size", None)
        return sized_config(size, **values) if size else NetworkConfig.from_dict(values)

    def sources(self, names: Sequence[str | SourceConfig]) -> tuple[SourceConfig, ...]:
        """The entries of a stage's list, names looked up in ``data``."""
        return tuple(self.data[item] if isinstance(item, str) else item for item in names)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe; ``overrides`` are ``key=value`` or ``key.sub=value`` with YAML values. Raises ``ConfigError``."""
    return recipe_from_dict(read_tree(path, overrides), str(path))


def recipe_from_dict(tree: dict[str, Any], place: str) -> Recipe:
    """The recipe of a mapping; ``place`` is named in errors. A stage that stands there without values is there."""
    values = {key: {} if value is None and key in STAGES else value for key, value in tree.items()}
    recipe: Recipe = build(Recipe, values, place)
    return recipe


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain JSON types; ``recipe_from_dict`` takes them back."""
    return {key: value for key, value in to_plain(recipe).items() if not (key in STAGES and value is None)}
