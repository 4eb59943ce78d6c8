"""What a camera of the node has received, given out and dropped; filled by two threads, read by diagnostics."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from .report import percentiles_ms

_MAX_SAMPLES = 512
# Without images for this long, or for some of their usual gaps if that is longer, a camera is silent.
_SILENT_S = 1.0
_MANY_GAPS = 3.0

NOT_READY = "the engine is being prepared"
SUPERSEDED = "a newer frame came first"
"""Cause of a drop that is no fault: the camera is faster than the engine."""


@dataclass(frozen=True)
class StatsReport:
    """One period of a camera. Rates in 1/s, times in ms by stage and percentile."""

    received: int
    published: int
    rate_in: float
    rate_out: float
    is_receiving: bool
    """Whether the last image is no older than the gaps before it let expect; so a slow camera is no silent one."""
    is_publishing: bool
    stamps_back: int
    """Stamps of this period that lie before the one before."""
    drops: dict[str, int]
    new_drops: dict[str, int]
    """Those of this period."""
    last_drop: dict[str, str]
    """What exactly was wrong with the last frame of each cause."""
    times_ms: dict[str, dict[str, float]]


@dataclass
class Pulse:
    """When something happened last, and in what rhythm: the shorter of the last two gaps, as one may be a pause."""

    last_s: float = -math.inf
    gaps_s: tuple[float, float] = (0.0, 0.0)

    def beat(self) -> None:
        """It happens now."""
        now_s = time.monotonic()
        self.gaps_s = (self.gaps_s[1], now_s - self.last_s if math.isfinite(self.last_s) else 0.0)
        self.last_s = now_s

    def is_alive(self) -> bool:
        """Whether it may still be expected to go on."""
        return time.monotonic() - self.last_s <= max(_SILENT_S, _MANY_GAPS * min(self.gaps_s))


@dataclass
class ChannelStats:
    """Counters of one camera since the node was activated. Thread-safe."""

    received: int = 0
    published: int = 0
    drops: Counter[str] = field(default_factory=Counter)
    last_drop: dict[str, str] = field(default_factory=dict)
    last_stamp_ns: int | None = None
    stamps_back: int = 0
    _stamps_back_before: int = 0
    _in: Pulse = field(default_factory=Pulse)
    _out: Pulse = field(default_factory=Pulse)
    _samples_ms: dict[str, deque[float]] = field(default_factory=dict)
    _before: tuple[float, int, int] | None = None
    _drops_before: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_received(self, stamp_ns: int) -> None:
        """Count an image that arrived."""
        with self._lock:
            self.received += 1
            self._in.beat()
            if self.last_stamp_ns is not None and stamp_ns < self.last_stamp_ns:
                self.stamps_back += 1
            self.last_stamp_ns = stamp_ns

    def count_drop(self, cause: str, detail: str = "") -> bool:
        """Count an image that gave no depth; True if the cause is new, so that it is said once."""
        with self._lock:
            self.drops[cause] += 1
            self.last_drop[cause] = detail
            return self.drops[cause] == 1

    def count_published(self, times_ms: dict[str, float]) -> None:
        """Count a frame that was given out, with its times by stage [ms]."""
        with self._lock:
            self.published += 1
            self._out.beat()
            for stage, milliseconds in times_ms.items():
                self._samples_ms.setdefault(stage, deque(maxlen=_MAX_SAMPLES)).append(milliseconds)

    def report(self, now_s: float) -> StatsReport:
        """Return the totals and the rates since the last report; ``now_s`` is of a monotonic clock [s]."""
        with self._lock:
            rate_in = rate_out = 0.0
            if self._before is not None and now_s > self._before[0]:
                elapsed = now_s - self._before[0]
                rate_in = (self.received - self._before[1]) / elapsed
                rate_out = (self.published - self._before[2]) / elapsed
            self._before = (now_s, self.received, self.published)
            new_drops, self._drops_before = self.drops - self._drops_before, self.drops.copy()
            stamps_back, self._stamps_back_before = self.stamps_back - self._stamps_back_before, self.stamps_back
            return StatsReport(
                received=self.received,
                published=self.published,
                rate_in=rate_in,
                rate_out=rate_out,
                is_receiving=rate_in > 0.0 or self._in.is_alive(),
                is_publishing=rate_out > 0.0 or self._out.is_alive(),
                stamps_back=stamps_back,
                drops=dict(self.drops),
                new_drops=dict(new_drops),
                last_drop=dict(self.last_drop),
                times_ms={stage: percentiles_ms(list(samples)) for stage, samples in self._samples_ms.items()},
            )
