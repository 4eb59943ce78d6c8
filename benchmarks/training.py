#!/usr/bin/env python3
"""How fast training goes: images/s of the loader alone, of the step alone, and of both together.

    python benchmarks/training.py [key=value ...] [--recipe FILE] [--steps 20] [--workers 0 2]

The recipe's stage metric is measured (default: training/recipes/synthetic.yaml, after its scenes were rendered). The
loader alone also says how many cores it keeps busy; both together, how long the step waits for batches, and by how much
it is slower than alone: on a CPU the two share the cores.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch

from training.config import Recipe, load_recipe
from training.held_out import HeldOut
from training.initial import fresh_network
from training.loader import load_batches, to_device
from training.metric import MetricBatches, MetricObjective
from training.optim import build_optimiser


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=ROOT / "training" / "recipes" / "synthetic.yaml")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = load_recipe(
            options.recipe, [f"out={folder}", "metric.init=", "metric.validation=[]", *options.overrides]
        )
        print(table(recipe, options.steps, options.workers))
    return 0


def table(recipe: Recipe, steps: int, workers: list[int]) -> str:
    """Rows of images/s, the cores that the loader keeps busy, and what the step loses."""
    if recipe.compute.threads:
        torch.set_num_threads(recipe.compute.threads)
    config = recipe.section("metric")
    batches = MetricBatches(
        config, recipe.sources(config.sources), seed=recipe.seed, interpolation=recipe.interpolation
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = fresh_network(recipe, "metric", head=config.head, max_depth_m=config.head_max_depth_m)
    objective = MetricObjective(network, HeldOut(recipe, "metric"), config).to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.compute.compile:
        objective.compile()
    step = Step(objective, config, device)
    height, width = batches.batch(0, range(1)).image_nhw3.shape[1:3]
    lines = [
        f"batch {config.batch_size}, {width}x{height} and near it, {device}, {torch.get_num_threads()} threads, "
        f"{os.cpu_count()} cores",
        "| loader | alone [images/s] | cores busy | step alone | both | of it waiting | slower than alone |",
        "|---|---|---|---|---|---|---|",
    ]
    fixed = [to_device(batches.batch(number, range(config.batch_size)), device) for number in range(steps)]
    for count in workers:
        loader, cores = loader_alone(batches, config.batch_size, steps, count)
        # In turns, so that what else the machine does meets both alike.
        alone, both = [], []
        for _ in range(3):
            alone.append(step.rate(iter(fixed), steps))
            both.append(step.rate(loaded(batches, config.batch_size, steps, count), steps))
        best_alone, (best_both, waiting) = max(alone)[0], max(both)
        name = f"{count} processes" if count else "thread"
        lost = f"{waiting:.1%} | {1 - best_both / best_alone:.1%}"
        lines.append(f"| {name} | {loader:.0f} | {cores:.2f} | {best_alone:.1f} | {best_both:.1f} | {lost} |")
    return "\n".join(lines)


class Step:
    """Forward, backward and optimiser on given batches."""

    def __init__(self, objective: MetricObjective, config: Any, device: torch.device) -> None:
        self._objective, self._device, self._batch_size = objective, device, config.batch_size
        self._optimiser = build_optimiser(objective, config)
        objective.network.train()

    def rate(self, batches: Any, steps: int) -> tuple[float, float]:
        """Images/s, and the share of the time that it waits for batches; the first step, in which the loader fills up,
        is left out.
        """
        start = waited = 0.0
        for number in range(steps):
            asked = time.perf_counter()
            batch = to_device(next(batches), self._device)
            waited += time.perf_counter() - asked if number else 0.0
            if number == 0:
                start = time.perf_counter()
                continue
            self._optimiser.zero_grad(set_to_none=True)
            loss, _ = self._objective(batch, number)
            loss.backward()
            self._optimiser.step()
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        wall = time.perf_counter() - start
        return (steps - 1) * self._batch_size / wall, waited / wall


def loaded(batches: MetricBatches, batch_size: int, steps: int, workers: int) -> Any:
    """The loader as the training uses it."""
    return load_batches(batches, start=0, stop=steps, parts=[range(batch_size)], workers=workers)


def loader_alone(batches: MetricBatches, batch_size: int, steps: int, workers: int) -> tuple[float, float]:
    """Images/s and the mean number of busy cores while nothing is learnt, over at least ten batches."""
    count = max(10, steps)
    made = loaded(batches, batch_size, count, workers)
    next(made)
    start, cpu = time.perf_counter(), os.times()
    for _ in made:
        pass
    wall, after = time.perf_counter() - start, os.times()
    # The processes of the loader have ended, so their time is counted with this one's children.
    busy = (after.user - cpu.user) + (after.system - cpu.system)
    busy += (after.children_user - cpu.children_user) + (after.children_system - cpu.children_system)
    return (count - 1) * batch_size / wall, busy / wall


if __name__ == "__main__":
    sys.exit(main())
