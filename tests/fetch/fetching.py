"""Calls of ``fetch``, and what its tests ask of the outcome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from depth_anything_ros.fetch.command import Fetched, FetchOptions, fetch

WEIGHTS = bytes(range(256)) * 800
"""What stands for weights where the conversion is ``fake_conversion``."""


def quiet(what: str, fraction: float | None) -> None:
    """Nothing."""


def get(what: str, **options: Any) -> Fetched:
    """Fetch, with options as the command has them."""
    return fetch(FetchOptions(what=what, **options), quiet)


def job_of(fetched: Fetched) -> dict[str, Any]:
    """What the conversion was asked for."""
    return dict(json.loads(fetched.spec.provenance["job"]))


def visible(folder: Path) -> set[str]:
    """Names in a folder, without locks."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}
