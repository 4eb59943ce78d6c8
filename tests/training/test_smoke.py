"""The smoke recipe as a user runs it: rendered scenes, every stage, and its engine in the node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engine import load_engine
from depth_anything_ros.pipeline import DepthPipeline
from training.config import load_recipe


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=400,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The folder of a whole run, and what it printed in ``said``."""
    folder = tmp_path_factory.mktemp("smoke")
    scenes, out = folder / "scenes", folder / "run"
    size = ["--width", "96", "--height", "72"]
    made = command("training.sources.synthetic", "--out", str(scenes), "--count", "28", *size, cwd=repository)
    assert made.returncode == 0, made.stderr
    recipe = str(repository / "training" / "recipes" / "smoke.yaml")
    overrides = [f"out={out}", f"data.scenes.path={scenes}", f"data.held_out.path={scenes}", "compute.threads=1"]
    done = command("training", "run", "--recipe", recipe, *overrides, cwd=repository)
    assert done.returncode == 0, done.stderr
    (folder / "said").write_text(done.stdout)
    again = command("training", "run", "--recipe", recipe, *overrides, cwd=repository)
    assert again.returncode == 0, again.stderr
    (folder / "said_again").write_text(again.stdout)
    return folder


def test_the_smoke_recipe_runs_all_stages_and_the_pipeline_loads_its_engine(run_folder: Path) -> None:
    out = run_folder / "run"
    stages = load_recipe(Path(__file__).resolve().parents[2] / "training" / "recipes" / "smoke.yaml").stages()
    assert stages == ("pretrain", "teacher", "pseudo_label", "student", "metric", "evaluate", "export")
    for stage in stages:
        assert (out / stage / "DONE").is_file(), stage
    with load_engine(out / "export" / "smoke.onnx") as engine:
        assert engine.spec.meaning == "metric_canonical" and engine.spec.sky_output
        camera = CameraModel(width=64, height=48, fx=50, fy=50, cx=31.5, cy=23.5)
        image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        (frame,) = DepthPipeline(engine).run([CameraFrame(image, camera, 0, "camera")])
    assert frame.depth_HW.shape == (48, 64) and np.isfinite(frame.depth_HW).any()


def test_the_student_learnt_from_the_shipped_recording_and_the_evaluation_has_its_figures(run_folder: Path) -> None:
    index = json.loads((run_folder / "run" / "pseudo_label" / "index.json").read_text())
    assert index["samples"] == sum(shard["samples"] for shard in index["shards"]) > 10
    (group,) = json.loads((run_folder / "run" / "evaluate" / "evaluation.json").read_text())["groups"]
    assert group["frames"] == 4 and {"unaligned", "median", "affine"} <= set(group)
    assert "affine" in (run_folder / "said").read_text()


def test_what_is_done_is_not_done_again(run_folder: Path) -> None:
    lines = (run_folder / "said_again").read_text().splitlines()
    assert len(lines) == 7 and all(": done already in " in line for line in lines)
