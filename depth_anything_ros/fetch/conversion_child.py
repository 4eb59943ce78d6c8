"""The process that converts: one line of JSON in, lines of JSON out (``conversion`` is its other end)."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from ..errors import DepthAnythingError, MissingDependency, OutputError
from ..models import get_model
from ..spec import spec_to_dict


def main() -> int:
    """Convert what standard input asks for; every outcome is answered, and the exit code is 0."""
    # Whatever a library prints goes to standard error, so that the answers stay one line of JSON each.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(values: dict[str, Any]) -> None:
        print(json.dumps(values), file=answers, flush=True)

    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        spec = _convert(job, lambda what, fraction: answer({"what": what, "fraction": fraction}))
        answer({"spec": spec_to_dict(spec)})
    except MissingDependency as error:
        answer({"error": MissingDependency.__name__, "arguments": [error.name, error.extra]})
    except DepthAnythingError as error:
        answer({"error": type(error).__name__, "message": str(error)})
    except OSError as error:  # a full disk
        answer({"error": OutputError.__name__, "message": f"cannot write to {job['out']}: {error.strerror or error}"})
    except MemoryError:
        answer({"error": "MemoryError", "message": "not enough memory"})
    return 0


def _convert(job: dict[str, Any], tell: Any) -> Any:
    tell("starting PyTorch", None)
    try:
        module = importlib.import_module("depth_anything_ros.networks.convert")
    except ImportError as error:
        raise MissingDependency((error.name or "torch").partition(".")[0], "convert") from error
    model = get_model(job["model"]) if job["model"] else None
    return module.convert(
        Path(job["source"]),
        model,
        Path(job["out"]),
        accept=job["accept"],
        torch_weights=job["torch_weights"],
        report=tell,
    )


def _end_with_parent() -> None:
    """The parent keeps standard input open as long as it lives."""
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
