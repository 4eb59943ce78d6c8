"""A training small enough for a test, as a stage would start it; run as a script, it is one process of many.

``tiny_fit.py FOLDER_OF_SHARDS OUT JSON``: JSON holds, by the name of a run's folder in OUT, its values of ``teacher``
and ``compute``, ``best`` and ``delay_s``. Beside each run every process leaves the name of what it says was made.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from depth_anything_ros.networks import build_network
from tests.training.tiny_training import TINY_NETWORK
from training.batches import Batch, LabelledBatches
from training.config import Recipe, recipe_from_dict
from training.loop import fit
from training.objective import Objective


class TinyObjective(Objective):
    """Disparity by its mean absolute error per image, with a trained scale beside the network, a frozen module as big
    as the encoder of a student's, and a parameter that no loss reaches.
    """

    def __init__(self, recipe: Recipe, *, best: str = "", figures: dict[int, float] | None = None) -> None:
        super().__init__()
        self.network = build_network(recipe.network_config(head="relu"))
        with torch.no_grad():
            # From random weights half of a ReLU head's values may be 0, and learn nothing.
            self.network.head.depth.bias.fill_(0.5)
            self.scale = nn.Linear(1, 1)
            self.scale.weight.fill_(0.8)
            self.scale.bias.fill_(0.0)
        self.unreached = nn.Parameter(torch.ones(3, 2))
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        # What every process makes for itself: that of the first counts.
        self.register_buffer("offset", torch.tensor(0.1 if os.environ.get("RANK", "0") == "0" else 5.0))
        self.best, self.delay_s = best, 0.0
        self._figures = figures
        self.validations: list[dict[str, float]] = []

    def forward(self, batch: Batch, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if self.delay_s:
            time.sleep(self.delay_s)
        disparity_nhw = self.scale(self.network.logits(batch.image_nhw3)[0].float().unsqueeze(-1)).squeeze(-1)
        error_nhw = (disparity_nhw + self.offset - batch.disparity_nhw).abs() * batch.disparity_valid_nhw
        loss = (error_nhw.flatten(1).sum(1) / batch.disparity_valid_nhw.flatten(1).sum(1).clamp(min=1)).mean()
        return loss, {"l1": loss.detach()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        if not self.best:
            return {}
        # What is trained beside the network is whole here, also where processes share it.
        assert self.scale(torch.ones(1, 1)).isfinite()
        weight = float(next(network.parameters()).detach().abs().sum())
        count = len(self.validations)
        self.validations.append({self.best: self._figures[count] if self._figures else weight, "weight": weight})
        return self.validations[-1]

    def pictures(self, network: nn.Module, batch: Batch) -> dict[str, Any]:
        assert not network.training
        return {"image": np.asarray(batch.image_nhw3[0])}


def recipe_of(shards: Path, out: Path, *, compute: dict[str, Any] | None = None, **teacher: Any) -> Recipe:
    """Six steps of four images of 28x28 with a checkpoint in the middle; values of ``teacher`` and ``compute``
    replace these.
    """
    section = {
        "sources": ["planes"], "steps": 6, "batch_size": 4, "short_sides": [28], "learning_rate": 1e-3,
        "checkpoint_every": 3, "decay_share": 0.0, "ema_decay": 0.9, **teacher,
    }  # fmt: skip
    return recipe_from_dict(
        {
            "name": "tiny", "out": str(out), "network": TINY_NETWORK, "teacher": section,
            "data": {"planes": {"kind": "synthetic", "path": str(shards)}},
            "compute": {"threads": 1, "tensorboard": False, **(compute or {})},
        },
        "test",
    )  # fmt: skip


def fit_tiny(recipe: Recipe, objective: TinyObjective | None = None) -> Path:
    """What stage ``teacher`` of the recipe makes."""
    config = recipe.section("teacher")
    batches = LabelledBatches(config, recipe.sources(config.sources), seed=recipe.seed, interpolation="area")
    return fit(objective or TinyObjective(recipe), batches, config, recipe, "teacher", meta={"quantity": "disparity"})


def log_of(out: Path) -> list[dict[str, Any]]:
    """The lines of the log of a run in ``out``."""
    return [json.loads(line) for line in (out / "teacher" / "log.jsonl").read_text().splitlines()]


def losses_of(out: Path) -> list[float]:
    """The loss of every step."""
    return [entry["loss"] for entry in log_of(out)]


def main(shards: str, out: str, options: str) -> None:
    """One process of trainings, one after the other."""
    for name, values in json.loads(options).items():
        recipe = recipe_of(Path(shards), Path(out) / name, compute=values.get("compute"), **values.get("teacher", {}))
        objective = TinyObjective(recipe, best=values.get("best", ""))
        objective.delay_s = values.get("delay_s", 0.0)
        made = fit_tiny(recipe, objective)
        (Path(out) / name / f"made_by_{os.environ['RANK']}").write_text(made.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
