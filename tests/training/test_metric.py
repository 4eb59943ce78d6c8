"""The stage ``metric`` from its command line: files, validation figures, DONE, and an honest exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.training.sources.test_frames import write_index
from tests.training.tiny_training import tiny_recipe, write_shards
from training.__main__ import main
from training.checkpoint import load_checkpoint


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    frames = {"kind": "frames", "path": str(write_index(tmp_path)), "dataset": "made", "first": 1, "last": 1}
    tree = tiny_recipe(write_shards(tmp_path / "shards"), validation=[frames])
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path / "tiny.yaml"


def test_a_run_leaves_checkpoint_recipe_figures_and_done(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["metric", "--recipe", str(recipe), "--out", str(out), "steps=4"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "last.safetensors")
    assert sorted(path.name for path in out.iterdir()) == ["DONE", "last.safetensors", "log.jsonl", "recipe.json"]
    assert json.loads((out / "recipe.json").read_text())["steps"] == 4
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == [3, 4]
    assert all(entry["made[1:1] abs_rel"] > 0 for entry in entries)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_is_not_done_and_goes_on(
    recipe: Path, tmp_path: Path, repository: Path, number: int
) -> None:
    out = tmp_path / "run"
    arguments = ["metric", "--recipe", str(recipe), "--out", str(out), "checkpoint_every=5"]
    command = [sys.executable, "-m", "training", *arguments, "steps=1000000"]
    with subprocess.Popen(command, cwd=repository, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (out / "last.safetensors").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "the same command continues" in error
    assert not (out / "DONE").exists()
    reached = load_checkpoint(out / "last.safetensors")[1]["step"]
    assert 5 <= reached < 1_000_000
    assert main([*arguments, f"steps={reached + 1}"]) == 0
    assert load_checkpoint(out / "last.safetensors")[1]["step"] == reached + 1


def test_a_mistake_is_one_line_and_exit_code_2(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metric", "--recipe", str(recipe), "--out", str(tmp_path / "run"), "stps=4"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "did you mean steps" in error
    assert not (tmp_path / "run").exists()
