"""The recipe of a fine-tune from recordings: what is trained on which part of them, from which weights."""

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
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.spec import load_spec, spec_path_of

from .bag_split import TimeSplit
from .sources.bag import MIN_SHARPNESS, BagFrames
from .sources.bag_frames import BagOptions
from .stage_configs import ExportConfig
from .start_weights import StartWeights, is_weights, open_weights

TRAINING_CHOICE: dict[str, Any] = {"min_sharpness": MIN_SHARPNESS, "max_same_bits": MAX_HAMMING_BITS}
"""Frames that are trained on or chosen by; those that are tested on are taken as they come."""
STEPS = 400
RATE_SHARE = 0.3
"""Learning rate relative to that of the training which made the start: to move on, not to begin again."""
KEPT_KEYS = ("batch_size", "encoder_rate", "weight_decay", "clip_norm")
"""Of that training's section, as they are."""
LEARNING = {"learning_rate": 5e-5, "encoder_rate": 0.1, "batch_size": 8, "weight_decay": 0.01, "clip_norm": 1.0}
"""Such a section for a network with an encoder of DINOv2 that brings none: the rates of Depth Anything V1 and V2."""
HYBRID_LEARNING = {"learning_rate": 3e-4, "encoder_rate": 1.0, "batch_size": 16, "weight_decay": 0.05, "clip_norm": 1.0}
"""For one with convolutional first stages, as the starter, whose own training had these (recipes/starter.yaml)."""
NEW_HEAD = "log_depth"
NEW_HEAD_RATE = 3e-4
"""Smallest learning rate beside the encoder's where the last convolutions begin from random."""
SUPERVISED = {"min_crop": 0.65, "max_turn_deg": 5.0, "max_roll_deg": 4.0, "jitter": 0.45, "hue": 0.07, "grey": 0.15}
PERTURBED = {**SUPERVISED, "jitter": 0.6, "hue": 0.1, "grey": 0.2, "blur": 0.5, "noise": 0.5}
"""Against a teacher's labels the student sees stronger changes than the teacher, who sees none."""


@dataclass(frozen=True)
class Recording:
    """One bag, its frames, and how they are split."""

    name: str
    path: Path
    frames: BagFrames
    has_truth: bool
    split: TimeSplit


def open_start(name: str | Path) -> StartWeights:
    """The weights that are fine-tuned. Raises as ``open_weights``, and ConfigError where there is no decoder yet or
    nothing says at which size the network is used.
    """
    start = open_weights(name)
    if start.meta.get("stage") == "pretrain":
        raise ConfigError(f"--start {name}: an encoder alone; accepted: a depth network, whose encoder a recipe names")
    start.resize  # noqa: B018
    return start


def describe_start(start: StartWeights) -> str:
    """What is gone on from and what becomes of its output, in one line."""
    terms = "" if start.licence.category == "permissive" else f"; its terms, {start.licence.id}, hold for the result"
    had = "metres of the camera that it was trained with" if start.is_metric else f"{start.quantity} without a unit"
    if start.keeps_head and start.is_metric:
        what = f"its metres at a focal length of {start.config.canonical_focal_px:g} px are refined"
    elif start.keeps_head:
        what = f"it gives {had}; its head learns metres at a canonical focal length, for any camera"
    else:
        what = f"it gives {had}; a new head ({NEW_HEAD}) learns metres at a canonical focal length, for any camera"
    return f"start: {start.title} from {start.name}: {what}{terms}"


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
    start: StartWeights,
    recordings: Sequence[Recording],
    sources: dict[str, dict[str, Any]],
    *,
    out: Path,
    teacher: str,
) -> dict[str, Any]:
    """The recipe as a mapping: stages metric, evaluate and export on ``sources``, named by ``part_names``.

    ``teacher`` is that of the labels, "" where truth is trained on.
    """
    camera = recordings[0].frames.entries[0].camera
    side = min(network_size(camera.width, camera.height, start.resize))
    names = [recording.name for recording in recordings]
    return {
        "name": f"{start.title}_on_{'_'.join(names)}",
        "description": f"{start.title}, fine-tuned on {', '.join(names)}",
        "out": str(out),
        "network": network_tree(start.config),
        "interpolation": start.resize.interpolation,
        "data": sources,
        "metric": {
            "init": start.name, "head": start.config.head if start.keeps_head else NEW_HEAD,
            "sources": part_names(recordings, "train"), "validation": part_names(recordings, "validation"),
            "augment": PERTURBED if teacher else SUPERVISED,
            "steps": STEPS, "short_sides": [side], "aspects": [round(camera.width / camera.height, 4)],
            "schedule": "cosine", "warmup_steps": 20, "ema_decay": 0.98, "checkpoint_every": 50, **learning_of(start),
        },
        "evaluate": {"model": "metric", "sources": part_names(recordings, "test")},
        "export": {"model": "metric", **inherited_licence(start, teacher)},
    }  # fmt: skip


def learning_of(start: StartWeights) -> dict[str, Any]:
    """How fast to go on: as the training that made the start, but slower. Where the last convolutions begin from random
    they learn at ``NEW_HEAD_RATE``; the encoder's own rate is the same either way.
    """
    brought = (start.meta.get("recipe") or {}).get(start.meta.get("stage"))
    section = brought or (HYBRID_LEARNING if start.config.stem_channels else LEARNING)
    kept = {key: section[key] for key in KEPT_KEYS}
    rate = RATE_SHARE * section["learning_rate"]
    if start.keeps_head or rate >= NEW_HEAD_RATE:
        return {"learning_rate": rate, **kept}
    return {**kept, "learning_rate": NEW_HEAD_RATE, "encoder_rate": kept["encoder_rate"] * rate / NEW_HEAD_RATE}


def inherited_licence(start: StartWeights, teacher: str) -> dict[str, str]:
    """Terms of the start and of a teacher that hold for what learns from them, as keys of the stage export; none for
    the default terms.
    """
    terms = [start.licence]
    if teacher and is_weights(teacher):
        terms.insert(0, open_weights(teacher).licence)
    elif teacher:
        terms.insert(0, load_spec(spec_path_of(resolve_artifact(teacher))).licence)
    bound = next((licence for licence in terms if licence.category != "permissive"), start.licence)
    if bound.id == ExportConfig.licence:
        return {}
    return {"licence": bound.id, "licence_category": bound.category, "licence_source": bound.source}
