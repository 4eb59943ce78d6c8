"""Running the command in tests, and reading back what it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from depth_anything_ros import outputs
from depth_anything_ros.cli import main
from tests.sample_bags import STORE

QUICK = ("--no-video", "--no-pictures")
ALL = {"bag", "cloud.png", "contact_sheet.png", "depth", "frames.csv", "side_by_side.mp4", "summary.json"}


def run(source: Path | str, out: Path, *options: str, engine: str = "plane") -> int:
    return main(["run", str(source), "--out", str(out), "--engine", engine, *options])


def summary_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "summary.json").read_text())


def visible(out: Path) -> set[str]:
    return {path.name for path in out.iterdir() if not path.name.startswith(".")}


def leftovers(out: Path) -> list[Path]:
    return [path for path in out.rglob(".*") if path.name != outputs.MARKER]


def read_bag(path: Path) -> dict[str, list[Any]]:
    """All messages of a bag by topic, read by rosbags itself."""
    from rosbags.rosbag2 import Reader

    messages: dict[str, list[Any]] = {}
    with Reader(path) as reader:
        for connection, stamp, data in reader.messages():
            message = STORE.deserialize_cdr(data, connection.msgtype)
            messages.setdefault(connection.topic, []).append((stamp, message))
    return messages


def one_line_error(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("depth_anything_ros: error:")]
    assert len(lines) == 1, lines
    return lines[0]
