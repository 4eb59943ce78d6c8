#!/usr/bin/env python3
"""Everything but the network: from an image message's bytes to the bytes of the depth and cloud messages.

    python benchmarks/overhead.py [--rounds 15] [--frames 5] [--quick] [--json FILE]

One thread. Depth at the camera's size with the default filters, and an organised cloud of every pixel. The network is
replaced by its prepared answer, which costs nothing; all else is the package's own code, called as a node calls it. The
peers' way and the straightforward NumPy way (peer_way.py) start from the same message and the same answer.

In each round every variant runs once, in random order: one frame to warm up, then `frames` frames. A figure is the
median over the rounds of their medians; `times ours` is the median of the per-round ratios. Wall time and the CPU time
of the one thread are both given: they agree on an idle machine, other load lengthens the wall time only. The targets
(2 ms at 640x480, 5 ms at 1280x720, peers at least 5 times ours) are held against the CPU time.

``--quick`` runs ours and the peers' way alone: short enough to alternate two revisions of the package.

Exit code 1 if a target is missed. The row with voxels needs Open3D (extra cloud); torch, if installed, does the peer's
resize of the depth.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from engines import cpu_model
from frames import NETWORK_HW, image_message, jpeg_message, make_scene
from numpy.typing import NDArray
from peer_way import NumpyWay, PeerWay, assign_bytes

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.compressed_codec import decode_compressed
from depth_anything_ros.depth_codec import encode_depth_image
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engine import EngineInfo
from depth_anything_ros.errors import MissingDependency
from depth_anything_ros.image_codec import to_rgb
from depth_anything_ros.pipeline import STAGES, DepthPipeline
from depth_anything_ros.point_cloud import CloudBuilder, load_open3d
from depth_anything_ros.spec import EngineSpec, Licence, ResizeRule

TARGETS_MS = {(640, 480): 2.0, (1280, 720): 5.0}
MIN_PEER_RATIO = 5.0
OURS, PEERS, NUMPY = "ours", "peers' way", "plain NumPy"
BYTES = "assigning the cloud as bytes"
SPEC = EngineSpec(
    name="prepared",
    description="returns a prepared answer",
    artifact="",
    artifact_sha256="",
    resize=ResizeRule(kind="long_side", side=518),
    max_batch=1,
    meaning="metric_canonical",
    canonical_focal_px=500.0,
    min_depth_m=0.1,
    max_depth_m=40.0,
    licence=Licence(id="Apache-2.0", category="permissive", source="no weights"),
)

# How a frame is prepared, untimed, and how it is run, given the network's answer.
Variant = tuple[Callable[[], Any], Callable[[Any], Any]]


class PreparedNetwork:
    """An engine whose answer lies ready."""

    spec = SPEC
    info = EngineInfo("prepared", "fp32", "CPU", "benchmark", version="0")

    def __init__(self, depth_hw: NDArray[np.float32]) -> None:
        self._depth_hw = depth_hw
        self.answer_nhw = depth_hw[None].copy()

    def prepare(self) -> NDArray[np.float32]:
        """Lay out a fresh answer, as a network returns one each time; not a part of what is timed."""
        self.answer_nhw = self._depth_hw[None].copy()
        return self.answer_nhw[0]

    def infer(self, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        if images_nhw3.shape[1:3] != self.answer_nhw.shape[1:]:
            raise ValueError(f"network input is {images_nhw3.shape}, the answer {self.answer_nhw.shape}")
        return self.answer_nhw

    def close(self) -> None:
        """Nothing is held."""


class OurWay:
    """One camera's frames through the package, as a node does it."""

    def __init__(self, camera: CameraModel, network: PreparedNetwork, *, jpeg: bool = False, voxel_m: float = 0.0):
        self._camera = camera
        self._pipeline = DepthPipeline(network)
        self._builder = CloudBuilder(camera.undistorted())
        self._decode = decode_compressed if jpeg else to_rgb
        self._voxel_m = voxel_m
        self._open3d = load_open3d() if voxel_m else None
        self.stages_ms: dict[str, float] = {}

    def run(self, msg: Any) -> tuple[Any, Any, Any]:
        """One image message; returns the depth, info and cloud messages."""
        times = [time.perf_counter()]
        image_HW3 = self._decode(msg)
        frame = CameraFrame(image_HW3, self._camera, stamp_ns=0, frame_id=msg.header.frame_id)
        times.append(time.perf_counter())
        (result,) = self._pipeline.run([frame])
        times.append(time.perf_counter())
        depth_msg = SimpleNamespace(header=msg.header, **encode_depth_image(result.depth_HW))
        info_msg = SimpleNamespace(header=msg.header, **result.camera.to_info_fields())
        times.append(time.perf_counter())
        cloud = self._builder.build(result.depth_HW, result.image_HW3)
        if self._open3d is not None:
            cloud = self._open3d.voxel_downsample(cloud, self._voxel_m)
        cloud_msg = SimpleNamespace(header=msg.header, **vars(cloud))
        times.append(time.perf_counter())
        decode, _, encode, build = (1e3 * (end - start) for start, end in itertools.pairwise(times))
        self.stages_ms = {"decode": decode, **result.timings_ms, "depth message": encode, "cloud": build}
        return depth_msg, info_msg, cloud_msg


@dataclass(frozen=True)
class Row:
    """One line of the table; times in ms, `ratio` to ours by CPU time."""

    variant: str
    wall_ms: float
    cpu_ms: float
    best_ms: float
    ratio: float


def make_variants(size: tuple[int, int]) -> tuple[dict[str, Variant], OurWay]:
    """Every variant by name, and ours, for the times of its stages."""
    image_HW3, depth_hw = make_scene(size)
    msg, jpeg = image_message(image_HW3), jpeg_message(image_HW3)
    camera = CameraModel.with_assumed_fov(*size, hfov_deg=70.0)
    lens = replace(camera, distortion_model="plumb_bob", D=(-0.28, 0.08, 0.0005, -0.0005, 0.0))
    network, with_sky = PreparedNetwork(depth_hw), PreparedNetwork(make_scene(size, sky=0.3)[1])
    ours = OurWay(camera, network)
    others = {
        f"{OURS}, 30 % sky": (with_sky, OurWay(camera, with_sky), msg),
        f"{OURS}, rectified": (network, OurWay(lens, network), msg),
        f"{OURS}, JPEG": (network, OurWay(camera, network, jpeg=True), jpeg),
    }
    try:
        others[f"{OURS}, 5 cm voxels"] = (network, OurWay(camera, network, voxel_m=0.05), msg)
    except MissingDependency as error:
        print(f"no row with voxels: {error}", file=sys.stderr)
    size_hw, max_m = depth_hw.shape, SPEC.max_depth_m
    peer, plain = PeerWay(camera, size_hw, max_m), NumpyWay(camera, size_hw, max_m)
    variants: dict[str, Variant] = {
        OURS: (network.prepare, lambda _: ours.run(msg)),
        PEERS: (network.prepare, lambda depth_hw: peer.run(msg, depth_hw)),
        NUMPY: (network.prepare, lambda depth_hw: plain.run(msg, depth_hw)),
    }
    for name, (engine, way, message) in others.items():
        variants[name] = (engine.prepare, lambda _, way=way, message=message: way.run(message))
    return variants, ours


def measure(
    size: tuple[int, int], rounds: int, frames: int, *, quick: bool = False
) -> tuple[list[Row], dict[str, float]]:
    """The table of one camera size, and the median times of our stages [ms]; ``quick`` keeps what the targets need."""
    variants, ours = make_variants(size)
    if quick:
        variants = {name: variants[name] for name in (OURS, PEERS)}
    walls: dict[str, list[float]] = {name: [] for name in variants}
    cpus: dict[str, list[float]] = {name: [] for name in variants}
    stages: list[dict[str, float]] = []
    order = random.Random(0)
    for _ in range(rounds):
        for name in order.sample(list(variants), len(variants)):
            prepare, run = variants[name]
            samples = []
            for _ in range(frames + 1):
                answer = prepare()
                wall, cpu = time.perf_counter(), time.thread_time()
                messages = run(answer)
                samples.append((time.perf_counter() - wall, time.thread_time() - cpu))
                del messages  # published
                if name == OURS:
                    stages.append(ours.stages_ms)
            walls[name].append(1e3 * statistics.median(sample[0] for sample in samples[1:]))
            cpus[name].append(1e3 * statistics.median(sample[1] for sample in samples[1:]))
    rows = [make_row(name, walls[name], cpus[name], cpus[OURS]) for name in variants]
    if not quick:
        rows.append(measure_bytes(size, rows[0].cpu_ms))
    return rows, {stage: statistics.median(times[stage] for times in stages) for stage in stages[0]}


def measure_bytes(size: tuple[int, int], ours_ms: float) -> Row:
    """What assigning a cloud as `bytes` costs, once: it takes long."""
    value = bytes(16 * size[0] * size[1])
    wall, cpu = time.perf_counter(), time.thread_time()
    assign_bytes(value)
    wall_ms, cpu_ms = 1e3 * (time.perf_counter() - wall), 1e3 * (time.thread_time() - cpu)
    return make_row(BYTES, [wall_ms], [cpu_ms], [ours_ms])


def make_row(name: str, walls_ms: list[float], cpus_ms: list[float], ours_ms: list[float]) -> Row:
    """Medians over the rounds; the ratio is the median of the rounds' ratios."""
    ratio = statistics.median(own / base for own, base in zip(cpus_ms, ours_ms, strict=True))
    return Row(name, statistics.median(walls_ms), statistics.median(cpus_ms), min(walls_ms), ratio)


def verdicts(size: tuple[int, int], rows: list[Row]) -> dict[str, bool]:
    """Which targets are met, by the CPU time of the one thread."""
    by_name = {row.variant: row for row in rows}
    limit_ms = TARGETS_MS[size]
    return {
        f"{OURS}: at most {limit_ms:g} ms": by_name[OURS].cpu_ms <= limit_ms,
        f"{PEERS}: at least {MIN_PEER_RATIO:g} times {OURS}": by_name[PEERS].ratio >= MIN_PEER_RATIO,
    }


def print_table(size: tuple[int, int], rows: list[Row], stages_ms: dict[str, float]) -> None:
    h, w = NETWORK_HW[size]
    print(f"\n{size[0]}x{size[1]}, network {h}x{w}\n")
    print("| variant | median [ms] | CPU [ms] | best round [ms] | times ours |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row.variant} | {row.wall_ms:.2f} | {row.cpu_ms:.2f} | {row.best_ms:.2f} | {row.ratio:.2f} |")
    named = [stage for stage in ("decode", *STAGES, "depth message", "cloud") if stage != "engine"]
    print("\nStages of ours [ms]: " + ", ".join(f"{stage} {stages_ms[stage]:.2f}" for stage in named))


def versions() -> str:
    """The libraries that the figures depend on."""
    torch = [f"torch {importlib.metadata.version('torch')}"] if "torch" in sys.modules else []
    libraries = [f"Python {platform.python_version()}", f"numpy {np.__version__}", f"OpenCV {cv2.__version__}", *torch]
    return ", ".join(libraries)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What a frame costs besides the network, in milliseconds of one core.")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of all variants (default 15)")
    parser.add_argument("--frames", type=int, default=5, help="timed frames of a variant in a round (default 5)")
    parser.add_argument("--quick", action="store_true", help="ours and the peers' way alone")
    parser.add_argument("--json", type=Path, help="also write the tables to this file")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.frames < 1:
        parser.error("--rounds and --frames are at least 1")
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch and Open3D, which are imported later
    cv2.setNumThreads(1)
    # A node has freed large blocks when its network is loaded; from then on the C library keeps memory that is freed
    # instead of giving it back and faulting it in again at every frame. All variants gain by it, the peers' most.
    np.ones(30_000_000, np.uint8)
    tables: dict[str, Any] = {}
    all_met = True
    for size in TARGETS_MS:
        rows, stages_ms = measure(size, options.rounds, options.frames, quick=options.quick)
        met = verdicts(size, rows)
        if not tables:
            print(f"CPU: {cpu_model()}; one thread; {versions()}")
            print(f"{options.rounds} rounds of {options.frames} frames")
        print_table(size, rows, stages_ms)
        print("".join(f"\n{target}: {'met' if is_met else 'MISSED'}" for target, is_met in met.items()))
        all_met = all_met and all(met.values())
        tables["x".join(map(str, size))] = {"rows": [asdict(row) for row in rows], "stages_ms": stages_ms, "met": met}
    if options.json:
        head = {"cpu": cpu_model(), "versions": versions(), "rounds": options.rounds, "frames": options.frames}
        options.json.write_text(json.dumps({**head, "tables": tables}, indent=2) + "\n", encoding="utf-8")
    return 0 if all_met else 1


if __name__ == "__main__":
    raise SystemExit(main())
