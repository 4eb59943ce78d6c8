"""What the stand-in imitates and what goes wrong with it, as one value that a child process can be given as JSON."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from dataclasses import dataclass, field

VERSIONS = ("10.3", "10.16", "11.4")

BUILD_FAULTS = {
    "none": "the builder gives None, with an error for the logger",
    "memory": "as none, with TensorRT's words for too little memory",
    "killed": "the process is killed in the middle of the build, as Linux does for want of memory",
    "parse": "the parser refuses the network",
}
PLAN_FAULTS = {
    "nan": "the plan's outputs are NaN",
    "scaled": "they are a half too large: smooth, finite, plausible and wrong",
    "shuffled": "the patches of the image are mixed up: the right values in the wrong places",
    "unloadable": "the plan is not accepted by the runtime that built it",
}
RUN_FAULTS = {
    "refused": "execute_async_v3 gives False, with an error for the logger",
    "lost": "the device is lost while it computes",
    "uncapturable": "the network cannot be recorded as a CUDA graph",
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong, with the networks that fit all of its conditions.

    A plan keeps the faults that it was built with, as a miscompiled one does; RUN_FAULTS are those of the settings that
    hold while it runs.
    """

    kind: str
    """One of BUILD_FAULTS, PLAN_FAULTS and RUN_FAULTS."""
    name: str = "*"
    """Pattern of ``INetworkDefinition.name``."""
    half: bool | None = None
    """Whether the network holds float16 tensors."""
    extra_outputs: bool | None = None
    """Whether it has more outputs than depth and sky."""

    def __post_init__(self) -> None:
        assert self.kind in {**BUILD_FAULTS, **PLAN_FAULTS, **RUN_FAULTS}, self.kind

    def fits(self, name: str, half: bool, extra_outputs: bool) -> bool:
        """Whether it concerns a network."""
        return (
            fnmatch.fnmatchcase(name, self.name)
            and self.half in (None, half)
            and self.extra_outputs in (None, extra_outputs)
        )


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The GPU of the imagined machine."""

    name: str = "Orin"
    compute_capability: tuple[int, int] = (8, 7)
    multiprocessors: int = 16
    memory_mb: int = 4096
    devices: int = 1
    driver: int = 12060
    """As CUDA writes versions."""
    oldest_driver: int = 12000
    """The oldest that cuda.bindings runs on here."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One imagined machine."""

    version: str = "10.3"
    """One of VERSIONS."""
    library_version: str = ""
    """The version that the module gives of itself, where it is to be another one than its names are of."""
    gpu: Gpu | None = field(default_factory=Gpu)
    """None: no driver."""
    build_seconds: float = 0.0
    """How long a build takes."""
    workspace_mb: int = 64
    """Device memory that each execution needs."""
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        assert self.version in VERSIONS, self.version

    def faults_of(self, name: str, half: bool, extra_outputs: bool) -> set[str]:
        """Kinds of the faults that concern a network."""
        return {fault.kind for fault in self.faults if fault.fits(name, half, extra_outputs)}

    def to_json(self) -> str:
        """For the environment of a child process."""
        return json.dumps(dataclasses.asdict(self))


def from_json(text: str) -> Settings:
    """The inverse of ``Settings.to_json``."""
    data = json.loads(text)
    gpu = data.pop("gpu")
    if gpu is not None:
        gpu["compute_capability"] = tuple(gpu["compute_capability"])
    faults = tuple(Fault(**fault) for fault in data.pop("faults"))
    return Settings(gpu=Gpu(**gpu) if gpu else None, faults=faults, **data)
