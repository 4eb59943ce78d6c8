"""An imagined machine with TensorRT's stand-in: in this process, in the one that builds, and in other processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from depth_anything_ros.engine import load_engine
from depth_anything_ros.engines.plan_build import CHILD
from depth_anything_ros.engines.plan_cache import PlanCache
from depth_anything_ros.engines.tensorrt_engine import TensorrtEngine
from depth_anything_ros.errors import EngineNotReady
from tests.tensorrt_double.install import Rig, environment, installed
from tests.tensorrt_double.settings import Fault, Settings
from tests.tiny_networks import reference_infer, write_network

NEXT_START = """
import sys, time
import numpy as np
from depth_anything_ros.engine import load_engine
said = []
with load_engine(sys.argv[1], engine="tensorrt", report=lambda what, fraction: said.append(what)) as engine:
    print("loaded", flush=True)
    sys.stdin.readline()
    engine.infer(np.zeros((1, 28, 42, 3), np.uint8))
    import json
    print(json.dumps({"precision": engine.info.precision, "said": said, "verdicts": engine.verdicts()}), flush=True)
"""
"""What a node does when it starts: load the network, then run an image; it waits for a line in between."""


@dataclass
class Machine:
    """A user's cache and a network on an imagined machine."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    settings: Settings = field(default_factory=Settings)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.monkeypatch.setenv("XDG_CACHE_HOME", str(self.folder / "cache"))
        self.network = write_network(self.folder)

    @property
    def plans(self) -> Path:
        return self.folder / "cache" / "depth_anything_ros" / "plans"

    @property
    def cache(self) -> PlanCache:
        return PlanCache()

    @contextmanager
    def on(self, settings: Settings, cuda: str = "cuda.bindings") -> Iterator[Rig]:
        """The stand-in with these settings, for this process and those that it starts."""
        self.settings = settings
        with pytest.MonkeyPatch.context() as patch, installed(settings, cuda) as rig:
            for name, value in environment(settings, cuda).items():
                patch.setenv(name, value)
            yield rig

    def load(self, **options: Any) -> TensorrtEngine:
        """The network on TensorRT; what it reports is noted."""
        self.said.clear()
        options = {"engine": "tensorrt", "report": lambda what, fraction: self.said.append(what), **options}
        engine = load_engine(self.network, **options)
        assert isinstance(engine, TensorrtEngine)
        return engine

    def run(self, settings: Settings | None = None, **options: Any) -> Run:
        """Load, run one image, close: one start of the program."""
        with self.on(settings or Settings()), self.load(**options) as engine:
            depth = engine.infer(IMAGE)
            return Run(
                engine.info.engine, engine.info.precision, engine.info.notes, depth, engine.verdicts(), self.said
            )

    def start_elsewhere(self) -> subprocess.Popen[str]:
        """Another process that loads the network and then waits for a line; inside ``on``."""
        command = [sys.executable, "-c", NEXT_START, str(self.network)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        return process

    def builders(self) -> list[int]:
        """Processes that build plans for this machine's cache."""
        return builders_for(self.folder)

    def files(self, pattern: str = "*") -> list[Path]:
        """Files in the cache, without the timings and what is read by people."""
        return sorted(path for path in self.plans.glob(pattern) if path.suffix not in (".cache", ".log", ".lock"))


@dataclass
class Run:
    """What one start of the program gave."""

    engine: str
    rung: str
    notes: tuple[str, ...]
    depth: NDArray[np.float32]
    verdicts: list[str]
    said: list[str]

    @property
    def built(self) -> bool:
        return any(text.startswith("no plan of") for text in self.said)

    def is_right(self) -> bool:
        """Whether the depth is that of the network, to what fp16 allows."""
        expected = reference_infer(IMAGE)
        same_sky = bool(np.array_equal(np.isinf(self.depth), np.isinf(expected)))
        finite = np.isfinite(expected)
        return same_sky and bool(np.allclose(self.depth[finite], expected[finite], rtol=1e-2))


IMAGE: NDArray[np.uint8] = np.random.default_rng(5).integers(0, 256, (1, 28, 42, 3), dtype=np.uint8)


def builders_for(folder: Path) -> list[int]:
    """Processes that build plans for a cache somewhere in that folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile, or is another user's
        if CHILD.encode() in command and str(folder).encode() in variables:
            found.append(int(process.name))
    return found


def faulty(kind: str, *patterns: str, name: str = "tiny") -> Settings:
    """A machine on which something goes wrong with the rungs of a network that fit one of the patterns."""
    return Settings(faults=tuple(Fault(kind=kind, name=f"{name} {pattern}") for pattern in patterns))


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Let a process of ``start_elsewhere`` go on, and return what it prints."""
    out, _ = process.communicate("\n", timeout=120)
    found: dict[str, Any] = json.loads(out)
    return found


def wait_for(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until something is so."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it took too long"
        time.sleep(0.05)


def infer_when_ready(engine: TensorrtEngine) -> NDArray[np.float32]:
    """The depth of the first call that is not too early."""
    found: list[NDArray[np.float32]] = []

    def is_ready() -> bool:
        try:
            found.append(engine.infer(IMAGE))
        except EngineNotReady:
            return False
        return True

    wait_for(is_ready)
    return found[0]
