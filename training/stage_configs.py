"""The section of each stage in a recipe, with the papers' values as defaults where the papers state them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

from depth_anything_ros.errors import ConfigError

from .augment import AugmentConfig
from .config_tree import build, nearest
from .fit_config import FitConfig, Source, over, parse_sources
from .perturb import PerturbConfig
from .scores import Protocol


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(FitConfig):
    """Stage 0 where DINOv2's weights cannot be had: the encoder learns from images alone, by masked patches."""

    mask_share: float = 0.6
    """Share of the patches that are hidden and predicted."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.mask_share < 1:
            raise ConfigError(f"mask_share {self.mask_share}: a number between 0 and 1 is accepted")


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(FitConfig):
    """Encoder and decoder on labelled data in disparity space. The defaults are Depth Anything V1's; V2's differ in
    ``gradient_weight: 2`` and in their sources, synthetic ones only.
    """

    gradient_weight: float = 0.0
    """Weight of gradient matching beside the affine-invariant loss: 0 in V1, 2 in V2."""
    init: str = ""
    """Checkpoint (file or stage) to go on from, decoder included; empty starts from ``encoder`` alone."""


@dataclass(frozen=True, kw_only=True)
class PseudoLabelConfig:
    """The teacher over images without labels."""

    images: tuple[str, ...] = ()
    """Folders, lists of images (.txt), WebDataset shards (.tar, braces allowed), bags, videos."""
    frame_every: int = 1
    """Of recordings and videos every this many frames: neighbours look alike."""
    teacher: str = "teacher"
    """A checkpoint, an exported .onnx or a fetched network's name (on a GPU where it has torch weights), or the stage's
    name."""
    short_side: int = 518
    """Short side [px] of the teacher's input and of what is stored, both multiples of 14."""
    shard_images: int = 1000
    """Images of one output shard: the unit of work and of resuming."""
    batch_size: int = 8
    workers: int = 0
    """Actors, one per device; 0 takes the number of GPUs, or 1. One works without Ray."""

    def __post_init__(self) -> None:
        if self.short_side < 28 or self.short_side % 14:
            raise ConfigError(f"short_side {self.short_side}: a multiple of 14 from 28 is accepted")
        for name, low in (("frame_every", 1), ("shard_images", 1), ("batch_size", 1), ("workers", 0)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} {getattr(self, name)}: a whole number from {low} is accepted")


@dataclass(frozen=True, kw_only=True)
class StudentConfig(FitConfig):
    """A student on pseudo-labels, re-initialised from ``encoder``. ``sources`` are the labelled ones: V1 mixes them
    1 : 2 with the pseudo-labelled ones; V2 has none (an empty list).
    """

    PARSERS: ClassVar[dict[str, Any]] = {**FitConfig.PARSERS, "pseudo": parse_sources}
    pseudo: tuple[Source, ...] = ()
    """Pseudo-labelled sources; empty takes the shards of this run's stage pseudo_label."""
    unlabelled_per_labelled: int = 2
    perturb: PerturbConfig = field(default_factory=PerturbConfig)
    """What the student sees in place of the clean image that the teacher saw."""
    feature_weight: float = 1.0
    """Weight of the feature alignment to the frozen encoder; 0 switches it off."""
    feature_margin: float = 0.85
    """Pixels whose cosine is above it do not count."""
    feature_encoder: str = ""
    """Weights of the frozen encoder; empty takes the recipe's ``encoder``, ``random`` a random one (an ablation)."""
    ignore_share: float = 0.1
    """Share of each pseudo-labelled sample's pixels, those of the largest loss, that is left out (V2)."""
    gradient_weight: float = 0.0
    """Weight of gradient matching on the pseudo-labels (V2, see docs/TRAINING.md)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unlabelled_per_labelled < 1:
            raise ConfigError(f"unlabelled_per_labelled {self.unlabelled_per_labelled}: a number from 1 is accepted")
        if not -1 <= self.feature_margin <= 1:
            raise ConfigError(f"feature_margin {self.feature_margin}: a cosine, from -1 to 1, is accepted")
        for name in ("feature_weight", "gradient_weight"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} {getattr(self, name)}: a number from 0 is accepted")
        if not 0 <= self.ignore_share < 1:
            raise ConfigError(f"ignore_share {self.ignore_share}: a number from 0 to below 1 is accepted")


@dataclass(frozen=True, kw_only=True)
class MetricConfig(FitConfig):
    """Fine-tune to metres."""

    PARSERS: ClassVar[dict[str, Any]] = {**FitConfig.PARSERS, "augment": over(AugmentConfig())}
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Virtual cameras at the same place, turned and zoomed, so that the network learns what a focal length does."""
    init: str = ""
    """Checkpoint (file or stage) to start from; empty starts from ``encoder``."""
    init_parts: str = "all"
    """all (encoder, decoder and what the heads share) or encoder (V2's trainer: the decoder starts from random)."""
    head: str = "log_depth"
    """log_depth or exp (metres at the canonical focal length, with a sky output) or sigmoid (V2's)."""
    head_max_depth_m: float = 0.0
    """Range of a sigmoid head [m]: 20 indoors, 80 outdoors in V2."""
    variance_focus: float = 1.0
    """Share of the scale error that SILog leaves out; 0.5 in V2."""
    scale_weight: float = 0.5
    """Weight of the scale error on its own; see ``losses.scale_loss``."""
    gradient_weight: float = 0.25
    """Weight of gradient matching of log depth; see ``losses.gradient_matching_loss``."""
    sky_weight: float = 0.2
    min_depth_m: float = 0.1
    max_depth_m: float = 100.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head not in ("log_depth", "exp", "sigmoid"):
            raise ConfigError(f"head {self.head!r}: log_depth, exp or sigmoid is accepted")
        if self.init_parts not in ("all", "encoder"):
            raise ConfigError(f"init_parts {self.init_parts!r}: all or encoder is accepted")
        if (self.head == "sigmoid") != (self.head_max_depth_m > 0):
            accepted = "a positive number of metres" if self.head == "sigmoid" else "0"
            raise ConfigError(f"head_max_depth_m {self.head_max_depth_m}: {accepted} is accepted with head {self.head}")
        if not 0 < self.min_depth_m < self.max_depth_m:
            raise ConfigError(f"min_depth_m {self.min_depth_m}: a number between 0 and max_depth_m is accepted")
        if self.head == "sigmoid" and self.augment.min_crop < 1:
            raise ConfigError(
                f"augment.min_crop {self.augment.min_crop}: 1 is accepted with head sigmoid, which learns the metres "
                "of one focal length"
            )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """The core's metrics on labelled samples, with tables and pictures."""

    PARSERS: ClassVar[dict[str, Any]] = {"sources": parse_sources}
    model: str = "metric"
    """A stage of this run, a checkpoint, an exported .onnx, or the name of a fetched network."""
    sources: tuple[Source, ...] = ()
    min_depth_m: float = 0.1
    max_depth_m: float = 100.0
    """True depths between the two are compared [m]."""
    clip: bool = False
    """Bring metres into the limits before they are compared, as published evaluators do."""
    by_source: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Other values of the three above, by name of the source."""
    ranges_m: tuple[float, ...] = (0.0, 2.0, 5.0, 10.0, 20.0, 80.0)
    """Edges of the bins by true depth."""
    space: str = "depth"
    """Where disparity without a unit is compared, once it is aligned: depth or disparity."""
    pictures: int = 1
    """Pictures of each of the best, the median and the worst frames."""

    def __post_init__(self) -> None:
        for name in ("", *self.by_source):
            self.protocol(name)
        if self.space not in ("depth", "disparity"):
            raise ConfigError(f"space {self.space!r}: depth or disparity is accepted")
        if self.pictures < 0:
            raise ConfigError(f"pictures {self.pictures}: a whole number from 0 is accepted")
        if any(near < 0 or near >= far for near, far in pairwise(self.ranges_m)):
            raise ConfigError(f"ranges_m {list(self.ranges_m)}: ascending metres from 0 are accepted")

    def protocol(self, source: str) -> Protocol:
        """How the frames of a source are compared."""
        own = {name: getattr(self, name) for name in ("min_depth_m", "max_depth_m", "clip")}
        changes = self.by_source.get(source)
        return build(Protocol, {**own, **changes}, f"by_source.{source}") if changes else Protocol(**own)

    def check_references(self, names: Sequence[str], stage: str) -> None:
        """``ConfigError`` where there is nothing to evaluate, or a source is named that ``data`` does not hold."""
        if not self.sources:
            raise ConfigError(f"{stage}.sources: one or more labelled sources are accepted, not none")
        for key, entries in (("sources", self.sources), ("by_source", tuple(self.by_source))):
            for entry in entries:
                if isinstance(entry, str) and entry not in names:
                    raise ConfigError(f"{stage}.{key}: no source {entry!r} in data; {nearest(entry, names)}")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A checkpoint to ONNX, EngineSpec and golden sample."""

    model: str = "metric"
    """A stage of this run, or a checkpoint."""
    torch_weights: bool = False
    """Also write the weights for the torch engine."""
    licence: str = "Apache-2.0"
    """SPDX identifier of the weights' licence."""
    licence_category: str = "permissive"
    """permissive, non-commercial or unclear."""
    licence_source: str = ""
    """Where the licence is stated; empty names the recipe."""
