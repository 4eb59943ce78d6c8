"""What a TensorRT plan depends on: a plan is used only where all of it is the same.

A plan holds machine code that was timed on one GPU by one version of TensorRT; on another it is refused, or worse, runs
slowly or gives something else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .. import __version__

RUNGS = ("fp16", "fp16-attention-fp32", "fp16-unfused", "fp32")
"""``graphs.RUNGS``, which only the process that builds imports, as it needs onnx."""
FORMAT_VERSION = 1
"""Of the plans' making; raised where the same graph is to be built in another way, which makes old plans useless."""


@dataclass(frozen=True, kw_only=True)
class PlanKey:
    """Everything that a plan depends on."""

    network: str
    """Name of the network, for people."""
    artifact_sha256: str
    rung: str
    """Form of the graph that the plan is made of (``graphs.RUNGS``)."""
    max_batch: int
    height: int
    width: int
    """Of the network's input [px]."""
    tensorrt: str
    """Full version of TensorRT."""
    cuda: int
    """Major version of CUDA that the driver offers."""
    gpu: str
    """Name of the device."""
    compute_capability: str
    num_multiprocessors: int
    """Jetson modules of one compute capability differ in this."""
    workspace_mb: int = 0
    """Limit of the memory for building; 0 is TensorRT's own."""
    package: str = __version__
    """Version of this package, which makes the graph."""
    format_version: int = FORMAT_VERSION

    @property
    def digest(self) -> str:
        """Hexadecimal digits that stand for all of the key."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def stem(self) -> str:
        """Name of the plan's files without their endings: readable, and different for every key."""
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in self.network)[:60]
        return f"{safe}-{self.width}x{self.height}-b{self.max_batch}-{self.rung}-{self.digest}"

    @property
    def precision(self) -> str:
        """fp16 or fp32."""
        return self.rung.partition("-")[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Largest batch, height and width [px]."""
        return self.max_batch, self.height, self.width

    @property
    def label(self) -> str:
        """The plan in a few words."""
        batch = f", batches up to {self.max_batch}" if self.max_batch > 1 else ""
        return f"{self.network} {self.width}x{self.height} {self.rung}{batch}"

    @property
    def machine_digest(self) -> str:
        """Hexadecimal digits of what kernel timings depend on: TensorRT, CUDA and the GPU."""
        names = ("tensorrt", "cuda", "gpu", "compute_capability", "num_multiprocessors")
        text = json.dumps([getattr(self, name) for name in names])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: PlanKey) -> list[str]:
        """In what ``other`` is not this key, in words: ``tensorrt 10.3.0, here 10.16.1``."""
        pairs = ((field.name, getattr(self, field.name), getattr(other, field.name)) for field in _FIELDS)
        return [f"{name} {theirs}, here {mine}" for name, mine, theirs in pairs if mine != theirs]


_FIELDS = dataclasses.fields(PlanKey)


def key_from_dict(data: dict[str, Any]) -> PlanKey | None:
    """The key of ``dataclasses.asdict``; None for anything else, as for a key of another version of this package."""
    if set(data) != {field.name for field in _FIELDS}:
        return None
    wanted = {field.name: int if field.type == "int" else str for field in _FIELDS}
    if any(type(data[name]) is not kind for name, kind in wanted.items()):
        return None
    return PlanKey(**data)
