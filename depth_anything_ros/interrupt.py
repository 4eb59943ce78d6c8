"""Ctrl-C without harm: the first one ends a loop after the frame at hand, the second one ends it at once."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any


class Interruption:
    """While this context is open, SIGINT and SIGTERM set ``signal_number`` instead of raising; a second one raises.

    Only the main thread receives signals; entered from another thread it changes nothing.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self._previous: dict[int, Any] = {}

    @property
    def is_requested(self) -> bool:
        return self.signal_number != 0

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells count: 130 for Ctrl-C, 143 for a request to terminate."""
        return 128 + self.signal_number

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt
        self.signal_number = number
        print("\ninterrupted: finishing what was begun; once more stops at once", file=sys.stderr, flush=True)
