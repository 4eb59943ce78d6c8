"""Read the names, signatures and values that the stand-in must have from the real Python bindings of TensorRT.

``python read_bindings.py tensorrt > api/10.16.json`` writes them; it needs no GPU, as nothing is constructed. It is run
as a script of its own, beside whichever TensorRT is to be read, and so imports nothing of this repository.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from operator import attrgetter
from typing import Any

CLASSES = (
    *("Builder", "IBuilderConfig", "INetworkDefinition", "IOptimizationProfile", "ITensor", "IHostMemory"),
    *("OnnxParser", "ParserError", "ITimingCache", "IProgressMonitor", "ILogger", "Logger"),
    *("Runtime", "ICudaEngine", "IExecutionContext"),
)
ENUMS = (
    *("BuilderFlag", "NetworkDefinitionCreationFlag", "MemoryPoolType", "HardwareCompatibilityLevel"),
    *("DataType", "TensorIOMode", "TensorLocation", "ExecutionContextAllocationStrategy"),
    *("ProfilingVerbosity", "ILogger.Severity"),
)


def read(module: Any) -> dict[str, Any]:
    """Version, classes (methods with their parameters, properties) and enums (values) of a module."""
    return {
        "version": module.__version__,
        "classes": {name: read_class(getattr(module, name)) for name in CLASSES if hasattr(module, name)},
        "enums": {
            name: {member: int(value) for member, value in attrgetter(name)(module).__members__.items()}
            for name in ENUMS
            if hasattr(module, name.partition(".")[0])
        },
    }


def read_class(cls: type) -> dict[str, Any]:
    """Methods as lists of parameters, one per overload; properties as "read" or "write"."""
    methods, properties = {}, {}
    for owner in cls.__mro__:
        for name, value in vars(owner).items():
            if name.startswith("_") or owner.__name__ in ("object", "pybind11_object"):
                continue
            if isinstance(value, property):
                properties.setdefault(name, "read" if value.fset is None else "write")
            elif type(value).__name__ == "instancemethod":
                methods.setdefault(name, signatures(name, value.__doc__ or ""))
    init = signatures("__init__", cls.__init__.__doc__ or "")  # type: ignore[misc]
    return {"init": init, "methods": dict(sorted(methods.items())), "properties": dict(sorted(properties.items()))}


def signatures(name: str, text: str) -> list[str]:
    """Parameters of each overload, ``self`` left out: "network, config", an optional one with ``=``."""
    found = re.findall(rf"^(?:\d+\. )?{name}\((.*)\) ->", text, flags=re.MULTILINE)
    return [", ".join(parameters(line)) for line in found if not line.startswith("*args")]


def parameters(line: str) -> list[str]:
    depth, parts = 0, [""]
    for letter in line:
        depth += (letter in "[(<") - (letter in "])>")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    names = [part.partition(":")[0].strip() + ("=" if " = " in part else "") for part in parts]
    return [name for name in names if name != "self"]


def to_text(api: dict[str, Any]) -> str:
    """JSON with one line per class or enum, so that a change of the bindings is a small difference."""
    lines = ["{", f'"version": {json.dumps(api["version"])},']
    for section in ("classes", "enums"):
        lines.append(f'"{section}": {{')
        items = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in api[section].items()]
        lines += [f"{item}{',' if number < len(items) - 1 else ''}" for number, item in enumerate(items)]
        lines.append("}" if section == "enums" else "},")
    return "\n".join([*lines, "}"]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(to_text(read(importlib.import_module(sys.argv[1]))))
