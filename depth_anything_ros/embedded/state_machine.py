"""The life cycle of a managed node: the states and transitions of ROS, with rcl's numbers and labels."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ..errors import ConfigError


class TransitionCallbackReturn(Enum):
    """What a transition callback says of its work; the values are rclpy's."""

    SUCCESS = 97
    FAILURE = 98
    ERROR = 99


class LifecycleState(NamedTuple):
    """A state as callbacks get it."""

    label: str
    state_id: int


class Transition(NamedTuple):
    """A way from one state to another, as ids of STATES."""

    id: int
    label: str
    start: int
    goal: int


STATES = {
    0: "unknown",
    1: "unconfigured",
    2: "inactive",
    3: "active",
    4: "finalized",
    10: "configuring",
    11: "cleaningup",
    12: "shuttingdown",
    13: "activating",
    14: "deactivating",
    15: "errorprocessing",
}
ERROR_PROCESSING = 15
_START = 1


def _outcomes(first_id: int, start: int, success: int, failure: int, error: int = ERROR_PROCESSING) -> list[Transition]:
    goals = zip(("success", "failure", "error"), (success, failure, error), strict=True)
    return [Transition(first_id + n, f"transition_{word}", start, goal) for n, (word, goal) in enumerate(goals)]


TRANSITIONS = (
    Transition(1, "configure", 1, 10),
    *_outcomes(10, 10, success=2, failure=1),
    Transition(2, "cleanup", 2, 11),
    *_outcomes(20, 11, success=1, failure=2),
    Transition(3, "activate", 2, 13),
    *_outcomes(30, 13, success=3, failure=2),
    Transition(4, "deactivate", 3, 14),
    *_outcomes(40, 14, success=2, failure=3),
    Transition(5, "shutdown", 1, 12),
    Transition(6, "shutdown", 2, 12),
    Transition(7, "shutdown", 3, 12),
    *_outcomes(50, 12, success=4, failure=4),
    *_outcomes(60, ERROR_PROCESSING, success=1, failure=4, error=4),
)


class StateMachine:
    """Where a node is in its life cycle, beginning with unconfigured."""

    def __init__(self) -> None:
        self._state = _START

    @property
    def current_state(self) -> tuple[int, str]:
        """Id and label."""
        return self._state, STATES[self._state]

    @property
    def available_transitions(self) -> list[Transition]:
        """What can be done in this state, and during a transition its outcomes."""
        return [transition for transition in TRANSITIONS if transition.start == self._state]

    def find(self, id_or_label: int | str) -> Transition:
        """A transition of this state. Raises ConfigError that names those there are."""
        available = self.available_transitions
        for transition in available:
            if id_or_label in (transition.id, transition.label):
                return transition
        accepted = ", ".join(f"{transition.label} ({transition.id})" for transition in available) or "none"
        raise ConfigError(
            f"transition {id_or_label!r} is not possible in state {STATES[self._state]}; accepted: {accepted}"
        )

    def take(self, transition: Transition) -> None:
        """Go where a transition of this state leads."""
        self._state = transition.goal

    def outcome(self, result: TransitionCallbackReturn) -> Transition:
        """The transition out of a transition state that a callback's result means."""
        return self.find(f"transition_{result.name.lower()}")
