"""One frame's errors as a record, and the file of them that an interrupted evaluation goes on from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from depth_anything_ros.metrics import DepthMetrics

from .run_dir import atomic_path, os_errors
from .scores import Comparison

Range = tuple[float, float]


@dataclass(frozen=True)
class FrameRecord:
    """What was measured of one frame; both mappings are empty where it has no depth that counts."""

    number: int
    """Of the source, by the recipe's list."""
    index: int
    """In the source."""
    source: str
    """The recipe's name of the source."""
    frame: str
    """Where the frame comes from, by its own name."""
    seen: bool
    """Whether the network was trained on this very image."""
    figures: dict[str, DepthMetrics]
    """By ``scores.ALIGNMENTS``."""
    ranges: dict[Range, DepthMetrics]
    """By true depth [m]."""

    @classmethod
    def of(
        cls, number: int, index: int, source: str, frame: str, compared: Comparison | None, *, seen: bool
    ) -> FrameRecord:
        """The record of a comparison, which may be None."""
        figures, ranges = (compared.figures, compared.ranges) if compared else ({}, {})
        return cls(number, index, source, frame, seen, figures, ranges)

    @property
    def main(self) -> DepthMetrics:
        """Unaligned where there are metres, else affine-aligned."""
        return self.figures["unaligned" if "unaligned" in self.figures else "affine"]

    def to_json(self) -> dict[str, Any]:
        """Plain types; what is infinite, where nothing was predicted, is null."""
        return {
            "number": self.number, "index": self.index, "source": self.source, "frame": self.frame, "seen": self.seen,
            "figures": {name: plain(metrics) for name, metrics in self.figures.items()},
            "ranges": [[near, far, plain(metrics)] for (near, far), metrics in self.ranges.items()],
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FrameRecord:
        """The inverse of ``to_json``."""
        figures = {name: _metrics(item) for name, item in values.pop("figures").items()}
        ranges = {(near, far): _metrics(item) for near, far, item in values.pop("ranges")}
        return cls(figures=figures, ranges=ranges, **values)


class FrameLog:
    """JSON lines: ``header``, then a record a line. ``known`` are the records of an earlier run with the same header,
    by (number, index); a file of another header is begun anew, a half-written last line is dropped.

    Raises ``OutputError`` where the file cannot be written.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.known: dict[tuple[int, int], FrameRecord] = {}
        self._path, self._header = path, header
        self._file: IO[str] | None = None

    def __enter__(self) -> FrameLog:
        self.known = {(record.number, record.index): record for record in self._read()}
        lines = [self._header, *(record.to_json() for record in self.known.values())]
        with atomic_path(self._path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        with os_errors(self._path):
            self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with os_errors(self._path):
                self._file.close()

    def add(self, record: FrameRecord) -> None:
        """Write one more, and know it."""
        assert self._file is not None
        self.known[record.number, record.index] = record
        with os_errors(self._path):
            self._file.write(json.dumps(record.to_json()) + "\n")
            self._file.flush()

    def _read(self) -> list[FrameRecord]:
        records: list[FrameRecord] = []
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
            if not lines or json.loads(lines[0]) != self._header:
                return []
            for line in lines[1:]:
                records.append(FrameRecord.from_json(json.loads(line)))
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return records


def plain(metrics: DepthMetrics) -> dict[str, float | None]:
    """The fields by name; None for an infinite one."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.as_dict().items()}


def _metrics(values: dict[str, float | None]) -> DepthMetrics:
    read: dict[str, Any] = {name: math.inf if value is None else value for name, value in values.items()}
    return DepthMetrics(**read)
