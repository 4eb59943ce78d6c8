"""live_node: a ROS node for the length of a command, in whichever world there is, ended without a trace by Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .errors import ConfigError, DepthAnythingError

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def live_node(what: str | Callable[[], Any], ros_arguments: Sequence[str] = ()) -> Iterator[Any]:
    """Yield a plain node of the name `what`, or the node that `what` makes.

    `ros_arguments` are --ros-args and what follows, as ROS's own nodes take them. Ctrl-C and SIGTERM, which end
    ``ros.spin`` and ``ros.spin_once``, end the body quietly. Raises ConfigError for arguments that ROS does not accept
    or that are not for it, MissingDependency where neither ROS 2 nor Cyclone DDS is installed.
    """
    from . import ros

    is_main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in _ENDING if is_main}
    try:
        ros.init(args=list(ros_arguments))
        if rest := ros.remove_ros_args(list(ros_arguments)):
            raise ConfigError(f"unknown argument {rest[0]!r}; accepted: --ros-args and what follows it")
        node = ros.Node(what) if isinstance(what, str) else what()
    except DepthAnythingError:
        ros.try_shutdown()
        raise
    except Exception as error:  # rclpy has a class of its own for each kind of mistake
        ros.try_shutdown()
        words = " ".join(ros_arguments)
        raise ConfigError(f"ROS cannot start{f' with {words}' if words else ''}: {_gist(error)}") from error
    try:
        yield node
    except (KeyboardInterrupt, ros.ExternalShutdownException):
        pass
    except Exception:
        # Once a signal has ended ROS, whatever was being called fails in ways of its own: the end, and no error.
        if ros.ok():
            raise
    finally:
        # Ctrl-C again, or from both the terminal and launch, must not cut the cleaning up short.
        for number in handlers:
            signal.signal(number, signal.SIG_IGN)
        was_ended = not ros.ok()
        try:
            node.destroy_node()
        except Exception:
            if not was_ended:
                raise
        finally:
            ros.try_shutdown()
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _gist(error: Exception) -> str:
    """What kind of mistake it is, and rcl's words without the places in its source that follow them."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text.partition(', at /')[0]}"
