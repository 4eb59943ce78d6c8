"""Logger of a node: lines on stderr in ROS's format, and the same on /rosout."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from .messages import message


class LoggingSeverity(IntEnum):
    """ROS's log levels; a logger says what is at or above its own."""

    UNSET = 0
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    FATAL = 50


class Logger:
    """Says lines under a name such as ``front.depth``.

    ``publish_log`` receives every line said as an ``rcl_interfaces/msg/Log``; None keeps them on stderr.
    """

    def __init__(self, name: str, level: LoggingSeverity = LoggingSeverity.INFO) -> None:
        self.name = name
        self.publish_log: Callable[[Any], None] | None = None
        self._level = level
        # When each line of code spoke last [s]; throttling and `once` are per line of code, as in rclpy.
        self._spoke: dict[tuple[str, int], float] = {}

    def set_level(self, level: LoggingSeverity) -> None:
        """Say nothing below this level from now on."""
        self._level = LoggingSeverity(level)

    def get_effective_level(self) -> LoggingSeverity:
        """The level below which nothing is said."""
        return self._level

    def debug(self, message: str, *, throttle_duration_sec: float | None = None, once: bool = False) -> bool:
        """Say a line, at most every ``throttle_duration_sec``, or ``once``; return whether it was said."""
        return self._log(LoggingSeverity.DEBUG, message, throttle_duration_sec, once)

    def info(self, message: str, *, throttle_duration_sec: float | None = None, once: bool = False) -> bool:
        """As ``debug``."""
        return self._log(LoggingSeverity.INFO, message, throttle_duration_sec, once)

    def warning(self, message: str, *, throttle_duration_sec: float | None = None, once: bool = False) -> bool:
        """As ``debug``."""
        return self._log(LoggingSeverity.WARN, message, throttle_duration_sec, once)

    def error(self, message: str, *, throttle_duration_sec: float | None = None, once: bool = False) -> bool:
        """As ``debug``."""
        return self._log(LoggingSeverity.ERROR, message, throttle_duration_sec, once)

    def fatal(self, message: str, *, throttle_duration_sec: float | None = None, once: bool = False) -> bool:
        """As ``debug``."""
        return self._log(LoggingSeverity.FATAL, message, throttle_duration_sec, once)

    def _log(self, level: LoggingSeverity, text: str, throttle_duration_sec: float | None, once: bool) -> bool:
        if level < self._level:
            return False
        caller = sys._getframe(2)
        if throttle_duration_sec is not None or once:
            place, now = (caller.f_code.co_filename, caller.f_lineno), time.monotonic()
            spoke = self._spoke.get(place)
            if spoke is not None and (once or now - spoke < (throttle_duration_sec or 0.0)):
                return False
            self._spoke[place] = now
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        with contextlib.suppress(OSError):  # nobody reads any more (`| head`): no reason to stop working
            print(f"[{level.name}] [{seconds}.{nanoseconds:09d}] [{self.name}]: {text}", file=sys.stderr, flush=True)
        if self.publish_log is not None:
            log = message("rcl_interfaces/msg/Log")(level=int(level), name=self.name, msg=str(text))
            log.stamp.sec, log.stamp.nanosec = seconds, nanoseconds
            log.file, log.function, log.line = caller.f_code.co_filename, caller.f_code.co_name, caller.f_lineno
            self.publish_log(log)
        return True
