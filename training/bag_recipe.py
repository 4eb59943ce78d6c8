"""The recipe of a fine-tune from recordings: what is trained on which part of them, from which checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from depth_anything_ros.engine import resolve_artifact
from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.fingerprint import MAX_HAMMING_BITS
from depth_anything_ros.networks import NetworkConfig
from depth_anything_ros.spec import ResizeRule, load_spec, spec_path_of

from .bag_split import TimeSplit
from .checkpoint import read_meta
from .predictor import CHECKPOINT_SUFFIX, checkpoint_rule
from .sources.bag import MIN_SHARPNESS, BagFrames
from .sources.bag_frames import BagOptions

TRAINING_CHOICE: dict[str, Any] = {"min_sharpness": MIN_SHARPNESS, "max_same_bits": MAX_HAMMING_BITS}
"""Frames that are trained on or chosen by; those that are tested on are taken as they come."""
STEPS = 400
RATE_SHARE = 0.3
"""Learning rate relative to that of the training which made the start: to move on, not to begin again."""
KEPT_KEYS = ("batch_size", "encoder_rate", "weight_decay", "clip_norm")
"""Of that training's section, as they are."""
SUPERVISED = {"min_crop": 0.65, "max_turn_deg": 5.0, "max_roll_deg": 4.0, "jitter": 0.45, "hue": 0.07, "grey": 0.15}
PERTURBED = {**SUPERVISED, "jitter": 0.6, "hue": 0.1, "grey": 0.2, "blur": 0.5, "noise": 0.5}
"""Against a teacher's labels the student sees stronger changes than the teacher, who sees none."""


@dataclass(frozen=True)
class Start:
    """The checkpoint that is fine-tuned."""

    path: Path
    meta: dict[str, Any]
    network: NetworkConfig
    resize: ResizeRule

    @property
    def is_metric(self) -> bool:
        """Whether it gives metres."""
        return self.network.head != "relu"


@dataclass(frozen=True)
class Recording:
    """One bag, its frames, and how they are split."""

    name: str
    path: Path
    frames: BagFrames
    has_truth: bool
    split: TimeSplit


def open_start(path: Path) -> Start:
    """Raises ConfigError for anything but a checkpoint of this pipeline."""
    if path.suffix != CHECKPOINT_SUFFIX:
        exported = path.suffix == ".onnx" or str(path) == "starter"
        what = "an exported network holds no weights that can be trained" if exported else "not a checkpoint"
        raise ConfigError(f"--start {path}: {what}; a checkpoint (.safetensors) that training wrote is accepted")
    meta = read_meta(path)
    return Start(path, meta, NetworkConfig.from_dict(meta["network"]), checkpoint_rule(meta, path))


def source_of(
    recording: Recording, part: str, options: BagOptions, *, cache: Path, labels: Path | None
) -> dict[str, Any]:
    """A recipe's source: one part of a recording. Training and validation take sharp, new frames; test takes all.

    Raises SourceError where the part holds none.
    """
    if part == "test":
        choice: dict[str, Any] = {"min_sharpness": 0.0, "max_same_bits": -1}
        chosen = _labelled(recording, labels).chosen(**choice, need_depth=True)
    else:
        choice, chosen = TRAINING_CHOICE, frames_for_training(recording, labels)
    first, last = recording.split.part([entry.fields["stamp_ns"] for entry in chosen.entries], part)
    if last < first:
        gone = ", ".join(f"{number} {cause}" for cause, number in chosen.left_out.items())
        raise SourceError(
            f"{recording.path}: no frame for {part}: of the whole recording {gone or 'none'} are left out"
        )
    default = asdict(BagOptions())
    given = {key: value for key, value in asdict(options).items() if value != default[key]}
    return {
        "kind": "bag", "path": str(recording.path), "first": first, "last": last, "cache": str(cache),
        **choice, **given, **({} if labels is None else {"labels": str(labels)}),
    }  # fmt: skip


def frames_for_training(recording: Recording, labels: Path | None, before_ns: int | None = None) -> BagFrames:
    """Sharp, new frames with depth, ``labels`` in the place of the recording's own where there are any."""
    frames = _labelled(recording, labels)
    if before_ns is not None:
        early = tuple(entry for entry in frames.entries if entry.fields["stamp_ns"] < before_ns)
        frames = dataclasses.replace(frames, entries=early)
    return frames.chosen(**TRAINING_CHOICE, need_depth=True)


def _labelled(recording: Recording, labels: Path | None) -> BagFrames:
    return recording.frames if labels is None else recording.frames.labelled(labels)


def network_tree(network: NetworkConfig) -> dict[str, Any]:
    """A network as a recipe names it: without its head."""
    return {key: value for key, value in network.to_dict().items() if key not in ("head", "max_depth_m")}


def part_names(recordings: Sequence[Recording], part: str) -> list[str]:
    """Names of the sources of one part in ``data``."""
    return [f"{recording.name} {part}" for recording in recordings]


def recipe_tree(
    start: Start,
    recordings: Sequence[Recording],
    sources: dict[str, dict[str, Any]],
    *,
    out: Path,
    teacher: str,
) -> dict[str, Any]:
    """The recipe as a mapping: stages metric, evaluate and export on ``sources``, named by ``part_names``.

    ``teacher`` is that of the labels, "" where truth is trained on.
    """
    section = start.meta["recipe"][start.meta["stage"]]
    camera = recordings[0].frames.entries[0].camera
    head = start.network.head if start.is_metric else "log_depth"
    names = [recording.name for recording in recordings]
    return {
        "name": f"{start.meta['recipe']['name']}_on_{'_'.join(names)}",
        "description": f"{start.meta['recipe']['name']}, fine-tuned on {', '.join(names)}",
        "out": str(out),
        "network": network_tree(start.network),
        "interpolation": start.resize.interpolation,
        "data": sources,
        "metric": {
            "init": str(start.path), "head": head, "head_max_depth_m": start.network.max_depth_m,
            "sources": part_names(recordings, "train"), "validation": part_names(recordings, "validation"),
            "augment": PERTURBED if teacher else SUPERVISED,
            "steps": STEPS, "short_sides": [start.resize.side], "aspects": [round(camera.width / camera.height, 4)],
            "learning_rate": RATE_SHARE * section["learning_rate"], "schedule": "cosine", "warmup_steps": 20,
            "ema_decay": 0.98, "checkpoint_every": 50, **{key: section[key] for key in KEPT_KEYS},
        },
        "evaluate": {"model": "metric", "sources": part_names(recordings, "test")},
        "export": {"model": "metric", **inherited_licence(start, teacher)},
    }  # fmt: skip


def inherited_licence(start: Start, teacher: str) -> dict[str, str]:
    """Terms of the start and of a teacher that hold for what learns from them, as keys of the stage export; none where
    both are permissive.
    """
    if teacher and Path(teacher).suffix != CHECKPOINT_SUFFIX:
        licence = load_spec(spec_path_of(resolve_artifact(teacher))).licence
        if licence.category != "permissive":
            return {"licence": licence.id, "licence_category": licence.category}
    export = start.meta["recipe"].get("export") or {}
    return {key: export[key] for key in ("licence", "licence_category") if key in export}
