"""The papers' ablation on a small stand-in: what pseudo-labels, perturbation and feature alignment bring.

    python benchmarks/ablation.py [--seeds 0 1 2] [--steps 1000] [--parallel 2] [key=value ...]

One encoder (stage 0), one teacher and one labelling are shared by all arms; an arm is one training of the same length
from the same encoder with a fresh decoder. Arms that are done are not done again. ``key=value`` replaces a value of
training/recipes/ablation.yaml, for all of them alike. Prints the table of docs/BENCHMARKS.md; whatever comes out is
printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from training.config import load_recipe
from training.sources.shards import ShardedSamples
from training.stages import stage_folder

RECIPE = ROOT / "training" / "recipes" / "ablation.yaml"
NO_PERTURBATION = {f"student.perturb.{name}": 0 for name in ("colour", "grey", "blur", "cutmix")}
PLAIN = {"student.feature_weight": 0, "student.ignore_share": 0, **NO_PERTURBATION}
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    "labels only": ("teacher", {}),
    "+ pseudo-labels, not perturbed": ("student", PLAIN),
    "+ perturbation": ("student", {"student.feature_weight": 0, "student.ignore_share": 0}),
    "+ feature alignment": ("student", {"student.ignore_share": 0}),
    "  the same, to a random encoder": ("student", {"student.ignore_share": 0, "student.feature_encoder": "random"}),
    "V2: pseudo-labels only, top 10 % ignored": ("student", {"student.sources": []}),
}


def main() -> int:
    """Do what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1000, help="steps of every arm; the teacher has the recipe's")
    parser.add_argument("--parallel", type=int, default=2, help="arms at a time, one thread each (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("build/ablation"))
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_args()
    images = options.out / "images"
    write_images(images, options.overrides)
    shared = [f"out={options.out / 'shared'}", f"pseudo_label.images=[{images}]", *options.overrides]
    for stage in ("pretrain", "teacher", "pseudo_label"):
        command(stage, shared)
    jobs = [(name, seed) for seed in options.seeds for name in ARMS]
    with ThreadPoolExecutor(options.parallel) as pool:
        rows = list(tqdm(pool.map(lambda job: run_arm(*job, options), jobs), total=len(jobs), unit="arm"))
    print(table(jobs, rows, options))
    return 0


def write_images(folder: Path, overrides: Sequence[str]) -> None:
    """The images of the full style that get no labels, as the files that the stage pseudo_label reads."""
    source = load_recipe(RECIPE, overrides).data["full_style"]
    samples = ShardedSamples(Path(source.path))
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(source.first, source.last + 1):
        path = folder / f"{index:05d}.png"
        if not path.exists():
            cv2.imwrite(str(path), np.ascontiguousarray(samples[index].image_HW3[..., ::-1]))


def run_arm(name: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Train and evaluate one arm; its figures on the test scenes."""
    stage, changes = ARMS[name]
    shared, folder = options.out / "shared", options.out / f"arm_{list(ARMS).index(name)}_seed_{seed}"
    changes = {
        "out": folder, "seed": seed, "encoder": shared / "pretrain" / "last.safetensors",
        "student.pseudo": f"[{{kind: pseudo, path: {shared / 'pseudo_label'}}}]", "evaluate.model": stage,
        f"{stage}.steps": options.steps, **changes,
    }  # fmt: skip
    overrides = [*(f"{key}={value}" for key, value in changes.items()), *options.overrides]
    for part in (stage, "evaluate"):
        command(part, overrides)
    result = json.loads((stage_folder(load_recipe(RECIPE, overrides), "evaluate") / "evaluation.json").read_text())
    return figures_of(result)


def figures_of(result: dict[str, Any]) -> dict[str, float]:
    """abs_rel and delta1 of the affine-aligned answer, over all test samples."""
    (group,) = result["groups"]
    return {name: float(group["affine"][name]) for name in ("abs_rel", "delta1")}


def command(stage: str, overrides: Sequence[str]) -> None:
    """One stage in a process of its own; its words go to a log beside its results. The recipe gives it one thread."""
    out = next(Path(item.partition("=")[2]) for item in overrides if item.startswith("out="))
    out.mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-m", "training", stage, "--recipe", str(RECIPE), *overrides]
    with (out / f"{stage}.log").open("a") as log:
        done = subprocess.run(line, cwd=ROOT, stdout=log, stderr=log, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}: exit code {done.returncode}; see {out / f'{stage}.log'}")


def table(jobs: list[tuple[str, int]], rows: list[dict[str, float]], options: argparse.Namespace) -> str:
    """Mean over the seeds, and the spread where there are several."""
    lines = [
        f"{options.steps} steps per arm, seeds {', '.join(map(str, options.seeds))}",
        "| arm | abs_rel | delta1 |",
        "|---|---|---|",
    ]
    for name in ARMS:
        cells = []
        for key in ("abs_rel", "delta1"):
            values = [row[key] for (arm, _), row in zip(jobs, rows, strict=True) if arm == name]
            spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.4f}{spread}")
        lines.append(f"| {name.strip()} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
