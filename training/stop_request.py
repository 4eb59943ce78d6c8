"""Ctrl-C without harm to a training."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any


class StopRequest:
    """Turns SIGINT and SIGTERM into a request to save and stop at the end of the step. A SIGINT after that ends the
    process at once; another SIGTERM does not, because clusters send it to every process, and torchrun once more to its
    own. Outside the main thread it changes nothing.
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
        self._restore(signal.SIGINT, signal.SIGTERM)

    def _set(self, *_: object) -> None:
        self.requested = True
        self._restore(signal.SIGINT)

    def _restore(self, *numbers: int) -> None:
        for number in numbers:
            if number in self._previous:
                signal.signal(number, self._previous.pop(number))
