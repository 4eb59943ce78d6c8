"""``open_source``: options are the reader's own, of its types, and those that it needs must be there."""

from __future__ import annotations

import importlib
import inspect
import typing
from pathlib import Path

import pytest

from depth_anything_ros.errors import ConfigError, SourceError
from tests.training.sources.hrwsi_files import write_hrwsi
from training.sources import BASE_KEYS, KINDS, SKY_KEYS, open_source


@pytest.mark.parametrize("module", sorted(set(KINDS.values())))
def test_every_reader_has_options_that_a_recipe_can_give(module: str) -> None:
    opener = importlib.import_module(f"training.sources.{module}").open_samples
    hints = typing.get_type_hints(opener)
    path, *options = inspect.signature(opener).parameters.values()
    assert path.name == "path" and hints["path"] is Path
    for option in options:
        assert option.kind is option.KEYWORD_ONLY and option.name in hints
        assert option.name not in (*BASE_KEYS, *SKY_KEYS)


def test_options_are_checked_before_the_reader_is_called(tmp_path: Path) -> None:
    folder = str(write_hrwsi(tmp_path))
    assert len(open_source("hrwsi", folder, {"split": "val"})) == 1
    for kind, options, said in (
        ("hrsi", {}, "did you mean hrwsi"),
        ("hrwsi", {"spilt": "val"}, "unknown key 'spilt'; did you mean split"),
        ("hrwsi", {"split": 3}, "source hrwsi .*: split: 3; a text is accepted"),
        ("kitti", {}, "source kitti .*: the option files is missing; it is needed"),
        ("kitti", {"files": "list.txt", "kb_crop": "yes"}, "kb_crop: 'yes'; true or false is accepted"),
        ("diml", {"min_confidence": "much"}, "min_confidence: 'much'; a number is accepted"),
    ):
        with pytest.raises(ConfigError, match=said):
            open_source(kind, folder, options)


def test_a_part_that_is_empty_is_named(tmp_path: Path) -> None:
    folder = str(write_hrwsi(tmp_path))
    assert len(open_source("hrwsi", folder, {}, first=0, last=0)) == 1
    with pytest.raises(SourceError, match="no samples 1 to the end of kind hrwsi"):
        open_source("hrwsi", folder, {}, first=1)
