"""Ctrl-C without harm to a training."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a request to save and stop at the end of the step; a second one ends the
    process at once. Outside the main thread it changes nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._set) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _set(self, *_: object) -> None:
        self.requested = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
