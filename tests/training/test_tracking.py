"""The log: a line per step, what a killed run wrote too much is taken out, and nothing in it is not JSON."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros.errors import MissingDependency
from training.tracking import Tracker


def tracker_of(folder: Path, *, step: int = 0, **changes: Any) -> Tracker:
    options: dict[str, Any] = {"steps": 4, "batch_size": 8, "name": "tiny", "figures": {}, "tensorboard": False}
    return Tracker(folder, step=step, **{**options, **changes})


def lines(folder: Path) -> list[dict[str, Any]]:
    entries = [json.loads(line, parse_constant=pytest.fail) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in entries]


def test_steps_behind_the_checkpoint_and_half_a_line_are_taken_out(tmp_path: Path) -> None:
    tracker = tracker_of(tmp_path)
    tracker.steps([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}, {"step": 3, "loss": 0.125}])
    tracker.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    tracker = tracker_of(tmp_path, step=2, figures={"abs_rel": 0.1})
    tracker.steps([{"step": 3, "loss": 0.75, "abs_rel": math.nan}])
    tracker.close()
    assert lines(tmp_path) == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 0.25, "abs_rel": 0.1},
        {"step": 3, "loss": 0.75, "abs_rel": None},
    ]


def test_the_terminal_shows_images_and_the_time_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracker = tracker_of(tmp_path, step=1)
    tracker.steps([{"step": 2, "loss": 0.5}, {"step": 3, "loss": 0.25}])
    tracker.close()
    shown = capsys.readouterr().err.split("\r")[-1]
    assert "tiny:  75%" in shown and "24.0/32.0" in shown and "image/s" in shown and "loss 0.25" in shown
    assert "<" in shown


def test_a_log_without_its_library_names_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingDependency, match=r"tensorboard is not installed; .*\[train\]"):
        tracker_of(tmp_path, tensorboard=True)
