"""The embedded runtime, joined for one test on a domain of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.embedded.domains import unused_domain


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> int:
    """An unused domain id, in the environment of this process and of those it starts; discovery on this machine."""
    chosen = unused_domain()
    for name in ("ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS", "CYCLONEDDS_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DOMAIN_ID", str(chosen))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    return chosen


@pytest.fixture
def ros(domain: int) -> Iterator[ModuleType]:
    """``depth_anything_ros.embedded``, after ``init`` without arguments."""
    from depth_anything_ros import embedded

    embedded.init(args=[])
    yield embedded
    embedded.try_shutdown()


@pytest.fixture
def spin_until() -> Callable[..., bool]:
    """Spin nodes in turn until a condition holds; whether it did within the time [s]."""
    from depth_anything_ros.embedded import spin_once

    def run(condition: Callable[[], Any], *nodes: Any, timeout_sec: float = 10.0) -> bool:
        deadline = time.monotonic() + timeout_sec
        while not condition():
            if time.monotonic() > deadline:
                return False
            for node in nodes:
                spin_once(node, timeout_sec=0.02)
        return True

    return run
