"""The picture in the terminal, read back from its escape sequences: right colours, right size, a scale in metres."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from depth_anything_ros.render import NO_DEPTH_RGB, DepthScale, colourise_depth
from depth_anything_ros.watch.terminal import LiveScale, Screen, can_show_pictures, half_blocks, side_by_side_blocks
from tests.sample_bags import picture

SCALE = DepthScale(1.0, 5.0)


def pixels_of(line: str) -> np.ndarray:
    """The (2, W, 3) pixels that one line of half blocks shows; other text is skipped."""
    upper, lower, columns = (0, 0, 0), (0, 0, 0), []
    for codes, character in re.findall("\x1b\\[([0-9;]*)m|(.)", line):
        numbers = [int(code) for code in codes.split(";") if code]
        if numbers[:2] == [38, 2]:
            upper = tuple(numbers[2:5])
        elif numbers[:2] == [48, 2]:
            lower = tuple(numbers[2:5])
        elif character == "▀":
            columns.append((upper, lower))
    return np.array(columns, np.uint8).transpose(1, 0, 2)


def visible(line: str) -> str:
    return re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", line)


def test_half_blocks_show_every_pixel() -> None:
    image_HW3 = picture(3, 12, 8)
    image_HW3[2:4, 4:9] = 7  # equal neighbours, whose colour is named once
    lines = half_blocks(image_HW3)
    np.testing.assert_array_equal(np.concatenate([pixels_of(line) for line in lines]), image_HW3)
    assert all(line.endswith("\x1b[0m") for line in lines)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (200, 50), (40, 60), (120, 8)])
def test_camera_and_depth_fit_the_terminal(columns: int, rows: int) -> None:
    lines = side_by_side_blocks(picture(0, 64, 48), np.full((48, 64), 2.0, np.float32), SCALE, columns, rows)
    assert 0 < len(lines) <= rows
    assert all(len(visible(line)) <= columns for line in lines)
    width, height = (len(visible(lines[0])) - 1) // 2, 2 * (len(lines) - 1)
    assert width / height == pytest.approx(64 / 48, rel=0.2)
    assert columns - len(visible(lines[0])) < 3 or rows - len(lines) < 2  # as large as there is room for


def test_depth_has_the_colours_of_the_scale_and_no_others() -> None:
    depth_HW = np.where(np.arange(64) < 32, np.float32(1.5), np.float32(4.0)) * np.ones((48, 1), np.float32)
    depth_HW[:24] = np.nan
    lines = side_by_side_blocks(None, depth_HW, SCALE, 80, 24)
    shown = {tuple(colour) for line in lines[:-1] for colour in pixels_of(line).reshape(-1, 3).tolist()}
    ends = colourise_depth(np.array([[1.5, 4.0]], np.float32), SCALE).reshape(-1, 3).tolist()
    assert shown == {NO_DEPTH_RGB, *map(tuple, ends)}


def test_the_scale_is_written_in_metres() -> None:
    lines = side_by_side_blocks(picture(), np.full((48, 64), 2.0, np.float32), DepthScale(0.5, 12.0), 120, 24)
    assert visible(lines[-1]).startswith("0.5 m ")
    assert " 12 m  grey: no depth" in visible(lines[-1])


def test_without_room_or_pictures_there_are_no_lines() -> None:
    assert side_by_side_blocks(picture(), None, SCALE, 80, 3) == []
    assert side_by_side_blocks(None, None, SCALE, 80, 24) == []


def test_the_live_scale_stays_until_it_no_longer_fits() -> None:
    live = LiveScale()
    ramp = np.linspace(1.0, 4.0, 4800, dtype=np.float32).reshape(60, 80)
    first = live.fit(ramp)
    assert first.near_m <= 1.0 and first.far_m >= 4.0
    assert live.fit(ramp * np.float32(1.05)) == first
    assert live.fit(np.full((60, 80), np.nan, np.float32)) == first
    assert live.fit(ramp * np.float32(3.0)).far_m >= 12.0
    assert live.fit(ramp * np.float32(0.3)).far_m < 3.0


class FakeTerminal(io.StringIO):
    """Text output that says it is a terminal of some encoding."""

    def __init__(self, encoding: str = "utf-8", is_terminal: bool = True) -> None:
        super().__init__()
        self._encoding, self._is_terminal = encoding, is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


def test_pictures_are_for_colour_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert can_show_pictures(FakeTerminal())
    assert not can_show_pictures(FakeTerminal(is_terminal=False))
    assert not can_show_pictures(FakeTerminal("ascii"))
    monkeypatch.setenv("TERM", "dumb")
    assert not can_show_pictures(FakeTerminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not can_show_pictures(FakeTerminal())


def test_the_screen_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "6")
    out = FakeTerminal()

    def draw_and_fail() -> None:
        with Screen(out) as screen:
            screen.draw(["x" * 50, "second"], [f"picture {row}" for row in range(20)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        draw_and_fail()
    text = out.getvalue()
    assert text.startswith("\x1b[?1049h") and text.endswith("\x1b[?25h\x1b[?1049l")
    drawn = visible(text).split("\r\n")
    assert len(drawn) == 6
    assert drawn[:3] == ["x" * 30, "second", "picture 0"]
