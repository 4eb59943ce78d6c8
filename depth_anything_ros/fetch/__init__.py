"""Known checkpoints, from the hub or a local file, as a folder that runs: ONNX, EngineSpec and golden sample.

What needs the network, torch or ONNX is imported when it is used.
"""

from __future__ import annotations

from .command import fetch_model
from .store import needs_fetch

__all__ = ["fetch_model", "needs_fetch"]
