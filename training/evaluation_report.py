"""What an evaluation writes: a table of the three alignments, one by distance, the same as JSON, and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from depth_anything_ros.metrics import METRIC_NAMES, MeanMetrics, mean_metrics
from depth_anything_ros.spec import ResizeRule

from .evaluation_frames import FrameRecord, Range, plain
from .evaluation_pictures import RANKS, choose, picture_of, write_png
from .run_dir import atomic_path
from .samples import DepthSample
from .scores import ALIGNMENTS, Comparison, Protocol
from .stages import BEST, LAST

FORMAT_VERSION = 1
TABLE = "evaluation.md"
FIGURES = "evaluation.json"
COLUMNS = (*METRIC_NAMES, "coverage")


@dataclass(frozen=True)
class Report:
    """Everything that was measured."""

    model: str
    sha256: str
    meaning: str
    training_focal_px: float | None
    """Focal length that the metres of a metric_fixed network were scaled from [px of its input]; None for none."""
    output: str
    """One of ``scores.OUTPUTS``."""
    space: str
    resize: ResizeRule
    protocols: dict[str, Protocol]
    """By source."""
    edges_m: tuple[float, ...]
    records: tuple[FrameRecord, ...]


@dataclass(frozen=True)
class Row:
    """The means of one group of frames; every frame counts alike."""

    group: str
    frames: int
    with_truth: int
    seen: int
    figures: dict[str, MeanMetrics]
    ranges: dict[Range, MeanMetrics]


def rows_of(records: Sequence[FrameRecord]) -> list[Row]:
    """A row for every source, for every camera where a source has several (what stands before the first / of its
    frames' names), and for all frames.
    """
    groups: dict[str, list[FrameRecord]] = {}
    for source in dict.fromkeys(record.source for record in records):
        own = [record for record in records if record.source == source]
        cameras = dict.fromkeys(_camera(record) for record in own)
        for camera in cameras:
            name = source if len(cameras) == 1 or camera == source else f"{source}: {camera}"
            groups[name] = [record for record in own if _camera(record) == camera]
    if len(groups) > 1:
        groups["all"] = list(records)
    return [_row(name, members) for name, members in groups.items()]


def to_markdown(report: Report, pictures: Iterable[str] = ()) -> str:
    """The tables, what they were made with, and links to pictures."""
    rows = rows_of(report.records)
    path = Path(report.model)
    # A checkpoint's own name is that of every other one.
    title = "/".join(path.parts[-3:]) if path.name in (BEST, LAST) else path.name
    lines = [f"# {title}", "", *_preface(report), "", *_table(rows), ""]
    if report.edges_m and any(row.ranges for row in rows):
        lines += [f"abs_rel by true depth ({_shown(report)}):", "", *_range_table(rows, report.edges_m), ""]
    lines += _notes(rows)
    for name in pictures:
        lines += [f"![{name}]({name}.png)", ""]
    return "\n".join(lines)


def to_json(report: Report) -> dict[str, Any]:
    """Plain types for ``evaluation.json``; an infinite figure is null."""
    return {
        "format_version": FORMAT_VERSION,
        "model": report.model,
        "sha256": report.sha256,
        "meaning": report.meaning,
        "resize": asdict(report.resize),
        "space": report.space if report.output == "disparity" else "depth",
        "protocols": {name: asdict(protocol) for name, protocol in report.protocols.items()},
        "groups": [
            {
                "group": row.group, "frames": row.frames, "with_truth": row.with_truth, "seen_in_training": row.seen,
                **{name: _mean(mean) for name, mean in row.figures.items()},
                "ranges": [{"near_m": near, "far_m": far, **_mean(mean)} for (near, far), mean in row.ranges.items()],
            }
            for row in rows_of(report.records)
        ],
    }  # fmt: skip


def write_report(
    folder: Path,
    report: Report,
    *,
    pictures: int,
    measure: Callable[[FrameRecord], tuple[DepthSample, Comparison | None]],
) -> Path:
    """Write table, JSON and pictures (``pictures`` of each of ``RANKS``); returns the table. ``measure`` answers a
    frame once more, so that no picture is kept while frames go by. Raises ``OutputError``.
    """
    for rank in RANKS:
        for old in folder.glob(f"{rank}_*.png"):
            old.unlink()
    names = []
    for name, record in choose(report.records, pictures).items():
        sample, compared = measure(record)
        if compared is not None:
            write_png(folder / f"{name}.png", picture_of(name, sample, compared, seen=record.seen))
            names.append(name)
    for path, text in (
        (folder / FIGURES, json.dumps(to_json(report), indent=1, allow_nan=False) + "\n"),
        (folder / TABLE, to_markdown(report, names)),
    ):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / TABLE


def _camera(record: FrameRecord) -> str:
    return record.frame.strip("/").partition("/")[0]


def _row(group: str, records: Sequence[FrameRecord]) -> Row:
    known = [record for record in records if record.figures]
    figures, ranges = {}, {}
    for alignment in ALIGNMENTS:
        mean = mean_metrics([record.figures[alignment] for record in known if alignment in record.figures])
        if mean is not None:
            figures[alignment] = mean
    for key in sorted({key for record in known for key in record.ranges}):
        mean = mean_metrics([record.ranges[key] for record in known if key in record.ranges])
        if mean is not None:
            ranges[key] = mean
    return Row(group, len(records), len(known), sum(record.seen for record in records), figures, ranges)


def _preface(report: Report) -> list[str]:
    rule = report.resize
    limits = "; ".join(
        f"{name} {protocol.min_depth_m:g} to {protocol.max_depth_m:g} m" + (" (clipped)" if protocol.clip else "")
        for name, protocol in report.protocols.items()
    )
    lines = [
        f"`{report.model}` ({report.sha256[:12] or 'no file'}), {report.meaning}, {rule.kind} {rule.side} px"
        f" ({rule.interpolation}). Compared: {limits}.",
        "Every figure is taken per frame, then averaged over frames; coverage is the share of pixels with truth that "
        "have an answer, scale what median-scaling multiplied metres by.",
    ]
    if report.meaning == "metric_fixed":
        focal = report.training_focal_px
        taken = f"scaled from {focal:g} px, its training cameras', to each frame's" if focal else "taken as they are"
        lines.append(f"The network knows no focal length: its metres are {taken}.")
    if report.output == "metres":
        lines.append("Affine-aligned: scale and shift of each frame by least squares in depth.")
    elif report.output == "disparity":
        compared = "compared as disparity" if report.space == "disparity" else "then inverted and compared as depth"
        lines.append(
            "The network gives disparity without a unit, so it has no unaligned figures. Affine-aligned: scale and "
            f"shift of each frame by least squares in disparity, {compared}."
        )
    else:
        lines.append(
            "The network gives depth without a unit, so it has no unaligned figures. Affine-aligned: scale and shift "
            "of each frame by least squares in depth."
        )
    return lines


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [
        f"| frames | number | alignment | {' | '.join(COLUMNS)} | scale |",
        "|" + "---|" * (len(COLUMNS) + 4),
    ]
    for row in rows:
        for alignment in ALIGNMENTS:
            mean = row.figures.get(alignment)
            cells = [_cell(getattr(mean.mean, name)) if mean else "-" for name in COLUMNS]
            # The factor alone means something: how wrong the metres are as a whole.
            cells.append(
                _cell(mean.mean.scale) if mean and alignment == "median" and "unaligned" in row.figures else "-"
            )
            lines.append(f"| {row.group} | {row.with_truth} | {alignment} | {' | '.join(cells)} |")
    return lines


def _range_table(rows: Sequence[Row], edges_m: Sequence[float]) -> list[str]:
    bins = list(pairwise(edges_m))
    heads = " | ".join(f"{near:g} to {far:g} m" for near, far in bins)
    lines = [f"| frames | {heads} |", "|" + "---|" * (len(bins) + 1)]
    for row in rows:
        cells = [_cell(row.ranges[key].mean.abs_rel) if key in row.ranges else "-" for key in bins]
        lines.append(f"| {row.group} | {' | '.join(cells)} |")
    return lines


def _notes(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        if row.group == "all" and len(rows) > 1:
            continue
        if row.seen:
            lines.append(f"* {row.group}: the network was trained on {row.seen} of these {row.frames} frames.")
        if row.with_truth < row.frames:
            lines.append(f"* {row.group}: {row.frames - row.with_truth} frames have no depth that counts.")
        missing = max((mean.num_without_prediction for mean in row.figures.values()), default=0)
        if missing:
            lines.append(f"* {row.group}: {missing} frames got no usable answer and count in the coverage alone.")
    return [*lines, ""] if lines else []


def _shown(report: Report) -> str:
    return "unaligned" if report.output == "metres" else "affine-aligned, as depth"


def _mean(mean: MeanMetrics) -> dict[str, Any]:
    return {**plain(mean.mean), "without_prediction": mean.num_without_prediction}


def _cell(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"
