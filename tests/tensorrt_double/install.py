"""Puts the stand-in in the place of the real modules, in this process or in a child."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from .gpu import FakeGpu
from .module import build_module
from .settings import Settings, from_json

SETTINGS_VARIABLE = "TENSORRT_DOUBLE"
CUDA_VARIABLE = "TENSORRT_DOUBLE_CUDA"
CUDA_LIBRARIES = ("cuda.bindings", "pycuda", "")
_SHIM = Path(__file__).parent / "shim"
_NAMES = ("tensorrt", "cuda", "cuda.bindings", "cuda.bindings.runtime", "pycuda", "pycuda.driver")
_LEAVES = ("depth_anything_ros.engines.cuda.bindings", "depth_anything_ros.engines.cuda.pycuda")


@dataclass(frozen=True)
class Rig:
    """What was installed, for a test to look at."""

    settings: Settings
    gpu: FakeGpu
    modules: dict[str, ModuleType]

    @property
    def tensorrt(self) -> ModuleType:
        return self.modules["tensorrt"]


def build_rig(settings: Settings, cuda: str = "cuda.bindings") -> Rig:
    """The modules of one machine, not yet in their places; ``cuda`` is the one CUDA library that is installed there."""
    from . import cuda_bindings, pycuda_driver

    assert cuda in CUDA_LIBRARIES, cuda
    gpu = FakeGpu(settings.gpu)
    modules = {"tensorrt": build_module(settings, gpu)}
    if cuda == "cuda.bindings":
        modules.update(cuda_bindings.build_modules(gpu))
    if cuda == "pycuda":
        modules.update(pycuda_driver.build_modules(gpu))
    return Rig(settings, gpu, modules)


class _Absent:
    """Finds nothing of the libraries that the imagined machine lacks, whatever this machine has."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name in _NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def installed(settings: Settings | None = None, cuda: str = "cuda.bindings") -> Iterator[Rig]:
    """The stand-in in this process, for the length of a ``with``; ``cuda`` may be "" for neither library."""
    rig = build_rig(settings or Settings(), cuda)
    places = (*_NAMES, *_LEAVES)  # the leaves hold the library that was there when they were imported
    kept = {name: sys.modules[name] for name in places if name in sys.modules}
    finders = list(sys.meta_path)
    _clear(places)
    sys.modules.update(rig.modules)
    sys.meta_path.insert(0, _Absent)  # type: ignore[arg-type]
    try:
        yield rig
    finally:
        sys.meta_path[:] = finders
        _clear(places)
        sys.modules.update(kept)


def _clear(names: tuple[str, ...]) -> None:
    for name in names:
        sys.modules.pop(name, None)


def environment(settings: Settings, cuda: str = "cuda.bindings") -> dict[str, str]:
    """The environment of a child process in which ``import tensorrt`` and the CUDA library find the stand-in."""
    paths = [str(_SHIM), str(_SHIM.parents[2]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        SETTINGS_VARIABLE: settings.to_json(),
        CUDA_VARIABLE: cuda,
    }


@cache
def rig_of_process() -> Rig:
    """The machine that the environment describes, one for the whole process."""
    return build_rig(from_json(os.environ[SETTINGS_VARIABLE]), os.environ[CUDA_VARIABLE])


def take_place_of(name: str) -> None:
    """For the shims: put the modules of ``name`` where the import that is going on looks for them."""
    modules = rig_of_process().modules
    if name not in modules:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    sys.modules.update({key: module for key, module in modules.items() if key.partition(".")[0] == name})
