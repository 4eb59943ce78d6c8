"""The model card's table: an exported engine on the real frames, beside answers that ignore the image."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engine import load_engine
from depth_anything_ros.pipeline import DepthPipeline, PipelineOptions
from depth_anything_ros.spec import load_spec, save_spec, spec_path_of

from .baselines import best_constant, best_ramp, other_images, training_map
from .evaluate import Predictor, score
from .samples import DepthSample
from .sources.frames import list_frames

TRAINING = (("hololens_seq", 0, 59), ("apc_realsense", 0, 5))
"""Real frames that may be trained on, by order of the index; the maps are made of them whatever a network used."""
VALIDATION = (("hololens_seq", 50, 59),)
TEST = (("hololens_seq", 60, 79), ("apc_realsense", 6, 11))
LEFT_OUT = ("tum_fr2", "ycb_xtion", "arc2017", "realsense_d435", "middlebury_motorcycle", "pjlab_road")
"""Cameras of which no frame is ever trained on."""
FIGURES = ("abs_rel", "median_abs_rel", "rmse", "delta1", "silog")
Row = tuple[str, str, dict[str, float]]


def engine_predictor(engine: Path) -> Predictor:
    """Metres (H, W) by the exported engine through the same pipeline as ``run``, without the flying-pixel filter."""
    pipeline = DepthPipeline(load_engine(engine), PipelineOptions(edge_ratio=None))

    def predict(sample: DepthSample) -> NDArray[np.float32]:
        return pipeline.run([CameraFrame(sample.image_HW3, sample.camera, 0, sample.source)])[0].depth_HW

    return predict


def tabulate(predict: Predictor, index: Path, which: str) -> list[Row]:
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
    lines = [
        "| frames | answer | abs_rel | median-scaled abs_rel | rmse [m] | delta1 | silog |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, answer, figures in rows:
        lines.append(f"| {name} | {answer} | " + " | ".join(f"{figures[key]:.3f}" for key in FIGURES) + " |")
    return "\n".join(lines) + "\n"


def record_in_spec(engine: Path, rows: Sequence[Row]) -> None:
    """Store the network's own figures in the engine's spec, where ``run`` and ``info`` show them to the user."""
    spec = load_spec(spec_path_of(engine))
    measured = {
        "measured_" + name.replace(" ", "_"): "abs_rel {abs_rel:.3f}, median-scaled {median_abs_rel:.3f}".format(
            **figures
        )
        for name, answer, figures in rows
        if answer == "network" and name not in LEFT_OUT
    }
    save_spec(spec_path_of(engine), dataclasses.replace(spec, provenance={**spec.provenance, **measured}))


def write_card(engine: Path, index: Path, *, which: str, out: Path | None, record: bool = False) -> None:
    """Print the table; with ``out`` also write it there (.md) and as JSON, with ``record`` into the engine's spec."""
    rows = tabulate(engine_predictor(engine), index, which)
    table = to_markdown(rows)
    print(table)
    if record:
        record_in_spec(engine, rows)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(table, encoding="utf-8")
        records = [{"frames": name, "answer": answer, **figures} for name, answer, figures in rows]
        out.with_suffix(".json").write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
