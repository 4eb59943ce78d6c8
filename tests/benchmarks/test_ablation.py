"""The ablation on very few scenes and steps: every arm is trained and measured once, and the table comes out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TINY = (
    "data.plain_images.last=19", "data.labelled.last=19", "data.labelled.kinds=[]", "data.labelled_held_out.first=20",
    "data.full_style.last=29", "data.test.first=30", "compute.tensorboard=false", "pseudo_label.shard_images=20",
    "pretrain.steps=2", "teacher.steps=2", "teacher.warmup_steps=0", "student.warmup_steps=0",
)  # fmt: skip
SMALL = ("pretrain.batch_size=4", "teacher.batch_size=4", "student.batch_size=6")


def render(folder: Path, style: str, count: int) -> Path:
    subprocess.run(
        [
            sys.executable, "-m", "training.sources.synthetic", "--out", str(folder), "--count", str(count),
            "--style", style, "--shard", "20",
        ],
        check=True,
    )  # fmt: skip
    return folder


@pytest.mark.slow
def test_all_arms_once(repository: Path, tmp_path: Path) -> None:
    plain, full = render(tmp_path / "plain", "plain", 24), render(tmp_path / "full", "full", 34)
    paths = [
        *(f"data.{name}.path={plain}" for name in ("plain_images", "labelled", "labelled_held_out")),
        *(f"data.{name}.path={full}" for name in ("full_style", "test")),
    ]
    command = [
        sys.executable, "benchmarks/ablation.py", "--seeds", "0", "1", "--steps", "2", "--out", str(tmp_path / "out"),
        *TINY, *SMALL, *paths,
    ]  # fmt: skip
    first = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"^\| (.*?) \| (\d\.\d{4}) ± (\d\.\d{4}) \| \d\.\d{3,4} ± \d\.\d{4} \|$", first, re.MULTILINE)
    assert len(rows) == 6 and rows[0][0] == "labels only"
    # Another seed is another network, and another arm another training.
    assert all(float(spread) > 0 for _, _, spread in rows)
    assert len({mean for _, mean, _ in rows}) > 3
    checkpoints = sorted((tmp_path / "out").rglob("last.safetensors"))
    assert len(checkpoints) == 2 + 12
    times = [path.stat().st_mtime_ns for path in checkpoints]
    again = subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout
    assert again == first and times == [path.stat().st_mtime_ns for path in checkpoints]
