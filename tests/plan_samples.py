"""Plan keys and records for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from depth_anything_ros.engines.plan_cache import PlanCache, PlanRecord
from depth_anything_ros.engines.plan_key import PlanKey


def make_key(**changes: Any) -> PlanKey:
    """A valid key."""
    values: dict[str, Any] = {
        "network": "tiny",
        "artifact_sha256": "a" * 64,
        "rung": "fp16",
        "max_batch": 1,
        "height": 28,
        "width": 42,
        "tensorrt": "10.3.0",
        "cuda": 12,
        "gpu": "NVIDIA Orin",
        "compute_capability": "8.7",
        "num_multiprocessors": 16,
    }
    return PlanKey(**values | changes)


def store_plan(cache: PlanCache, key: PlanKey, data: bytes = b"plan", verdict: str = "accepted") -> PlanRecord:
    """Keep a plan of these bytes, as if it had been built and judged."""
    cache.open()
    path = cache.new_plan_path(key)
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    record = PlanRecord(key=key, verdict=verdict, plan_sha256=digest, plan_bytes=len(data), build_s=100.0)
    return cache.store(record.with_verdict(verdict), path)


def mode_of(path: Path) -> int:
    """Permission bits of a file."""
    return path.stat().st_mode & 0o777
