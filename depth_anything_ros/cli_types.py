"""Types of command-line values, each refusing with one line what is not accepted, and options that commands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path


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
device_number = number(int, lambda value: 0 <= value <= 63, "a whole number from 0 to 63")
port_number = number(int, lambda value: 0 <= value <= 65535, "a port, 0 (any free one) to 65535")


def add_camera_arguments(group: argparse._ActionsContainer, *, holder: str) -> None:
    """Define which images and intrinsics of a source count; with --rectified it is P of the ``holder``."""
    group.add_argument("--image-topic", metavar="TOPIC", help="which images, where a bag has several cameras")
    group.add_argument("--camera-info-topic", metavar="TOPIC", help="which CameraInfo; default: beside the images")
    group.add_argument(
        "--camera-info",
        metavar="FILE.yaml",
        type=Path,
        help="calibration file of camera_calibration; goes before the bag's",
    )
    group.add_argument(
        "--rectified",
        action="store_true",
        help=f"the images are rectified: P of {holder} holds (default: raw, K and D)",
    )
