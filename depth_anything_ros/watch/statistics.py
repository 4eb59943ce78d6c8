"""What arrived on one topic: how many, how often, how old."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ..report import percentiles_ms

_WINDOW_S = 5.0
_MAX_SAMPLES = 20_000
# No camera's picture is an hour old: such stamps come from another clock, a recording's or a simulator's.
_OTHER_CLOCK_MS = 3_600_000.0


@dataclass(frozen=True)
class Age:
    """Time between a message's stamp and its arrival [ms]; ``is_of_this_clock`` is false where it means nothing."""

    p50_ms: float
    p99_ms: float

    @property
    def is_of_this_clock(self) -> bool:
        return abs(self.p50_ms) <= _OTHER_CLOCK_MS


class TopicStatistics:
    """Counts the messages of one topic: ``count``, and the ``frame_id`` and ``shape`` of the last. For one thread."""

    def __init__(self) -> None:
        self.count = 0
        self.frame_id = ""
        self.shape = ""
        self._arrivals_s: deque[float] = deque()
        self._recent_ms: deque[float] = deque()
        self._all_ms: deque[float] = deque(maxlen=_MAX_SAMPLES)
        self._first_s = self._last_s = 0.0

    def add(self, arrival_s: float, age_ms: float, frame_id: str, shape: str) -> None:
        """Count a message that arrived at `arrival_s` on a monotonic clock [s], `age_ms` after its stamp.

        `shape` says in a word or two what it is: its size and encoding.
        """
        self.count += 1
        self.frame_id, self.shape = frame_id, shape
        self._first_s, self._last_s = (self._first_s or arrival_s), arrival_s
        self._arrivals_s.append(arrival_s)
        self._recent_ms.append(age_ms)
        self._all_ms.append(age_ms)
        self._forget(arrival_s)

    def rate(self, now_s: float) -> float:
        """Messages per second over the last seconds; 0 once nothing came for as long."""
        self._forget(now_s)
        if len(self._arrivals_s) < 2:
            return 0.0
        # Up to now where nothing came for longer than usual, so that the rate of a topic that stopped goes down.
        usual_s = (self._arrivals_s[-1] - self._arrivals_s[0]) / (len(self._arrivals_s) - 1)
        silent_s = max(0.0, now_s - self._arrivals_s[-1] - usual_s)
        return (len(self._arrivals_s) - 1) / (self._arrivals_s[-1] - self._arrivals_s[0] + silent_s + 1e-9)

    def silent_s(self, now_s: float) -> float:
        """Seconds since the last message; 0 if none ever came."""
        return now_s - self._last_s if self.count else 0.0

    def age(self) -> Age | None:
        """Of the messages of the last seconds; None without any."""
        return _age(self._recent_ms)

    def as_dict(self) -> dict[str, Any]:
        """Everything since the beginning, as plain values for a JSON file."""
        age, elapsed_s = _age(self._all_ms), self._last_s - self._first_s
        known = age is not None and age.is_of_this_clock
        return {
            "count": self.count,
            "rate_hz": round((self.count - 1) / elapsed_s, 3) if elapsed_s > 0.0 else None,
            "age_ms": {"p50": age.p50_ms, "p99": age.p99_ms} if known and age is not None else None,
            "stamps_are_of_this_clock": None if age is None else age.is_of_this_clock,
            "shape": self.shape,
            "frame_id": self.frame_id,
        }

    def _forget(self, now_s: float) -> None:
        while self._arrivals_s and self._arrivals_s[0] < now_s - _WINDOW_S:
            self._arrivals_s.popleft()
            self._recent_ms.popleft()


def _age(ages_ms: deque[float]) -> Age | None:
    if not ages_ms:
        return None
    of = percentiles_ms(list(ages_ms))
    return Age(of["p50"], of["p99"])
