"""The summary of a run: what came in, what came out, why the rest did not, how fast, and how far from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Drops:
    """Frames that gave no depth, by cause, with the first explanation of each."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, cause: str, detail: str) -> bool:
        """Count one; True if this cause is new, so that it is said once."""
        is_new = cause not in self.counts
        self.counts[cause] = self.counts.get(cause, 0) + 1
        self.first.setdefault(cause, detail)
        return is_new

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass
class Latencies:
    """Milliseconds per stage and frame, in the order in which the stages were first seen, and their "total".

    The first frame stands apart: the engine is made for its size then.
    """

    by_stage: dict[str, list[float]] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)

    def add(self, timings_ms: dict[str, float]) -> None:
        """Count one frame."""
        complete = {**timings_ms, "total": sum(timings_ms.values())}
        if not self.first:
            self.first = complete
            return
        for stage, milliseconds in complete.items():
            self.by_stage.setdefault(stage, []).append(milliseconds)

    @property
    def first_ms(self) -> float:
        """Total of the first frame [ms]; 0 without frames."""
        return round(self.first.get("total", 0.0), 3)

    def as_dict(self) -> dict[str, dict[str, float]]:
        """p50, p99 and max [ms] by stage, without the first frame; of a single frame its own times."""
        stages = self.by_stage or {stage: [value] for stage, value in self.first.items()}
        order = [stage for stage in stages if stage != "total"] + ["total"] * ("total" in stages)
        return {stage: percentiles_ms(stages[stage]) for stage in order}


def percentiles_ms(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and max of some milliseconds, rounded to a microsecond."""
    p50, p99 = np.percentile(values, (50.0, 99.0))
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(float(max(values)), 3)}


@dataclass
class Summary:
    """Everything that summary.json holds and the terminal shows; plain values."""

    source: str
    camera: str
    engine: str
    precision: str
    engine_reason: str
    model: str
    model_notice: str
    frames_in: int = 0
    frames_out: int = 0
    frames_skipped: int = 0
    drops: Drops = field(default_factory=Drops)
    latencies: Latencies = field(default_factory=Latencies)
    elapsed_s: float = 0.0
    errors: dict[str, dict[str, object]] = field(default_factory=dict)
    intrinsics_assumed: bool = False
    interrupted: bool = False
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def frames_per_s(self) -> float:
        return self.frames_out / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The content of summary.json (format_version 1)."""
        causes = {
            cause: {"count": count, "first": self.drops.first[cause]} for cause, count in self.drops.counts.items()
        }
        return {
            "format_version": 1,
            "source": self.source,
            "camera": self.camera,
            "engine": {"name": self.engine, "precision": self.precision, "reason": self.engine_reason},
            "model": {"name": self.model, "notice": self.model_notice},
            "intrinsics_assumed": self.intrinsics_assumed,
            "interrupted": self.interrupted,
            "problem": self.problem,
            "frames": {
                "in": self.frames_in,
                "out": self.frames_out,
                "skipped": self.frames_skipped,
                "dropped": self.drops.total,
                "causes": causes,
            },
            "elapsed_s": round(self.elapsed_s, 3),
            "frames_per_s": round(self.frames_per_s, 3),
            "first_frame_ms": self.latencies.first_ms,
            "latency_ms": self.latencies.as_dict(),
            "errors": self.errors,
            "notes": self.notes,
            "outputs": self.outputs,
        }

    def as_text(self) -> str:
        """What the terminal shows at the end."""
        state = " (interrupted: what was written until then is complete)" if self.interrupted else ""
        skipped = f", {self.frames_skipped} left out by --every" if self.frames_skipped else ""
        lines = [
            "",
            f"frames: {self.frames_in} in{skipped}, {self.frames_out} out, {self.drops.total} dropped{state}",
            *(f"  dropped {n}: {cause} (first: {self.drops.first[cause]})" for cause, n in self.drops.counts.items()),
            *self._speed_lines(),
            *latency_table(self.latencies.as_dict()),
            *error_table(self.errors),
        ]
        if self.notes:
            lines += ["notes:", *(f"  {note}" for note in self.notes)]
        if self.outputs:
            width = max(len(name) for name in self.outputs)
            lines += ["written:", *(f"  {name:<{width}}  {what}" for name, what in self.outputs.items())]
        return "\n".join(lines)

    def _speed_lines(self) -> list[str]:
        if self.frames_out == 0:
            return []
        line = f"speed: {self.frames_per_s:.2f} frames/s over {self.elapsed_s:.1f} s"
        if self.frames_out > 1:
            first = f"{self.latencies.first_ms:.0f} ms"
            line += f"; the first frame took {first}, as the engine is made for its size; the others:"
        return [line]


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def latency_table(latencies: dict[str, dict[str, float]]) -> list[str]:
    """Lines of a table of p50, p99 and max [ms] by stage."""
    if not latencies:
        return []
    lines = [f"  {'latency [ms]':<16}{'p50':>10}{'p99':>10}{'max':>10}"]
    return lines + [
        f"  {stage:<16}{row['p50']:>10.2f}{row['p99']:>10.2f}{row['max']:>10.2f}" for stage, row in latencies.items()
    ]


def error_table(errors: dict[str, dict[str, object]]) -> list[str]:
    """Lines of a table of errors against the reference depth, by group and alignment; none without a reference."""
    if not errors:
        return []
    lines = [
        "error against the source's registered depth, mean over frames:",
        f"  {'frames':<18}{'':<15}{'compared':>9}{'abs_rel':>9}{'rmse [m]':>10}{'delta1':>9}{'silog':>8}",
    ]
    for group, row in errors.items():
        for alignment in ("unaligned", "median-scaled"):
            label = f"{row['frames']} {group}" if alignment == "unaligned" else ""
            figures = row[alignment]
            if not isinstance(figures, dict):
                lines.append(f"  {label:<18}{alignment:<15}{'no pixel to compare':>9}")
                continue
            lines.append(
                f"  {label:<18}{alignment:<15}{figures['coverage']:>9.0%}{figures['abs_rel']:>9.3f}"
                f"{figures['rmse']:>10.3f}{figures['delta1']:>9.3f}{figures['silog']:>8.1f}"
            )
    if "trained on" in errors:
        lines.append(
            "  trained on = in its training data, so no measure for new scenes; recognised by their look, so that a"
        )
        lines.append(f"  near-identical neighbour counts too: {_names(errors['trained on'])}")
    return lines


def _names(row: dict[str, object], limit: int = 6) -> str:
    names = row.get("names")
    if not isinstance(names, list):
        return ""
    shown = names if len(names) <= limit else [*names[: limit - 1], "...", names[-1]]
    return ", ".join(str(name) for name in shown)
