"""The options that choose a network, what runs it and on which terms; the same for every command that has one."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from pathlib import Path

from depth_anything_ros.cli_types import device_number, positive_int
from depth_anything_ros.engine_options import ENGINES, PRECISIONS, EngineOptions


def add_network_arguments(group: argparse._ActionsContainer) -> None:
    """Define --model and what ``engine_options`` reads."""
    group.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="an .onnx file with its spec beside it, its folder, or a fetched model's name (default: the starter)",
    )
    group.add_argument("--engine", choices=ENGINES, default="auto", help="what runs it (default: auto)")
    group.add_argument("--precision", choices=PRECISIONS, default="auto", help="default: auto")
    group.add_argument("--threads", metavar="N", type=positive_int, help="CPU threads (default: the engine's choice)")
    group.add_argument(
        "--resize",
        metavar="KIND:N",
        default="",
        help="another input size: short_side:392, long_side:518 [px] (default: the network's own)",
    )
    add_licence_argument(group)
    group.add_argument("--device", metavar="N", type=device_number, default=0, help="CUDA device (default: 0)")
    group.add_argument(
        "--cpu-fallback",
        action="store_true",
        help="tensorrt: run on the CPU where no plan passes its check (default: that is an error)",
    )
    group.add_argument(
        "--plan",
        metavar="FILE",
        type=Path,
        help="tensorrt: a plan from elsewhere; it is code that runs as you: only what you trust",
    )
    group.add_argument(
        "--workspace-mb", metavar="MB", type=positive_int, default=0, help="tensorrt: device memory for building"
    )


def add_licence_argument(group: argparse._ActionsContainer) -> None:
    """Define --accept-license."""
    group.add_argument(
        "--accept-license",
        metavar="NAME",
        action="append",
        default=[],
        help="terms of weights that you accept by name: cc-by-nc-4.0, unclear; may be repeated",
    )


def engine_options(args: argparse.Namespace) -> EngineOptions:
    """The engine's options of parsed arguments; progress goes to the terminal. Raises ConfigError."""
    names = {field.name for field in dataclasses.fields(EngineOptions)} & vars(args).keys()
    values = {name: getattr(args, name) for name in names}
    values["accept_license"] = tuple(values.get("accept_license", ()))
    return EngineOptions(**values, report=ProgressLine())


class ProgressLine:
    """Shows progress on stderr: one line that is overwritten on a terminal, elsewhere a line for each new step.

    A step is known by its words; the numbers in them may change while it lasts. No words end the line, as does leaving
    the ``with`` block.
    """

    def __init__(self) -> None:
        self._step = ""
        self._has_line = False
        self._is_terminal = sys.stderr.isatty()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self("", None)

    def __call__(self, what: str, fraction: float | None) -> None:
        step = re.sub(r"\d+", "", what)
        is_new, self._step = step != self._step, step
        if not self._is_terminal:
            if is_new and what:
                print(what, file=sys.stderr, flush=True)
            return
        if self._has_line and is_new:
            print(file=sys.stderr)
        self._has_line = bool(what)
        if what:
            line = what if fraction is None else f"{what}: {fraction:.0%}"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
