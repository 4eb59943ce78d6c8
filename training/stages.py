"""The stages of a run: where each writes, what each builds on, what is done already."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from typing import Any

from depth_anything_ros.errors import ConfigError

from .config import STAGES, Recipe, recipe_to_dict

BEST, LAST = "best.safetensors", "last.safetensors"
DONE = "DONE"


def stage_folder(recipe: Recipe, stage: str) -> Path:
    """Where a stage of the recipe writes."""
    return Path(recipe.out) / stage


def checkpoint_of(recipe: Recipe, name: str) -> Path:
    """The checkpoint that ``name`` stands for: a stage of this run (its best, else its last), or a file."""
    if name not in STAGES:
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{name}: no such checkpoint, and no stage; stages are {', '.join(STAGES)}")
        return path
    folder = stage_folder(recipe, name)
    found = next((folder / file for file in (BEST, LAST) if (folder / file).is_file()), None)
    if found is None or not (folder / DONE).is_file():
        raise ConfigError(f"{folder}: stage {name} is not done; run it first: python -m training {name} --recipe ...")
    return found


def needs_of(recipe: Recipe, stage: str) -> tuple[str, ...]:
    """The references of a stage to checkpoints: names of stages, or files."""
    section: Any = recipe.section(stage)
    names = [getattr(section, key, "") for key in ("init", "teacher", "model", "feature_encoder")]
    if stage in ("teacher", "student", "metric"):
        names.append(recipe.encoder)
    if stage == "student" and not section.pseudo:
        names.append("pseudo_label")
    return tuple(name for name in dict.fromkeys(names) if name and name != "random")


def fingerprint(recipe: Recipe, stage: str) -> str:
    """SHA-256 over all that a stage's result depends on: its section, the network, the data, the stages before it."""
    tree = recipe_to_dict(recipe)
    free = ("checkpoint_every", "workers", "batch_size") if stage == "pseudo_label" else ("checkpoint_every",)
    section = {key: value for key, value in tree[stage].items() if key not in free}
    common = {key: tree[key] for key in ("name", "seed", "network", "encoder", "interpolation", "data")}
    needs = needs_of(recipe, stage)
    builds_on = {name: fingerprint(recipe, name) if name in recipe.stages() else name for name in needs}
    text = json.dumps([stage, section, common, builds_on], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def is_done(recipe: Recipe, stage: str) -> bool:
    """Whether the stage's folder holds the finished result of exactly this recipe."""
    done = stage_folder(recipe, stage) / DONE
    try:
        return bool(json.loads(done.read_text(encoding="utf-8"))["fingerprint"] == fingerprint(recipe, stage))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def run_stage(recipe: Recipe, stage: str) -> Path:
    """Run one stage, going on where it stopped; returns what it made. A stage that is done is not done again."""
    recipe.section(stage)
    result: Path = importlib.import_module(f".{stage}", __package__).run(recipe)
    return result


def run_all(recipe: Recipe) -> None:
    """Every stage of the recipe in order; done ones are skipped, and said so."""
    from .run_dir import say  # it stands on this module

    for stage in recipe.stages():
        if is_done(recipe, stage):
            say(f"{stage}: done already in {stage_folder(recipe, stage)}")
            continue
        say(f"{stage}: {run_stage(recipe, stage)}")
