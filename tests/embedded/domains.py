"""Domain ids that no other test process on this machine uses at the same time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

_FIRST, _LAST = 100, 230
# A lock lasts as long as its file is open: until this process ends, however it ends.
_held: dict[int, IO[str]] = {}


def unused_domain() -> int:
    """Return a ROS_DOMAIN_ID that nobody else has taken; it is this process's until it ends."""
    folder = Path(tempfile.gettempdir()) / f"depth_anything_ros_domains.{os.getuid()}"
    folder.mkdir(exist_ok=True)
    count = _LAST - _FIRST + 1
    for offset in range(count):
        domain = _FIRST + (os.getpid() + offset) % count
        if domain in _held:
            continue
        file = (folder / f"{domain}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            continue
        _held[domain] = file
        return domain
    raise RuntimeError(f"all domain ids from {_FIRST} to {_LAST} are taken")
