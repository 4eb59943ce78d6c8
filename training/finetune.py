"""The flow of ``finetune-from-bag``: unpack, split, label where needed, train, measure, export, report."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.fingerprint import TrainedFrames
from depth_anything_ros.preprocess import network_size

from .bag_labels import INDEX, write_labels
from .bag_recipe import (
    Recording,
    describe_start,
    frames_for_training,
    network_tree,
    open_start,
    part_names,
    recipe_tree,
    source_of,
)
from .bag_split import split_by_time
from .config import STAGES, Recipe, load_recipe, recipe_from_dict, recipe_to_dict
from .config_tree import put_in
from .evaluate import answer_of
from .finetune_report import Outcome, write_outcome
from .metric_labels import Labeller, label_with_calibration, label_with_start, label_with_teacher
from .predictor import Predictor, open_predictor
from .run_dir import atomic_path, os_errors
from .sources import open_source
from .sources.bag import BagFrames, open_frames
from .sources.bag_frames import BagOptions, bag_name, count_images
from .stages import run_stage
from .start_weights import StartWeights

RECIPE = "recipe.yaml"
PARTS = ("train", "validation", "test")
OWN_STAGES = ("metric", "evaluate", "export")
MAX_FRAMES = 3000
"""Of a longer recording every Nth image is taken, unless it is said which."""


def finetune(options: argparse.Namespace) -> str:
    """Do it all with the command's options (``finetune_from_bag``); returns what a user should read at once.

    Raises ConfigError for options that do not fit together, SourceError for recordings that hold too little, and what
    the stages raise.
    """
    out: Path = options.out
    start = open_start(options.start)
    bag_options = BagOptions(
        image_topic=options.image_topic, camera_info_topic=options.camera_info_topic, depth_topic=options.depth_topic,
        cloud_topic=options.cloud_topic, cloud_pose=tuple(options.cloud_pose), camera_info=options.camera_info,
        rectified=options.rectified, hfov_deg=options.hfov, every=1 if options.every is None else options.every,
    )  # fmt: skip
    _check(options, start)
    print(describe_start(start))
    cache = (out / "frames").absolute()
    if options.every is None:
        bag_options = dataclasses.replace(bag_options, every=_spread(options.bags, bag_options))
    recordings = [_recording(path, open_frames(path, bag_options, cache), options) for path in options.bags]
    for number, recording in enumerate(recordings):
        if any(other.name == recording.name for other in recordings[:number]):
            raise ConfigError(f"{recording.path}: two recordings have the name {recording.name}; rename one of them")
        print(recording.frames.describe())
    labels, labels_note, teacher_seen = None, "", 0
    if options.teacher:
        labels, labels_note, teacher_seen = _label(options, start, recordings)
    sources = {
        name: source_of(
            recording,
            part,
            bag_options,
            cache=cache,
            labels=None if part == "test" and recording.has_truth else labels,
        )
        for part in PARTS
        for recording, name in zip(recordings, part_names(recordings, part), strict=True)
    }
    tree = recipe_tree(start, recordings, sources, out=out, teacher=options.teacher)
    recipe = _write_recipe(out / RECIPE, tree, _of_stages(options.overrides, *OWN_STAGES))
    before = _before(recipe, start)
    run_stage(before, "evaluate")
    run_stage(recipe, "metric")
    run_stage(recipe, "evaluate")
    engine = run_stage(recipe, "export")
    outcome = Outcome(
        start=start.name,
        recordings=[recording.frames.describe() for recording in recordings],
        numbers={name: item["last"] - item["first"] + 1 for name, item in sources.items()},
        left_out=_left_out(recordings, labels),
        trained_on=labels_note or "; ".join(dict.fromkeys(recording.frames.truth for recording in recordings)),
        labelled=labels is not None,
        teacher_seen=teacher_seen,
        has_truth=all(recording.has_truth for recording in recordings),
        assumed_hfov_deg=options.hfov if any(_is_assumed(recording.frames) for recording in recordings) else 0.0,
        engine=engine.absolute(),
        image_topic=recordings[0].frames.image_topic,
        bag=recordings[0].path,
    )
    return write_outcome(out, before, recipe, outcome)


def _check(options: argparse.Namespace, start: StartWeights) -> None:
    if not options.teacher and (options.scale_file or options.scale != "start"):
        given = "--scale-file" if options.scale_file else f"--scale {options.scale}"
        raise ConfigError(f"{given} is of a teacher's labels; accepted: with --teacher MODEL")
    if options.scale_file and options.scale != "start":
        raise ConfigError(f"--scale {options.scale} and --scale-file {options.scale_file}: one of them is accepted")
    stages = ("pseudo_label", *OWN_STAGES) if options.teacher else OWN_STAGES
    for override in options.overrides:
        stage = override.partition(".")[0]
        if stage in STAGES and stage not in stages:
            raise ConfigError(f"{override}: this fine-tune has no stage {stage}; accepted: {', '.join(stages)}")
    if options.teacher and not start.is_metric and options.scale == "start" and not options.scale_file:
        raise ConfigError(
            f"--start {start.name} has no metres to keep; --scale-file FILE, or --scale teacher with a teacher in"
            " metres, is accepted"
        )
    _check_overrides(options, start, stages)
    if options.teacher:
        with open_predictor(options.teacher):
            pass


def _check_overrides(options: argparse.Namespace, start: StartWeights, stages: Sequence[str]) -> None:
    """A mistyped key is told before the recordings are unpacked."""
    data = {f"{bag_name(bag)} {part}": {"kind": "bag", "path": str(bag)} for bag in options.bags for part in PARTS}
    tree: dict[str, Any] = {
        "name": "fine_tune", "out": str(options.out), "network": network_tree(start.config), "data": data,
        **{stage: {} for stage in stages}, "evaluate": {"sources": list(data)},
    }  # fmt: skip
    put_in(tree, options.overrides)
    recipe_from_dict(tree, "finetune-from-bag")


def _spread(bags: Sequence[Path], options: BagOptions) -> int:
    """Every how manyth image to take, so that no recording gives more than MAX_FRAMES."""
    return max([1, *(math.ceil(count_images(path, options) / MAX_FRAMES) for path in bags)])


def _recording(path: Path, frames: BagFrames, options: argparse.Namespace) -> Recording:
    has_truth = any(entry.fields["depth"] for entry in frames.entries)
    if not has_truth and not options.teacher:
        raise SourceError(
            f"{path}: no depth images of its camera and no LiDAR ({'; '.join(frames.notes) or 'none is recorded'});"
            " with images alone --teacher MODEL is needed, which labels them"
        )
    stamps = [entry.fields["stamp_ns"] for entry in frames.entries if entry.fields["depth"] or not has_truth]
    return Recording(bag_name(path), path, frames, has_truth, split_by_time(stamps, str(path)))


def _label(options: argparse.Namespace, start: StartWeights, recordings: Sequence[Recording]) -> tuple[Path, str, int]:
    """Labels of all frames but, where there is truth, those of the test part; in words what they are; and how many of
    the frames the teacher was trained on.
    """
    entries = {}
    for recording in recordings:
        for entry in recording.frames.entries:
            if not recording.has_truth or entry.fields["stamp_ns"] < recording.split.validation_end_ns:
                entries[str((entry.root / entry.fields["rgb"]).resolve())] = entry
    text = "".join(f"{name}\n" for name in entries)
    # The stage keeps its list of images: another list is another run.
    images = options.out / f"images_{hashlib.sha256(text.encode()).hexdigest()[:16]}.txt"
    _write_text(images, text)
    with open_predictor(options.teacher) as teacher, open_predictor(start.name) as own:
        camera = next(iter(entries.values())).camera
        tree = {
            "name": "labels", "out": str(options.out), "network": network_tree(start.config),
            "interpolation": teacher.resize.interpolation,
            "pseudo_label": {
                "images": [str(images)], "teacher": options.teacher,
                "short_side": min(network_size(camera.width, camera.height, teacher.resize)),
            },
        }  # fmt: skip
        recipe = _write_recipe(options.out / "labels.yaml", tree, _of_stages(options.overrides, "pseudo_label"))
        shards = open_source("pseudo", str(run_stage(recipe, "pseudo_label")), {})
        labeller, scale_note = _labeller(options, teacher, own)
        note = f"labels of {options.teacher}, {scale_note}"
        calibration = options.scale_file.read_bytes().hex() if options.scale_file else ""
        made_of = [teacher.sha256, own.sha256, note, calibration, *entries]
        key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
        folder = (options.out / "labels" / key).absolute()
        if not (folder / INDEX).is_file():
            write_labels(folder, shards, entries, labeller, note)
        trained = TrainedFrames(teacher.trained_frames)
        seen = sum(trained.contains(entry.read_rgb()) for entry in entries.values()) if len(trained) else 0
    return folder / INDEX, note, seen


def _labeller(options: argparse.Namespace, teacher: Predictor, own: Predictor) -> tuple[Labeller, str]:
    if options.scale_file:
        return label_with_calibration(options.scale_file, teacher), f"metres by {options.scale_file}"
    if options.scale == "teacher":
        return label_with_teacher(teacher), "its own metres"
    return label_with_start(answer_of(own), teacher), f"metres as {own.name} has them"


def _write_recipe(path: Path, tree: dict[str, Any], overrides: Sequence[str]) -> Recipe:
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)
    _write_text(path, f"# Written by python -m training finetune-from-bag.\n{text}")
    return load_recipe(path, overrides)


def _of_stages(overrides: Sequence[str], *stages: str) -> list[str]:
    """Those that are not of another stage."""
    others = [f"{stage}." for stage in STAGES if stage not in stages]
    return [override for override in overrides if not override.startswith(tuple(others))]


def _before(recipe: Recipe, start: StartWeights) -> Recipe:
    """The recipe's evaluation, of the start."""
    tree = recipe_to_dict(recipe)
    kept = {key: value for key, value in tree.items() if key not in ("metric", "export")}
    return recipe_from_dict(
        {**kept, "out": str(Path(recipe.out) / "before"), "evaluate": {**tree["evaluate"], "model": start.name}},
        "finetune-from-bag",
    )


def _left_out(recordings: Sequence[Recording], labels: Path | None) -> dict[str, int]:
    """Why frames before the test part are not trained on."""
    counts: Counter[str] = Counter()
    for recording in recordings:
        counts.update(frames_for_training(recording, labels, before_ns=recording.split.validation_end_ns).left_out)
    return dict(counts)


def _is_assumed(frames: BagFrames) -> bool:
    return frames.camera_note.startswith("none")


def _write_text(path: Path, text: str) -> None:
    with os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
