"""Values of the command line: what is accepted, and how the rest is refused."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from depth_anything_ros.cli_types import image_size, not_negative, port_number, positive, positive_int


@pytest.mark.parametrize(
    ("convert", "text", "value"),
    [
        (positive_int, "3", 3),
        (positive, "0.5", 0.5),
        (not_negative, "0", 0.0),
        (port_number, "0", 0),
        (port_number, "65535", 65535),
        (image_size, "640x480", (640, 480)),
        (image_size, "1280X720", (1280, 720)),
    ],
)
def test_accepted(convert: Callable[[str], object], text: str, value: object) -> None:
    assert convert(text) == value


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (positive_int, "0"),
        (positive_int, "1.5"),
        (positive, "inf"),
        (positive, "-1"),
        (not_negative, "nan"),
        (port_number, "65536"),
        (image_size, "640"),
        (image_size, "640x0"),
        (image_size, "640x-1"),
        (image_size, "axb"),
    ],
)
def test_refused_with_what_is_accepted(convert: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}'; accepted: "):
        convert(text)
