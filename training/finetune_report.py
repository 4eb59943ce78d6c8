"""What a fine-tune from recordings leaves to read: figures, what they rest on, how to start the node."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from depth_anything_ros.bag.streams import base_name

from .config import Recipe
from .evaluation_report import FIGURES
from .run_dir import atomic_path
from .scores import ALIGNMENTS
from .stages import stage_folder

FORMAT_VERSION = 1
TABLE, JSON = "report.md", "report.json"
COLUMNS = ("abs_rel", "rmse", "delta1", "silog", "coverage")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was done, beside the figures."""

    start: str
    recordings: list[str]
    """A line for each."""
    numbers: dict[str, int]
    """Frames by part."""
    left_out: dict[str, int]
    """Frames that were not trained on, by cause."""
    trained_on: str
    labelled: bool
    """A teacher's labels were trained on, not truth."""
    teacher_seen: int
    """Frames among those with labels that the teacher itself was trained on."""
    has_truth: bool
    """The part that is measured has truth; else it is compared with the teacher's labels."""
    assumed_hfov_deg: float
    """Field of view that was given for want of a calibration [deg]; 0 where there is one."""
    engine: Path
    image_topic: str
    bag: Path


def write_outcome(out: Path, before: Recipe, after: Recipe, outcome: Outcome) -> str:
    """Write ``report.md`` and ``report.json``; returns what a user should read at once. Raises OutputError."""
    figures = {name: _figures(recipe) for name, recipe in (("before", before), ("after", after))}
    lines = [*_basis(outcome, figures), "", *_table(figures), "", _verdict(figures, outcome), "", *commands(outcome)]
    pictures = [
        f"![{name} {picture.stem}]({picture.relative_to(out)})"
        for name, recipe in (("before", before), ("after", after))
        for picture in sorted(stage_folder(recipe, "evaluate").glob("*.png"))
    ]
    whole = [f"# {after.description}", "", *lines, "", *pictures, ""]
    tree = {"format_version": FORMAT_VERSION, **asdict(outcome), **figures, "commands": commands(outcome)}
    for path, text in ((out / TABLE, "\n".join(whole)), (out / JSON, json.dumps(tree, indent=1, default=str) + "\n")):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return "\n".join([*lines, "", f"report: {out / TABLE}"])


def commands(outcome: Outcome) -> list[str]:
    """Start the node with the network, and run a recording through it."""
    engine, topic = shlex.quote(str(outcome.engine)), base_name(outcome.image_topic)
    transport = " image_transport:=compressed" if topic != outcome.image_topic else ""
    return [
        f"    ros2 launch depth_anything_ros depth.launch.py model:={engine} image_topic:={topic}{transport}",
        f"    depth_anything_ros run {shlex.quote(str(outcome.bag))} --model {engine} --out depth",
    ]


def _figures(recipe: Recipe) -> dict[str, Any]:
    tree = json.loads((stage_folder(recipe, "evaluate") / FIGURES).read_text(encoding="utf-8"))
    # The last group is all of them, where there are several.
    group: dict[str, Any] = tree["groups"][-1]
    return group


def _basis(outcome: Outcome, figures: dict[str, Any]) -> list[str]:
    left_out = ", ".join(f"{number} {cause}" for cause, number in outcome.left_out.items())
    lines = [
        f"* Start: {outcome.start}",
        *(f"* Recording: {line}" for line in outcome.recordings),
        f"* Trained on: {outcome.trained_on}",
        f"* Frames: {', '.join(f'{name} {number}' for name, number in outcome.numbers.items())};"
        f" not trained on: {left_out or 'none'}",
    ]
    if outcome.labelled and outcome.has_truth:
        lines.append("* **No truth was seen in training.** The figures are against the depth in the recording.")
    elif outcome.labelled:
        lines.append(
            "* **No truth was seen**, neither in training nor here. The figures are the agreement with the teacher's"
            " labels on frames that were not trained on: they do not say whether the metres are right."
        )
    if outcome.teacher_seen:
        lines.append(f"* The teacher itself was trained on {outcome.teacher_seen} of the frames that it labelled.")
    if outcome.assumed_hfov_deg:
        lines.append(f"* The camera is not calibrated: {outcome.assumed_hfov_deg:g} deg across were given for it.")
    seen = figures["before"]["seen_in_training"]
    if seen:
        lines.append(f"* The start itself was trained on {seen} of the frames that are measured: it looks too good.")
    return lines


def _table(figures: dict[str, Any]) -> list[str]:
    lines = [f"| | alignment | {' | '.join(COLUMNS)} |", "|" + "---|" * (len(COLUMNS) + 2)]
    for name, group in figures.items():
        for alignment in ALIGNMENTS:
            found = group.get(alignment, {})
            cells = ["-" if found.get(column) is None else f"{found[column]:.3f}" for column in COLUMNS]
            lines.append(f"| {name} | {alignment} | {' | '.join(cells)} |")
    return lines


def _verdict(figures: dict[str, Any], outcome: Outcome) -> str:
    both = [name for name in ALIGNMENTS if all(name in group for group in figures.values())]
    parts = []
    for name in both[:2]:
        old, new = (figures[time][name]["abs_rel"] for time in ("before", "after"))
        if old is None or new is None:
            parts.append(f"{name} not to be compared, as a network gave no usable answer")
            continue
        worse = "no better: keep the start" if name == both[0] else "no better in shape"
        parts.append(f"{name} {old:.3f} before, {new:.3f} after, {'better' if new < old else worse}")
    what = "abs_rel" if outcome.has_truth else "Disagreement with the teacher (abs_rel)"
    return f"{what} on the part never seen: {'; '.join(parts)}."
