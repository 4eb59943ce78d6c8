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
USE_ENCODER = ("teacher", "student", "metric")
"""The stages whose networks begin with the recipe's ``encoder``."""
FREE = {"pseudo_label": ("workers", "batch_size")}
"""Keys of a stage's section on which its result does not depend: ``checkpoint_every`` for all that are not here."""


def stage_folder(recipe: Recipe, stage: str) -> Path:
    """Where a stage of the recipe writes."""
    return Path(recipe.out) / stage


def checkpoint_of(recipe: Recipe, name: str, *, strict: bool = True) -> Path:
    """The checkpoint that ``name`` stands for: a stage of this run (its best, else its last), or a file.

    Raises ConfigError where it is not there, and, if ``strict``, where the stage was done with other values than the
    recipe has now; what only looks at the checkpoint is told so instead.
    """
    if name not in STAGES:
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{name}: no such checkpoint, and no stage; stages are {', '.join(STAGES)}")
        return path
    folder = stage_folder(recipe, name)
    found = next((folder / file for file in (BEST, LAST) if (folder / file).is_file()), None)
    if found is None or not (folder / DONE).is_file():
        raise ConfigError(f"{folder}: stage {name} is not done; run it first: python -m training {name} --recipe ...")
    require_same(recipe, name, strict=strict)
    return found


def require_same(recipe: Recipe, stage: str, *, strict: bool) -> None:
    """``ConfigError``, or a printed note if not ``strict``, where a finished stage is of other values of the recipe."""
    if stage not in recipe.stages() or is_done(recipe, stage):
        return
    said = f"{stage_folder(recipe, stage)}: stage {stage} was done with other values than the recipe has now"
    if strict:
        raise ConfigError(f"{said}; restore them, or take another out and run it again")
    from .run_dir import say  # it stands on this module

    say(f"note: {said}")


def needs_of(recipe: Recipe, stage: str) -> tuple[str, ...]:
    """The references of a stage to checkpoints: names of stages, or files."""
    section: Any = recipe.section(stage)
    names = [getattr(section, key, "") for key in ("init", "teacher", "model", "feature_encoder")]
    if stage in USE_ENCODER:
        names.append(recipe.encoder)
    if stage == "student" and not section.pseudo:
        names.append("pseudo_label")
    return tuple(name for name in dict.fromkeys(names) if name and name != "random")


def deciding_values(recipe: Recipe, stage: str) -> dict[str, Any]:
    """What of a recipe's own values the result of ``stage`` depends on, the stages before it left out: the common ones,
    and its section with the sources that it names written out. What only says how it is computed is not in it.
    """
    tree = recipe_to_dict(recipe)
    common = ["name", "seed", "network", "interpolation", *(["encoder"] if stage in USE_ENCODER else [])]
    section = {key: value for key, value in tree[stage].items() if key not in FREE.get(stage, ("checkpoint_every",))}
    for key in ("sources", "validation", "pseudo"):
        if key in section:
            section[key] = [tree["data"][item] if isinstance(item, str) else item for item in section[key]]
    return {**{key: tree[key] for key in common}, stage: section}


def fingerprint(recipe: Recipe, stage: str) -> str:
    """SHA-256 over all that a stage's result depends on, the stages before it included."""
    needs = needs_of(recipe, stage)
    builds_on = {name: fingerprint(recipe, name) if name in recipe.stages() else name for name in needs}
    text = json.dumps([stage, deciding_values(recipe, stage), builds_on], sort_keys=True)
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
    """Every stage of the recipe in order; done ones are skipped, and said so. Data that is not there is an error of its
    reader before the first stage begins, not after days of training.
    """
    from .run_dir import say  # it stands on this module

    _require_data(recipe)
    for stage in recipe.stages():
        if is_done(recipe, stage):
            say(f"{stage}: done already in {stage_folder(recipe, stage)}")
            continue
        say(f"{stage}: {run_stage(recipe, stage)}")


def _require_data(recipe: Recipe) -> None:
    """Raises what the reader raises of data of a stage to come that is not there; what this run makes may be absent."""
    from .sources import open_source

    made = Path(recipe.out).resolve()
    for stage in (name for name in recipe.stages() if not is_done(recipe, name)):
        section: Any = recipe.section(stage)
        for key in ("sources", "validation"):
            for item in recipe.sources(getattr(section, key, ())):
                path = Path(item.path)
                if not path.exists() and made not in path.resolve().parents:
                    open_source(item.kind, item.path, item.options)
