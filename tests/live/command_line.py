"""What the processes of the live tests share: commands on stdin and records on stdout, one JSON object a line."""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from depth_anything_ros import ros
from depth_anything_ros.ros import DurabilityPolicy, QoSProfile, ReliabilityPolicy

_POLL_S = 0.02
_PRINT = threading.Lock()


def say(**record: Any) -> None:
    """Write one record."""
    with _PRINT:
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()


def obey(node: Any, handlers: Mapping[str, Callable[..., Any]]) -> None:
    """Run the commands that come on stdin in the thread that spins, each answered by a record with its ``id``.

    A command is ``{"id": 1, "do": "name", ...}``; what else it holds are the handler's keyword arguments.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)

    def run_next() -> None:
        while not lines.empty():
            command = json.loads(lines.get())
            number, name = command.pop("id"), command.pop("do")
            say(id=number, answer=handlers[name](**command))

    threading.Thread(target=read, name="stdin", daemon=True).start()
    node.create_timer(_POLL_S, run_next)


def qos(reliability: str = "reliable", durability: str = "volatile", depth: int = 10) -> QoSProfile:
    """A QoS profile by the names of its policies."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy[reliability.upper()],
        durability=DurabilityPolicy[durability.upper()],
    )


def spin(node: Any) -> None:
    """Say that the process is ready, and spin until it is told to end."""
    say(ready=node.get_fully_qualified_name())
    try:
        ros.spin(node)
    except (KeyboardInterrupt, ros.ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        ros.try_shutdown()
