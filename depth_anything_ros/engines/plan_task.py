"""Preparing a plan in a thread of its own, while frames go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class PlanTask(Generic[Result]):
    """Runs ``work`` once, in a thread that does not keep the process alive."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plan", daemon=True)
        self._thread.start()

    def is_done(self, wait_s: float = 0.0) -> bool:
        """Whether the work has ended, well or not, waiting up to ``wait_s`` for that [s]."""
        return self._done.wait(wait_s)

    def result(self) -> Result:
        """What the work returned, waiting for it; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def join(self) -> None:
        """Wait for the end, whatever it is."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()
