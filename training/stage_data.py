"""What a stage checks of its sources before it trains, and what its checkpoint says of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from depth_anything_ros.errors import ConfigError, SourceError
from depth_anything_ros.fingerprint import image_dhash

from .config import Recipe
from .fit_config import FitConfig, SourceConfig
from .samples import DepthSample, SampleSource
from .sources import open_source

PROBES = 8
"""Samples of each source that are looked at before a training begins."""
TRACED_KINDS = ("frames", "bag", "folder", "pseudo")
"""Kinds that hold a robot's own recordings; the public sets are named in the provenance instead."""
MAX_TRACED = 2000


def training_sources(recipe: Recipe, stage: str) -> tuple[SourceConfig, ...]:
    """The labelled sources of a stage. ConfigError where one is validated on as well, or where there is none."""
    config: FitConfig = recipe.section(stage)
    sources, held_out = recipe.sources(config.sources), recipe.sources(config.validation)
    if not sources:
        raise ConfigError(f"{stage}.sources: at least one source is needed")
    refuse_overlap(sources, held_out, stage)
    return sources


def refuse_overlap(sources: Sequence[SourceConfig], held_out: Sequence[SourceConfig], stage: str) -> None:
    """ConfigError where samples would be both trained and validated on."""
    for item in sources:
        for other in held_out:
            same = (item.kind, Path(item.path).resolve(), item.options) == (
                other.kind, Path(other.path).resolve(), other.options,
            )  # fmt: skip
            ends = [one.last if one.last >= 0 else float("inf") for one in (item, other)]
            if same and item.first <= ends[1] and other.first <= ends[0]:
                raise ConfigError(
                    f"{stage}.validation: {name_of(other)} is trained on as well ({name_of(item)}); "
                    "samples that are not are accepted"
                )


def probe(sources: Sequence[SourceConfig], *, metric: bool = False) -> None:
    """Look at a few samples of every source, evenly spread, so that a mistake ends the run before its first step.

    Raises SourceError where none of a source's has a valid label, and for ``metric`` where one is not in metres.
    """
    for item in sources:
        source = opened(item)
        indices = np.unique(np.linspace(0, len(source) - 1, PROBES).round().astype(int))
        found = [source[int(index)] for index in indices]
        for sample in found if metric else ():
            require_metric(sample)
        if not any(sample.valid_HW.any() for sample in found):
            raise SourceError(f"{name_of(item)}: no valid label in {len(found)} samples across it; labels are needed")


def require_metric(sample: DepthSample) -> None:
    """SourceError for a sample whose depth is not in metres."""
    if sample.quantity == "depth" and not sample.camera_known:
        raise SourceError(
            f"{sample.source}: a camera without intrinsics; the stage metric accepts depth with fx (or K), or hfov_deg"
        )
    if not sample.is_metric:
        raise SourceError(f"{sample.source}: {sample.quantity} without metres; the stage metric accepts metric depth")


def opened(item: SourceConfig) -> SampleSource:
    """The samples of one source of a recipe."""
    return open_source(item.kind, item.path, item.options, first=item.first, last=item.last)


def name_of(item: SourceConfig) -> str:
    """A source in words: kind, path, options and which of its samples."""
    options = "".join(f" {key}={value}" for key, value in item.options.items())
    part = "" if (item.first, item.last) == (0, -1) else f" {item.first}..{item.last if item.last >= 0 else 'end'}"
    return f"{item.kind} {item.path}{options}{part}"


def checkpoint_meta(
    recipe: Recipe, stage: str, sources: Iterable[SourceConfig], *, quantity: str, init: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a checkpoint tells of its making: ``quantity``, ``trained_frames``, ``provenance`` and, where they bind what
    is made of it, the terms of the weights that it continues (``licence``).

    ``init`` is the meta of the checkpoint that it continues, whose frames count as seen.
    """
    sources = tuple(sources)
    inherited = init or {}
    provenance = {
        "recipe": recipe.name,
        "stage": stage,
        "sources": "; ".join(name_of(item) for item in sources),
        "encoder": recipe.encoder or "random",
        "revision": _revision(),
    }
    if init is not None:
        section = recipe.section(stage)
        earlier = inherited.get("provenance", {})
        provenance["init"] = " ".join(filter(None, (section.init, earlier.get("model") or earlier.get("recipe"))))
        provenance["init_sources"] = earlier.get("sources", "")
    frames = {*trained_frames(sources), *inherited.get("trained_frames", ())}
    meta = {"quantity": quantity, "trained_frames": sorted(frames), "provenance": provenance}
    licence = inherited.get("licence")
    return {**meta, "licence": licence} if licence and licence["category"] != "permissive" else meta


def trained_frames(sources: Iterable[SourceConfig]) -> set[str]:
    """Fingerprints of the frames of ``TRACED_KINDS``; of a source with more than ``MAX_TRACED`` frames none."""
    marks: set[str] = set()
    for item in sources:
        if item.kind in TRACED_KINDS:
            samples = opened(item)
            if len(samples) <= MAX_TRACED:
                marks |= {image_dhash(samples[index].image_HW3) for index in range(len(samples))}
    return marks


def _revision() -> str:
    try:
        command = ["git", "rev-parse", "--short=12", "HEAD"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
