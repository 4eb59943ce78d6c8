"""The life of the process in the graph: ``init``, ``spin``, shutdown. One thread runs all callbacks of a node."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from .arguments import RosArguments
from .graph import Graph
from .logging import Logger
from .network import network_settings
from .transport import Participant

if TYPE_CHECKING:
    from .node import Node

# A signal is seen by Python between two waits only.
_LONGEST_WAIT_SEC = 0.1


class ExternalShutdownException(Exception):
    """Spinning ended because the process was asked to shut down."""

    def __init__(self) -> None:
        super().__init__("shut down by a signal or by try_shutdown()")


class NotInitializedException(Exception):
    """A node was made before ``init()`` or after ``try_shutdown()``."""

    def __init__(self) -> None:
        super().__init__("init() was not called, or try_shutdown() was")


class Context:
    """What all nodes of the process share: arguments, participant, graph, and whether to go on."""

    def __init__(self, arguments: RosArguments) -> None:
        settings = network_settings()
        self.arguments = arguments
        self.participant = Participant(settings.domain_id, settings.configuration)
        self.graph = Graph(self.participant)
        self.is_ok = True
        self._previous_handlers: dict[int, Any] = {}
        logger = Logger("network")
        for warning in settings.warnings:
            logger.warning(warning)

    def handle_signals(self) -> None:
        """Let SIGINT and SIGTERM end spinning. Signals reach the main thread only; elsewhere nothing changes."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous_handlers[number] = signal.signal(number, self._receive_signal)

    def close(self) -> None:
        """Give signals back, leave the graph."""
        self.is_ok = False
        for number, handler in self._previous_handlers.items():
            if signal.getsignal(number) == self._receive_signal:
                signal.signal(number, handler)
        self._previous_handlers.clear()
        self.participant.close()

    def _receive_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.is_ok:
            # Asked twice: a callback does not return.
            raise KeyboardInterrupt
        self.is_ok = False


_context: Context | None = None


def init(*, args: list[str] | None = None) -> None:
    """Join the graph; ROS arguments are read from ``args`` (by default the process's own).

    Raises ConfigError for arguments and environment variables that are not accepted, RuntimeError if called twice.
    """
    global _context
    if _context is not None:
        raise RuntimeError("init() was called before; try_shutdown() comes first")
    _context = Context(RosArguments.parse(args))
    _context.handle_signals()


def ok() -> bool:
    """Whether the process has joined the graph and was not asked to leave it."""
    return _context is not None and _context.is_ok


def try_shutdown() -> None:
    """Leave the graph, with all that nodes still have in it; without ``init()`` before it, nothing happens."""
    global _context
    context, _context = _context, None
    if context is not None:
        context.close()


def current_context() -> Context:
    """What ``init`` made. Raises NotInitializedException."""
    if _context is None:
        raise NotInitializedException
    return _context


def spin(node: Node) -> None:
    """Run the node's callbacks until shutdown, which raises ExternalShutdownException. What they raise goes on."""
    while True:
        spin_once(node)


def spin_once(node: Node, *, timeout_sec: float | None = None) -> None:
    """Wait for work, at most ``timeout_sec`` [s] (None: without limit), and do what there is of it."""
    deadline = float("inf") if timeout_sec is None else time.monotonic() + max(0.0, timeout_sec)
    while True:
        if not ok():
            raise ExternalShutdownException
        remaining = deadline - time.monotonic()
        if node.run_ready(min(_LONGEST_WAIT_SEC, remaining)) or remaining <= 0:
            return
