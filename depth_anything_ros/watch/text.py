"""The state of a watch in words: a table of the topics, what is waited for, what /diagnostics says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .feeds import Feed
from .statistics import Age

_LEVELS = ("ok", "warning", "error", "stale")
_MAX_STATUSES = 6


def table(feeds: Mapping[str, Feed], now_s: float) -> list[str]:
    """Return a heading and one line a topic: rate, age, size, frame."""
    rows = [("topic", "rate", "age p50 / p99", "size", "frame")]
    for feed in feeds.values():
        statistics = feed.statistics
        rate = f"{statistics.rate(now_s):.1f} /s"
        rows.append((feed.topic, rate, age_text(statistics.age()), statistics.shape, statistics.frame_id))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def status_line(feeds: Mapping[str, Feed], now_s: float) -> str:
    """Return rates and ages of all topics in one line."""
    parts = []
    for feed in feeds.values():
        age = feed.statistics.age()
        text = f"{feed.topic} {feed.statistics.rate(now_s):.1f} /s"
        parts.append(text if age is None else f"{text}, age {age_text(age)}")
    return " | ".join(parts)


def age_text(age: Age | None) -> str:
    """Return the age as text, or that it says nothing."""
    if age is None:
        return "-"
    if not age.is_of_this_clock:
        return "stamps are not of this clock"
    return f"{age.p50_ms:.1f} / {age.p99_ms:.1f} ms"


def diagnostics_lines(statuses: Iterable[Any]) -> list[str]:
    """Return one line for each status, the worst first, and the values that say why nothing is published."""
    ordered = sorted(statuses, key=lambda status: (-level_of(status), str(status.name)))
    lines = []
    for status in ordered[:_MAX_STATUSES]:
        lines.append(f"{_LEVELS[min(level_of(status), 3)]}: {status.name}: {status.message}")
        lines += [
            f"  {value.key}: {value.value}"
            for value in status.values
            if "why" in str(value.key).lower() and str(value.value) != str(status.message)
        ]
    if len(ordered) > _MAX_STATUSES:
        lines.append(f"and {len(ordered) - _MAX_STATUSES} more")
    return lines


def level_of(status: Any) -> int:
    """The level of a DiagnosticStatus, which is one byte in rclpy and a number elsewhere."""
    level = status.level
    return int(level[0]) if isinstance(level, (bytes, bytearray)) else int(level)
