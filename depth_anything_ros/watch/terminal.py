"""A live picture in the terminal: two pixels a character with half blocks and 24-bit colour, below a table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from ..render import DepthImage, DepthScale, RGBImage, colourise_depth

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW, _RESET = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[0m"
_HALF_BLOCK = "▀"
_MIN_ROWS = 4
_LEGEND_COLUMNS = 24


def can_show_pictures(out: TextIO) -> bool:
    """Whether `out` is a terminal that can take colours and half blocks."""
    if not out.isatty() or os.environ.get("TERM", "dumb") == "dumb" or "NO_COLOR" in os.environ:
        return False
    try:
        _HALF_BLOCK.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def half_blocks(image_HW3: RGBImage) -> list[str]:
    """Return lines of text that show a picture (H, W, 3), H even: each character is two pixels, one above the other."""
    return [_line(image_HW3[row], image_HW3[row + 1]) for row in range(0, image_HW3.shape[0] - 1, 2)]


def side_by_side_blocks(
    image_HW3: RGBImage | None, depth_HW: DepthImage | None, scale: DepthScale, columns: int, rows: int
) -> list[str]:
    """Return at most `rows` lines of `columns` characters: the camera, beside it the coloured depth, a scale in metres.

    Either may be absent; the aspect is kept. No lines where there is no room.
    """
    rows -= 1  # the scale's
    shown = [picture for picture in (image_HW3, depth_HW) if picture is not None]
    if not shown or rows < _MIN_ROWS:
        return []
    # One cell is two pixels high, and about twice as high as wide: pixels are square.
    height, width = shown[-1].shape[:2]
    panel_width = min((columns - 1) // 2, round(2 * rows * width / height))
    panel_height = max(2, round(panel_width * height / width) // 2 * 2)
    size = (max(1, panel_width), panel_height)
    blocks = []
    if image_HW3 is not None:
        blocks.append(half_blocks(np.asarray(cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA), np.uint8)))
    if depth_HW is not None:
        # Sampled: a mean across an edge would show a distance at which nothing is.
        sampled_HW = np.asarray(cv2.resize(depth_HW, size, interpolation=cv2.INTER_NEAREST), np.float32)
        blocks.append(half_blocks(colourise_depth(sampled_HW, scale)))
    lines = [" ".join(parts) for parts in zip(*blocks, strict=True)]
    return lines if depth_HW is None else [*lines, _legend(scale, columns)]


class LiveScale:
    """The metres of the colours, kept from frame to frame so that they can be compared, until they no longer fit."""

    def __init__(self) -> None:
        self.scale = DepthScale(0.0, 1.0)
        self._is_set = False

    def fit(self, depth_HW: DepthImage) -> DepthScale:
        """Return the scale for a depth image (H, W) [m]."""
        if not np.isfinite(depth_HW).any():
            return self.scale
        own = DepthScale.of([depth_HW[::2, ::2]])
        is_fitting = 0.65 * self.scale.far_m <= own.far_m <= 1.05 * self.scale.far_m
        if not self._is_set or not is_fitting or own.near_m < 0.8 * self.scale.near_m:
            self.scale, self._is_set = DepthScale.of([depth_HW], headroom=1.15), True
        return self.scale


class Screen:
    """A terminal taken over while this context is open; what was on it before comes back afterwards."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __enter__(self) -> Screen:
        self._write(_ENTER)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._write(_LEAVE)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        columns, rows = shutil.get_terminal_size()
        return max(columns, 20), max(rows, 4)

    def draw(self, text: Sequence[str], picture: Sequence[str]) -> None:
        """Replace what is shown by lines of text, cut to the width, and the lines of a picture."""
        columns, rows = self.size
        lines = [line[:columns] for line in text][:rows]
        lines += picture[: rows - len(lines)]
        self._write(_HOME + f"{_CLEAR_LINE}\r\n".join(lines) + _CLEAR_LINE + _CLEAR_BELOW)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _legend(scale: DepthScale, columns: int) -> str:
    metres = np.linspace(scale.near_m, scale.far_m, _LEGEND_COLUMNS, dtype=np.float32)
    bar = half_blocks(colourise_depth(np.tile(metres, (2, 1)), scale))[0]
    words = "  grey: no depth, black: beyond, white: too near"
    ends = (f"{scale.near_m:g} m ", f" {scale.far_m:g} m")
    room = columns - _LEGEND_COLUMNS - len(ends[0]) - len(ends[1])
    return ends[0] + bar + ends[1] + (words if len(words) <= room else "")


def _line(upper_W3: NDArray[np.uint8], lower_W3: NDArray[np.uint8]) -> str:
    """One row of characters; a colour is named only where it changes."""
    parts, before = [], (b"", b"")
    for upper, lower in zip(upper_W3, lower_W3, strict=True):
        colours = (upper.tobytes(), lower.tobytes())
        if colours[0] != before[0]:
            parts.append("\x1b[38;2;{};{};{}m".format(*colours[0]))
        if colours[1] != before[1]:
            parts.append("\x1b[48;2;{};{};{}m".format(*colours[1]))
        parts.append(_HALF_BLOCK)
        before = colours
    return "".join(parts) + _RESET
