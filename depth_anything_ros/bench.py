"""``depth_anything_ros bench``: how fast this machine is, frame by frame, with every engine that is installed.

One frame goes from message bytes to depth and cloud message bytes, as a node would have it: rgb8 without distortion,
depth at the camera's size, an organised 16-byte cloud of every pixel. The row "everything else" runs the exact plane in
place of a network, so its total is what the rest costs.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_codec import encode_depth_image
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engine import DepthEngine, load_engine
from depth_anything_ros.engine_options import CPU_ENGINES, EngineOptions
from depth_anything_ros.errors import ConfigError, DepthAnythingError, EngineError
from depth_anything_ros.image_codec import encode_image, to_rgb
from depth_anything_ros.pipeline import DepthPipeline, PipelineOptions
from depth_anything_ros.point_cloud import CloudBuilder
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.report import percentiles_ms
from depth_anything_ros.scale_calibration import unit_calibration

SIZES = ((640, 480), (1280, 720))
EVERYTHING_ELSE = "everything else"
_MIN_FRAMES = 5
_WARM_UPS = 2


@dataclass(frozen=True)
class Row:
    """One engine at one size; ``stages`` p50, p99 and max [ms] by stage, "total" among them."""

    label: str
    size: str
    stages: dict[str, dict[str, float]]
    num_frames: int


def print_bench(model: str | None, options: EngineOptions, *, seconds: float, full: bool = False) -> int:
    """Measure and print; ``seconds`` for each row. With the engine auto, every installed CPU engine is measured.

    ``full``: then also run the scripts of benchmarks/, which only a checkout has. Returns the exit code: 0, or the
    first that is not 0 of those scripts. Raises ConfigError for ``full`` without a checkout, EngineError if no engine
    could be measured.
    """
    scripts = benchmark_scripts() if full else []
    print(f"{_machine()}; p50 / p99 in ms; {seconds:g} s a row\n")
    rows: list[Row] = []
    problems = []
    for name, path, wanted in _engines(model, options):
        try:
            chosen = _measure_engine(rows, path, options, name, wanted, seconds)
            if chosen == "bf16" and wanted == "auto":
                _measure_engine(rows, path, options, name, "fp32", seconds)
        except DepthAnythingError as error:
            problems.append(f"{name}: {error}")
    if rows:
        print("\n".join(table(rows)))
    if problems and all(row.label == EVERYTHING_ELSE for row in rows):
        raise EngineError("; ".join(problems))
    for problem in problems:
        print(f"not measured: {' '.join(problem.split())}")
    if not full:
        print("\nBeside other implementations, from a checkout: depth_anything_ros bench --full")
    codes = [_run_script(script) for script in scripts]
    return next((code for code in codes if code), 0)


def benchmark_scripts() -> list[Path]:
    """The scripts of the checkout's benchmarks/; ConfigError where the package is installed without them."""
    folder = Path(__file__).resolve().parent.parent / "benchmarks"
    scripts = [folder / f"{name}.py" for name in ("overhead", "engines")]
    if not all(script.is_file() for script in scripts):
        raise ConfigError(f"--full needs a checkout of the repository; there is no {folder}")
    return scripts


def measure(label: str, engine: DepthEngine, width: int, height: int, *, seconds: float) -> Row:
    """Run frames of one size for some seconds, a few frames at least, after two that make the engine ready."""
    camera = CameraModel.with_assumed_fov(width, height)
    message = SimpleNamespace(**encode_image(_picture(width, height), "rgb8"))
    # A relative network takes the same time whatever its scale is.
    options = PipelineOptions(calibration=unit_calibration(engine.spec))
    pipeline, builder = DepthPipeline(engine, options), CloudBuilder(camera)
    times_ms: dict[str, list[float]] = {
        "decode": [],
        "network": [],
        "around it": [],
        "cloud": [],
        "encode": [],
        "total": [],
    }
    start, count = 0.0, -_WARM_UPS
    while count < _MIN_FRAMES or time.perf_counter() - start < seconds:
        if count == 0:
            start = time.perf_counter()
        ticks = [time.perf_counter()]
        frame = CameraFrame(to_rgb(message), camera, 0, "camera")
        ticks.append(time.perf_counter())
        result = pipeline.run([frame])[0]
        ticks.append(time.perf_counter())
        cloud = builder.build(result.depth_HW, result.image_HW3)
        ticks.append(time.perf_counter())
        depth_message = encode_depth_image(result.depth_HW)
        ticks.append(time.perf_counter())
        del cloud, depth_message
        if count >= 0:
            decode, run, build, encode = (1e3 * step for step in np.diff(ticks))
            network = result.timings_ms["engine"]
            values = (decode, network, run - network, build, encode, decode + run + build + encode)
            for stage, value in zip(times_ms, values, strict=True):
                times_ms[stage].append(value)
        count += 1
    h, w = network_size(width, height, engine.spec.resize)
    stages = {stage: percentiles_ms(values) for stage, values in times_ms.items()}
    return Row(label, f"{width}x{height} ({w}x{h})", stages, count)


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of a table: one row per engine and size, one column per stage."""
    label_width = max(len("engine"), *(len(row.label) for row in rows)) + 2
    stages = list(rows[0].stages)
    lines = [
        f"{'engine':<{label_width}}{'camera (network)':<22}" + "".join(f"{s:>18}" for s in stages) + f"{'frames/s':>10}"
    ]
    for row in rows:
        cells = "".join(f"{row.stages[s]['p50']:>10.2f} /{row.stages[s]['p99']:>6.1f}" for s in stages)
        rate = 1e3 / row.stages["total"]["p50"]
        lines.append(f"{row.label:<{label_width}}{row.size:<22}{cells}{rate:>10.1f}")
    return lines


def _engines(model: str | None, options: EngineOptions) -> list[tuple[str, str | None, str]]:
    """What to measure: the engine, the network and the precision; the plane last, for everything but the network."""
    plane = ("plane", "plane:", "auto")
    if options.engine == "plane" or (model or "").startswith("plane"):
        return [("plane", model or "plane:", "auto")]
    names: Sequence[str] = [options.engine]
    if options.engine == "auto":
        names = [name for name in CPU_ENGINES if importlib.util.find_spec(name) is not None]
    return [*((name, model, options.precision) for name in names), plane]


def _measure_engine(
    rows: list[Row], path: str | None, options: EngineOptions, name: str, precision: str, seconds: float
) -> str:
    """Append the rows of one engine and return the precision it ran in."""
    plan = options.plan if name == "tensorrt" else None
    with load_engine(path, dataclasses.replace(options, engine=name, precision=precision, plan=plan)) as engine:
        for width, height in SIZES:
            label = EVERYTHING_ELSE if name == "plane" else f"{name} {engine.info.precision}"
            print(f"measuring {label} at {width}x{height}", file=sys.stderr, flush=True)
            rows.append(measure(label, engine, width, height, seconds=seconds))
        return engine.info.precision


def _run_script(script: Path) -> int:
    print(f"\n{script}", flush=True)
    return subprocess.run([sys.executable, str(script)], check=False).returncode


def _picture(width: int, height: int) -> np.ndarray:
    """Blobs and noise from a fixed seed, RGB (H, W, 3) uint8."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    blobs = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(blobs + rng.integers(-12, 13, blobs.shape), 0, 255).astype(np.uint8)


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores usable, OpenCV on {cv2.getNumThreads()} threads, load {os.getloadavg()[0]:.1f}"
