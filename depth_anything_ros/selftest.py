"""``depth_anything_ros selftest``: does an engine work on this machine, how exactly and how fast; a report to send.

The report is written whatever happens, as text and as JSON. It holds no names, paths or images of the user's.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from depth_anything_ros import __version__
from depth_anything_ros.build_engine import describe
from depth_anything_ros.engine import DepthEngine, load_engine
from depth_anything_ros.engine_options import EngineOptions
from depth_anything_ros.engines.plan_key import RUNGS
from depth_anything_ros.engines.tensorrt_engine import TensorrtEngine
from depth_anything_ros.errors import DepthAnythingError
from depth_anything_ros.outputs import os_errors
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.report import percentiles_ms

EXIT_FAILED = 2
_WARM_UPS = 3
_MIN_FRAMES = 10
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "openvino", "tensorrt", "cuda-bindings", "pycuda", "torch")
_BOARD_FILES = ("/proc/device-tree/model", "/etc/nv_tegra_release")
"""What a Jetson says of itself and of its JetPack."""


@dataclass(frozen=True, kw_only=True)
class SelftestOptions:
    """What to test."""

    model: str | None = None
    size: tuple[int, int] = (640, 480)
    """Of the camera, width and height [px]."""
    seconds: float = 5.0
    """How long each engine is measured [s]."""
    all_rungs: bool = False
    """Go on after the first TensorRT plan that passes its check."""
    out: Path = field(default_factory=Path)


def selftest(options: SelftestOptions, engine: EngineOptions) -> int:
    """Test one engine, print the report and write it; returns 0 where it works, else 2.

    Raises OutputError where the report cannot be written.
    """
    report: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "depth_anything_ros": __version__,
        "engine": engine.engine,
        "machine": describe_machine(),
        "camera": "{}x{}".format(*options.size),
        "network": "",
        "network size": "",
        "device": "",
        "library": "",
        "runs": [],
        "problem": "",
    }
    try:
        _test(options, engine, report)
    except DepthAnythingError as error:
        report["problem"] = _anonymous(" ".join(str(error).split()))
    except Exception as error:  # what nobody expected is what a report is wanted for
        report["problem"] = _anonymous(f"{type(error).__name__}: {' '.join(str(error).split())}")
    text = "\n".join(_lines(report))
    print(text)
    stem = options.out / f"selftest_{engine.engine}"
    with os_errors(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
        for path, content in (
            (stem.with_suffix(".txt"), text),
            (stem.with_suffix(".json"), json.dumps(report, indent=2)),
        ):
            path.write_text(content + "\n", encoding="utf-8")
    print(f"\nreport: {stem}.txt and {stem}.json")
    return EXIT_FAILED if report["problem"] else 0


def describe_machine() -> dict[str, str]:
    """Operating system, board, processor and versions of the libraries that matter, without what is the user's own."""
    machine = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": str(len(os.sched_getaffinity(0))),
    }
    for path in map(Path, _BOARD_FILES):
        if path.is_file():
            machine[path.name] = path.read_text(encoding="utf-8", errors="replace").split("\n")[0].rstrip("\0")
    for name in _LIBRARIES:
        try:
            machine[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return machine


def measure(engine: DepthEngine, size_hw: tuple[int, int], seconds: float) -> dict[str, float]:
    """Percentiles of the time of one image of (h, w) [ms], after some that are not counted."""
    images = np.random.default_rng(0).integers(0, 256, (1, *size_hw, 3), dtype=np.uint8)
    times_ms: list[float] = []
    for _ in range(_WARM_UPS):
        engine.infer(images)
    end_s = time.perf_counter() + seconds
    while len(times_ms) < _MIN_FRAMES or time.perf_counter() < end_s:
        start_s = time.perf_counter()
        engine.infer(images)
        times_ms.append((time.perf_counter() - start_s) * 1e3)
    return {**percentiles_ms(times_ms), "images": float(len(times_ms))}


def _test(options: SelftestOptions, engine_options: EngineOptions, report: dict[str, Any]) -> None:
    with load_engine(options.model, engine_options) as engine:
        spec = engine.spec
        h, w = size_hw = network_size(*options.size, spec.resize)
        report |= {"network": f"{spec.name} {spec.artifact_sha256[:12]}", "network size": f"{w}x{h}"}
        report |= {"device": engine.info.device, "library": engine.info.version}
        if not isinstance(engine, TensorrtEngine):
            report["runs"].append(_run(engine, size_hw, options.seconds))
            return
        rungs = [rung for rung in RUNGS if rung in engine.rungs]
        if engine_options.plan is not None:
            rungs = rungs[:1]
        problem = ""
        for rung in rungs:
            with _single(engine, rung) as one:
                try:
                    one.prepare(size_hw)
                except DepthAnythingError as error:
                    problem = _anonymous(" ".join(str(error).split()))
                    report["runs"].append({"precision": rung, "verdict": problem, **_record_of(one)})
                    continue
                report["runs"].append({**_run(one, size_hw, options.seconds), **_record_of(one)})
                if not options.all_rungs:
                    return
        if not any("latency_ms" in run for run in report["runs"]):
            report["problem"] = problem


@contextmanager
def _single(engine: TensorrtEngine, rung: str) -> Iterator[TensorrtEngine]:
    """An engine that has one rung only, and no other engine to fall back to."""
    alone = dataclasses.replace(engine.source.options, cpu_fallback=False, background=False)
    with TensorrtEngine(dataclasses.replace(engine.source, options=alone), [rung], "selftest") as one:
        yield one


def _record_of(engine: TensorrtEngine) -> dict[str, Any]:
    records = engine.records()
    if not records:
        return {}
    record = records[0]
    return {
        "verdict": _anonymous(describe(record).removeprefix(f"{record.key.rung}: ")),
        "plan MB": round(record.plan_bytes / 1e6, 1),
        "build s": round(record.build_s, 1),
    }


def _run(engine: DepthEngine, size_hw: tuple[int, int], seconds: float) -> dict[str, Any]:
    latency_ms = measure(engine, size_hw, seconds)
    info = engine.info
    return {
        "precision": info.precision,
        "golden": None if info.golden is None else dataclasses.asdict(info.golden),
        "latency_ms": {name: round(value, 3) for name, value in latency_ms.items()},
        "notes": [_anonymous(note) for note in info.notes],
    }


def _lines(report: dict[str, Any]) -> Iterator[str]:
    for key, value in report.items():
        if key == "runs":
            for run in value:
                yield f"{run['precision']}:"
                yield from _run_lines(run)
        elif isinstance(value, dict):
            yield f"{key}: " + ", ".join(f"{name} {item}" for name, item in value.items())
        elif value:
            yield f"{key}: {value}"
    yield "it does not work here" if report["problem"] else "it works here"


def _run_lines(run: dict[str, Any]) -> Iterator[str]:
    if "verdict" in run:
        yield f"  {run['verdict']}"
    if run.get("golden") is not None:
        golden = run["golden"]
        yield f"  golden sample: abs_rel {golden['abs_rel']:.2e}, cosine {golden['cosine']:.6f}"
    if "latency_ms" in run:
        times = run["latency_ms"]
        yield "  one image: " + ", ".join(f"{k} {v:g} ms" for k, v in times.items() if k != "images")
        yield f"  images measured: {times['images']:g}"
    yield from (f"  {note}" for note in run.get("notes", ()))


def _anonymous(text: str) -> str:
    """The text without the user's folders."""
    home = os.path.expanduser("~").rstrip("/")  # "/" for a user that has none, as in containers
    return re.sub(r"~?(?:/[^/\s:;,]+)+/|~/", "", text.replace(home, "~") if home else text)
