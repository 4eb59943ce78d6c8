"""When each frame of a recording is due: its own stamps on the monotonic clock, without drift; and what came late."""

from __future__ import annotations

# A clock that was set, or a pause nobody wants to sit through, is not waited for.
_MAX_GAP_S = 10.0
# After a stall (a stopped process, a slow disk) the schedule begins anew instead of catching up in a burst.
_MAX_BEHIND_S = 1.0
LATE_S = 0.010
"""A frame whose publishing begins this long after its time [s] counts as late."""


class Schedule:
    """Gives every frame its time on a monotonic clock [s].

    Parameters
    ----------
    rate: factor on the recording's speed.
    fps: frames a second instead of the recording's stamps; None takes the stamps.

    ``num_late`` frames were more than LATE_S late, the latest by ``worst_s``; ``notes`` says what of the stamps was not
    followed.
    """

    def __init__(self, *, rate: float = 1.0, fps: float | None = None) -> None:
        self.num_late = 0
        self.worst_s = 0.0
        self.notes: list[str] = []
        self._rate = rate
        self._period_s = None if fps is None else 1.0 / fps
        self._usual_s = 1.0 if fps is None else 1.0 / fps
        self._last_ns: int | None = None
        self._due_s: float | None = None

    def due_s(self, stamp_ns: int, now_s: float) -> float:
        """Return when the frame of that stamp is due; the first one is at once."""
        if self._due_s is None:
            self._due_s = now_s
        elif self._last_ns is None:
            self._due_s += self._usual_s / self._rate
        else:
            self._due_s += self._step_s((stamp_ns - self._last_ns) / 1e9) / self._rate
        self._last_ns = stamp_ns
        return self._due_s

    def begins(self, now_s: float) -> None:
        """Record when the publishing of the frame asked for last begins."""
        if self._due_s is None:
            return
        behind_s = now_s - self._due_s
        self.worst_s = max(self.worst_s, behind_s)
        self.num_late += behind_s > LATE_S
        if behind_s > _MAX_BEHIND_S:
            self._due_s = now_s

    def begin_again(self) -> None:
        """Expect the recording's first stamp next, one usual period after its last."""
        self._last_ns = None

    def _step_s(self, recorded_s: float) -> float:
        if self._period_s is not None:
            return self._period_s
        if recorded_s < 0.0 or recorded_s > _MAX_GAP_S:
            self._note(recorded_s)
            return self._usual_s
        self._usual_s = recorded_s or self._usual_s
        return recorded_s

    def _note(self, recorded_s: float) -> None:
        kind = "jump back" if recorded_s < 0.0 else f"pause for more than {_MAX_GAP_S:g} s"
        note = f"stamps of the recording {kind}; that was not waited for"
        if note not in self.notes:
            self.notes.append(note)
