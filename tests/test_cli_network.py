"""The options of a network on the command line, and the line that shows progress."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from depth_anything_ros.cli_network import ProgressLine, add_network_arguments, engine_options
from depth_anything_ros.engine_options import EngineOptions
from depth_anything_ros.errors import ConfigError


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_network_arguments(parser)
    return parser.parse_args(arguments)


def test_without_arguments_the_options_are_the_defaults() -> None:
    assert engine_options(parsed()) == EngineOptions()


def test_every_argument_arrives() -> None:
    options = engine_options(
        parsed(
            *(
                "--engine",
                "tensorrt",
                "--precision",
                "fp16",
                "--threads",
                "2",
                "--device",
                "1",
                "--resize",
                "long_side:392",
            ),
            *("--accept-license", "unclear", "--accept-license", "cc-by-nc-4.0", "--cpu-fallback"),
            *("--plan", "a.plan", "--workspace-mb", "512"),
        )
    )
    assert options == EngineOptions(
        engine="tensorrt",
        precision="fp16",
        threads=2,
        device=1,
        resize="long_side:392",
        accept_license=("unclear", "cc-by-nc-4.0"),
        cpu_fallback=True,
        plan=Path("a.plan"),
        workspace_mb=512,
    )


def test_options_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="for the engine tensorrt"):
        engine_options(parsed("--plan", "a.plan"))


STEPS = (("building: 1 min left", 0.1), ("building: 2 s left", 0.9), ("checking", None))


def test_elsewhere_each_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as progress:
        for what, fraction in STEPS:
            progress(what, fraction)
    assert capsys.readouterr().err == "building: 1 min left\nbuilding: 2 s left\nchecking\n"


def test_a_step_whose_numbers_change_is_the_same_step(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as progress:
        for second in range(3):
            progress(f"building, {second} s", second / 3)
    assert capsys.readouterr().err == "building, 0 s\n"


def test_on_a_terminal_a_step_overwrites_itself_and_the_next_begins_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressLine() as progress:
        progress("building, 1 s", 0.25)
        progress("building, 2 s", 0.5)
        progress("checking", None)
    clear = "\r\x1b[K"
    assert capsys.readouterr().err == (f"{clear}building, 1 s: 25%{clear}building, 2 s: 50%\n{clear}checking\n")
