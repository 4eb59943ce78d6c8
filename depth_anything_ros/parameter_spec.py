"""One parameter of the node: what it is called, what it accepts, and when it may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .errors import ConfigError

Change = Literal["live", "unconfigured", "never"]
"""When a parameter may change: for the next frame; while the node is unconfigured; not after the start."""

CHANGE_WORDS: Mapping[Change, str] = {
    "live": "takes effect on the next frame",
    "unconfigured": "is read when the node is configured",
    "never": "is read at the start",
}


@dataclass(frozen=True, kw_only=True)
class ParameterSpec:
    """One parameter; the type is the default's, an empty tuple stands for a list of text."""

    name: str
    default: bool | int | float | str | tuple[str, ...]
    description: str
    change: Change
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def check(self, value: Any) -> Any:
        """Return the value, a list as a tuple. Raises ConfigError, naming the value and what is accepted."""
        if isinstance(self.default, tuple):
            # ROS cannot tell the type of an empty list; a list of one empty text stands for it.
            value = tuple(filter(None, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
        if type(value) is not type(self.default):
            raise ConfigError(f"parameter {self.name} is {value!r}; accepted: {self.accepted}")
        fits = not self.choices or value in self.choices
        if isinstance(value, (int, float)) and self.low is not None and self.high is not None:
            fits = self.low <= value <= self.high
        if isinstance(value, tuple):
            fits = len(set(value)) == len(value) and all(_is_topic_part(name) for name in value)
        if not fits:
            raise ConfigError(f"parameter {self.name} is {value!r}; accepted: {self.accepted}")
        return value

    @property
    def accepted(self) -> str:
        """What is accepted, in words."""
        if self.choices:
            return ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "true, false"
        if isinstance(self.default, tuple):
            return "a list of different names of letters, digits and _"
        if self.low is not None and self.high is not None:
            kind = "a whole number" if isinstance(self.default, int) else "a number with a decimal point"
            return f"{kind} from {self.low:g} to {self.high:g}"
        return "text"


def _is_topic_part(name: Any) -> bool:
    return isinstance(name, str) and name.isascii() and name.isidentifier()
