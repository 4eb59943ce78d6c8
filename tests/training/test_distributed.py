"""Two processes of ``torchrun`` learn what one learns, whether each holds the network or they share it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from depth_anything_ros.errors import ConfigError
from tests.training import tiny_fit
from tests.training.tiny_fit import TinyObjective, fit_tiny, log_of, losses_of, recipe_of
from tests.training.tiny_training import write_shards
from training.checkpoint import load_checkpoint
from training.run_dir import RunDir
from training.stages import is_done

UNEVEN = {"batch_size": 5}
CASES: dict[str, dict[str, Any]] = {
    "ddp": {"best": "weight"},
    "uneven": {"teacher": UNEVEN, "compute": {"accumulate": 2}},
    "fsdp": {"best": "weight", "compute": {"strategy": "fsdp", "accumulate": 2}},
}


def torchrun(shards: Path, out: Path, cases: dict[str, Any]) -> subprocess.Popen[str]:
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", tiny_fit.__file__]
    return subprocess.Popen(
        [sys.executable, *command, str(shards), str(out), json.dumps(cases)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def alone(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of the same."""
    out = tmp_path_factory.mktemp("alone")
    fit_tiny(recipe_of(shards, out / "even"))
    fit_tiny(recipe_of(shards, out / "uneven", **UNEVEN))
    return out


@pytest.fixture(scope="module")
def together(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases by two processes; ``fsdp`` was begun by one."""
    out = tmp_path_factory.mktemp("together")
    recipe = recipe_of(shards, out / "fsdp", steps=3)
    fit_tiny(recipe, TinyObjective(recipe, best="weight"))
    process = torchrun(shards, out, CASES)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    return out


@pytest.mark.parametrize("case", CASES)
def test_two_processes_learn_what_one_learns(alone: Path, together: Path, shards: Path, case: str) -> None:
    expected = alone / ("uneven" if case == "uneven" else "even")
    assert losses_of(together / case) == pytest.approx(losses_of(expected), rel=1e-5)
    norms = [[entry["gradient_norm"] for entry in log_of(out)] for out in (together / case, expected)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    found, wanted = (load_checkpoint(out / "teacher" / "last.safetensors")[0] for out in (together / case, expected))
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=2e-5, msg=name)
    section = {"steps": 6, **(CASES[case].get("teacher", {}))}
    assert is_done(recipe_of(shards, together / case, **section), "teacher")


def test_every_process_is_told_what_was_made(together: Path) -> None:
    for name, case in CASES.items():
        made = {(together / name / f"made_by_{rank}").read_text() for rank in (0, 1)}
        assert made == {"best.safetensors" if "best" in case else "last.safetensors"}


def test_the_first_process_alone_validates(together: Path) -> None:
    for case in ("ddp", "fsdp"):
        assert [entry["step"] for entry in log_of(together / case) if "weight" in entry] == [3, 6]


def test_what_shared_processes_made_goes_on_in_one(together: Path, alone: Path, shards: Path) -> None:
    for out in (together / "fsdp", alone / "even"):
        recipe = recipe_of(shards, out, steps=8)
        fit_tiny(recipe, TinyObjective(recipe))
    assert losses_of(together / "fsdp")[6:] == pytest.approx(losses_of(alone / "even")[6:], rel=1e-4)


@pytest.mark.slow
def test_a_terminated_torchrun_saves_and_goes_on(shards: Path, alone: Path, tmp_path: Path) -> None:
    slow = {"run": {"delay_s": 0.5, "teacher": {"checkpoint_every": 100}}}
    process = torchrun(shards, tmp_path, slow)
    log = tmp_path / "run" / "teacher" / "log.jsonl"
    while not (log.is_file() and len(log.read_text().splitlines()) >= 2):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    step = load_checkpoint(tmp_path / "run" / "teacher" / "last.safetensors")[1]["step"]
    assert 2 <= step < 6 and len(losses_of(tmp_path / "run")) == step
    process = torchrun(shards, tmp_path, {"run": {"teacher": {"checkpoint_every": 100}}})
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert losses_of(tmp_path / "run") == pytest.approx(losses_of(alone / "even")[:6], rel=1e-5)


def test_a_stage_for_one_process_is_refused_to_several(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    recipe = recipe_of(shards, tmp_path)
    with (
        pytest.raises(ConfigError, match="stage pseudo_label: one process is accepted, not 2"),
        RunDir(recipe, "pseudo_label"),
    ):
        pass
