"""Types of command-line values: each refuses what is not accepted with one line that says what is."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def number(kind: Callable[[str], float], accepted: Callable[[float], bool], words: str) -> Callable[[str], float]:
    """Return an argparse type: `kind` of the text, if it is `accepted`; `words` say in an error what is."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not accepted(value):
            raise argparse.ArgumentTypeError(f"{text!r}; accepted: {words}")
        return value

    return convert


def image_size(text: str) -> tuple[int, int]:
    """Return (width, height) [px] of a text such as 640x480."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: WIDTHxHEIGHT in pixels, as 640x480")
    return int(width), int(height)


positive_int = number(int, lambda value: value >= 1, "a whole number of at least 1")
positive = number(float, lambda value: 0 < value < math.inf, "a number above 0")
not_negative = number(float, lambda value: 0 <= value < math.inf, "a number of at least 0")
port_number = number(int, lambda value: 0 <= value <= 65535, "a port, 0 (any free one) to 65535")
