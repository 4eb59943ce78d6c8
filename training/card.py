"""Command ``card``: the model card's table, an engine on the real frames beside answers that ignore the image."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depth_anything_ros.engine import resolve_artifact
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.spec import load_spec, save_spec, spec_path_of

from .baselines import best_constant, best_ramp, other_images, training_map
from .evaluate import answer_of, output_of, training_focal_px
from .predictor import open_predictor
from .run_dir import atomic_path, os_errors
from .samples import DepthSample
from .scores import Answer, score
from .sources.frames import list_frames

TRAINING = (("hololens_seq", 0, 59), ("apc_realsense", 0, 5))
"""Real frames that may be trained on, by order of the index; the maps are made of them whatever a network used."""
VALIDATION = (("hololens_seq", 50, 59),)
TEST = (("hololens_seq", 60, 79), ("apc_realsense", 6, 11))
LEFT_OUT = ("tum_fr2", "ycb_xtion", "arc2017", "realsense_d435", "middlebury_motorcycle", "pjlab_road")
"""Cameras of which no frame is ever trained on."""
FIGURES = {
    "abs_rel": "abs_rel",
    "median-scaled abs_rel": "median_abs_rel",
    "affine-aligned abs_rel": "affine_abs_rel",
    "rmse [m]": "rmse",
    "delta1": "delta1",
    "silog": "silog",
}
"""Columns of the table, and their names in ``scores.score``."""
Row = tuple[str, str, dict[str, float]]


def tabulate(predict: Answer, index: Path, which: str) -> list[Row]:
    """Rows (frames, answer, figures) of the validation frames, or of the test frames and the left-out cameras."""

    def load(dataset: str, first: int = 0, last: int = -1) -> list[DepthSample]:
        return [entry.sample() for entry in list_frames(index, dataset, first, last)]

    training = [sample for part in TRAINING for sample in load(*part)]
    maps = {"mean map": training_map(training, np.nanmean), "median map": training_map(training, np.nanmedian)}
    groups = {
        f"{name} {first}-{last}": load(name, first, last)
        for name, first, last in (TEST if which == "test" else VALIDATION)
    }
    left_out = {name: load(name) for name in LEFT_OUT} if which == "test" else {}
    rows: list[Row] = []
    for name, samples in {**groups, **left_out}.items():
        rows.append((name, "network", score(predict, samples)))
        donors = [others[0] for other, others in left_out.items() if other != name]
        if name in left_out:
            rows.append((name, "network, another camera's image", other_images(predict, donors)(samples)))
        for label, answer in {**maps, "best constant": best_constant(samples), "best ramp": best_ramp(samples)}.items():
            rows.append((name, label, score(answer, samples)))
    if left_out:
        everything = [sample for samples in left_out.values() for sample in samples]
        one_ramp = best_ramp(everything)
        rows += [(name, "one ramp for all cameras", score(one_ramp, samples)) for name, samples in left_out.items()]
        rows += _means(rows)
    return rows


def _means(rows: Sequence[Row]) -> list[Row]:
    """The mean over the left-out cameras of every answer."""
    answers = list(dict.fromkeys(answer for name, answer, _ in rows if name in LEFT_OUT))
    means = []
    for answer in answers:
        figures = [values for name, label, values in rows if label == answer and name in LEFT_OUT]
        means.append(
            ("mean of left-out cameras", answer, {key: float(np.mean([f[key] for f in figures])) for key in figures[0]})
        )
    return means


def to_markdown(rows: Sequence[Row]) -> str:
    """A Markdown table of the rows."""
    lines = [f"| frames | answer | {' | '.join(FIGURES)} |", "|" + "---|" * (len(FIGURES) + 2)]
    for name, answer, figures in rows:
        lines.append(f"| {name} | {answer} | " + " | ".join(f"{figures[key]:.3f}" for key in FIGURES.values()) + " |")
    return "\n".join(lines) + "\n"


def record_in_spec(engine: Path | str, rows: Sequence[Row]) -> None:
    """Store the network's own figures in the engine's spec, where ``run`` and ``info`` show them to the user."""
    path = spec_path_of(resolve_artifact(engine))
    spec = load_spec(path)
    measured = {
        "measured_" + name.replace(" ", "_"): "abs_rel {abs_rel:.3f}, median-scaled {median_abs_rel:.3f}".format(
            **figures
        )
        for name, answer, figures in rows
        if answer == "network" and name not in LEFT_OUT
    }
    save_spec(path, dataclasses.replace(spec, provenance={**spec.provenance, **measured}))


def write_card(engine: str, index: Path, *, which: str, out: Path | None, record: bool = False) -> None:
    """Print the table; with ``out`` also write it there (.md) and as JSON, with ``record`` into the engine's spec.

    ``engine`` is anything that ``open_predictor`` opens and that gives metres; ConfigError for a relative network
    and for an ``out`` of another kind, OutputError where it cannot be written.
    """
    if out is not None and out.suffix != ".md":
        raise ConfigError(f"--out {out}: a file name that ends in .md is accepted; the JSON is written beside it")
    with open_predictor(engine) as predictor:
        if output_of(predictor) != "metres":
            raise ConfigError(f"{engine}: gives {predictor.quantity} without a unit; a card is of a metric network")
        rows = tabulate(answer_of(predictor, training_focal_px=training_focal_px(engine)), index, which)
    table = to_markdown(rows)
    print(table)
    if record:
        record_in_spec(engine, rows)
    if out is not None:
        with os_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        records = [{"frames": name, "answer": answer, **figures} for name, answer, figures in rows]
        for path, text in ((out, table), (out.with_suffix(".json"), json.dumps(records, indent=1) + "\n")):
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
