"""What arrives in another process: data sets and segmenters are sent to those that load."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from typing import TypeVar

Thing = TypeVar("Thing")


def sent(thing: Thing) -> Thing:
    """``thing`` as a process that it is sent to gets it."""
    arrived: Thing = ForkingPickler.loads(bytes(ForkingPickler.dumps(thing)))
    return arrived
