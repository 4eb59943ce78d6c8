"""Readers of data sets, one module each, found by the ``kind`` of a recipe's source.

A module has ``open_samples(path, *, ...) -> SampleSource``: its keyword arguments are the options that a recipe may
give, and its docstring says which layout it expects. Nothing is read before a sample is asked for, but the list of
them; a layout that is not the expected one is a ``SourceError`` that says what is.
"""

from __future__ import annotations

import importlib
import inspect
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from depth_anything_ros.errors import ConfigError, SourceError

from ..config_tree import convert, nearest
from ..samples import DepthSample, SampleSource

KINDS = {
    "synthetic": "shards",
    "frames": "frames",
    "folder": "folder",
    "bag": "bag",
    "pseudo": "pseudo",
    "blendedmvs": "blendedmvs",
    "diml": "diml",
    "hrwsi": "hrwsi",
    "hypersim": "hypersim",
    "irs": "irs",
    "kitti": "kitti",
    "megadepth": "megadepth",
    "nyuv2": "nyuv2",
    "tartanair": "tartanair",
    "vkitti2": "vkitti2",
}
"""Kind in a recipe: module in this package."""


class Part:
    """Positions ``first`` to ``last`` (included; -1 takes all that follow) of a source."""

    def __init__(self, source: SampleSource, first: int, last: int) -> None:
        self._source = source
        self._positions = range(len(source))[first : None if last < 0 else last + 1]

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int) -> DepthSample:
        return self._source[self._positions[index]]


def open_source(kind: str, path: str, options: dict[str, Any], *, first: int = 0, last: int = -1) -> SampleSource:
    """The samples of one source of a recipe. Raises ``ConfigError`` for a kind or an option that there is not,
    ``SourceError`` for data that cannot be read or for none.
    """
    if kind not in KINDS:
        raise ConfigError(f"sources.kind {kind!r}; {nearest(kind, list(KINDS))}")
    opener = importlib.import_module(f".{KINDS[kind]}", __package__).open_samples
    sky = {key: str(options[key]) for key in SKY_KEYS if key in options}
    options = {key: value for key, value in options.items() if key not in SKY_KEYS}
    source: SampleSource = opener(Path(path), **_checked(opener, options, f"source {kind} {path}"))
    if sky:
        # Not at the top: it reads masks with a module of this package.
        from ..sky import with_sky

        source = with_sky(source, **sky)
    if (first, last) != (0, -1):
        source = Part(source, first, last)
    if len(source) == 0:
        raise SourceError(f"{path}: no samples {first} to {'the end' if last < 0 else last} of kind {kind}")
    return source


def _checked(opener: Callable[..., SampleSource], options: dict[str, Any], place: str) -> dict[str, Any]:
    """The options of a reader in its own types; ``ConfigError`` for one that it has not, or needs and is not given."""
    known = {
        name: item for name, item in inspect.signature(opener).parameters.items() if item.kind is item.KEYWORD_ONLY
    }
    for key in options:
        if key not in known:
            raise ConfigError(f"{place}: unknown key {key!r}; {nearest(key, [*BASE_KEYS, *SKY_KEYS, *known])}")
    for name, item in known.items():
        if item.default is item.empty and name not in options:
            raise ConfigError(f"{place}: the option {name} is missing; it is needed")
    hints = typing.get_type_hints(opener)
    return {key: convert(hints[key], value, f"{place}: {key}") for key, value in options.items()}


BASE_KEYS: Sequence[str] = ("kind", "path", "weight", "first", "last")
"""What every source of a recipe has; all other keys are options of its reader."""

SKY_KEYS: Sequence[str] = ("sky", "sky_masks")
"""What every source may have besides: where its sky comes from, see ``sky.with_sky``."""
