"""Wall clock and timers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..errors import ConfigError
from .messages import message


class Time:
    """A point in time, counted from the Unix epoch."""

    def __init__(self, *, seconds: float = 0, nanoseconds: int = 0) -> None:
        self._nanoseconds = int(seconds * 10**9) + int(nanoseconds)

    @property
    def nanoseconds(self) -> int:
        """Nanoseconds since the epoch."""
        return self._nanoseconds

    def to_msg(self) -> Any:
        """The same as a ``builtin_interfaces/msg/Time``."""
        seconds, nanoseconds = divmod(self._nanoseconds, 10**9)
        return message("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)

    def __repr__(self) -> str:
        return f"Time(nanoseconds={self._nanoseconds})"


class Clock:
    """The system's clock; there is no simulated time."""

    def now(self) -> Time:
        """The time now."""
        return Time(nanoseconds=time.time_ns())


class Timer:
    """Calls back every ``timer_period_sec`` [s] while its node is spun; beats that were missed are left out."""

    def __init__(self, callback: Callable[[], None], timer_period_sec: float) -> None:
        if not timer_period_sec > 0:
            raise ConfigError(f"timer period is {timer_period_sec!r} s; more than 0 is needed")
        self.callback = callback
        self._period = float(timer_period_sec)
        self._canceled = False
        self._due = time.monotonic() + self._period

    def cancel(self) -> None:
        """Do not call back until ``reset``."""
        self._canceled = True

    def reset(self) -> None:
        """Begin a period now."""
        self._canceled = False
        self._due = time.monotonic() + self._period

    def is_canceled(self) -> bool:
        """Whether ``cancel`` was called and ``reset`` was not."""
        return self._canceled

    def time_left(self) -> float:
        """Seconds until it is due, at most 0 when it is; infinite while it is cancelled."""
        return float("inf") if self._canceled else self._due - time.monotonic()

    def begin_next_period(self) -> None:
        """Move on to the first beat that is still to come."""
        late = max(0.0, time.monotonic() - self._due)
        self._due += self._period * (1 + late // self._period)
