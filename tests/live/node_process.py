"""The depth node with a remote control: ``python -m tests.live.node_process OPTIONS [--ros-args ...]``.

It is ``depth_anything_ros.node.main`` itself. OPTIONS: ``delay_s`` of the engine, which also fails while the command
``fail`` says so; ``has_torch`` false hides PyTorch, so that a ready ONNX is fetched. The other commands call the node's
own methods, since the embedded runtime has no service clients.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from depth_anything_ros import node as node_module
from depth_anything_ros.diagnostics import memory_mb
from depth_anything_ros.errors import EngineError
from depth_anything_ros.fetch import making
from depth_anything_ros.ros import Parameter
from tests.live.command_line import obey, say


class TroubledEngine:
    """An engine that takes longer and fails on demand; all else is the real one's."""

    def __init__(self, engine: Any, trouble: dict[str, Any]) -> None:
        self._engine, self._trouble = engine, trouble

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def infer(self, images_nhw3: Any) -> Any:
        time.sleep(self._trouble["delay_s"])
        if self._trouble["fails"]:
            raise EngineError(self._trouble["fails"])
        return self._engine.infer(images_nhw3)


def main() -> int:
    trouble = {"delay_s": 0.0, "fails": "", "has_torch": True, **json.loads(sys.argv[1])}
    load_engine = node_module.load_engine

    def load_troubled(*args: Any, **options: Any) -> Any:
        return TroubledEngine(load_engine(*args, **options), trouble)

    class ControlledNode(node_module.DepthNode):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            obey(
                self,
                {
                    "fail": lambda reason: trouble.update(fails=reason),
                    "transition": lambda name: getattr(self, f"trigger_{name}")().name,
                    "set": self.set_by_name,
                    "facts": self.tell_facts,
                },
            )
            say(ready=self.get_fully_qualified_name())

        def set_by_name(self, values: dict[str, Any]) -> list[dict[str, Any]]:
            results = self.set_parameters([Parameter(name, value=value) for name, value in values.items()])
            return [{"successful": result.successful, "reason": result.reason} for result in results]

        def tell_facts(self) -> dict[str, Any]:
            return {
                "memory_mb": memory_mb(),
                "cpu_s": time.process_time(),
                "threads": threading.active_count(),
                "values": {name: self.get_parameter(name).value for name in ("scale", "model", "max_failures")},
            }

    if not trouble["has_torch"]:
        making.has_torch = lambda: False
    node_module.load_engine = load_troubled  # type: ignore[assignment]
    node_module.DepthNode = ControlledNode  # type: ignore[misc]
    return node_module.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
