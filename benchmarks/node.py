#!/usr/bin/env python3
"""The live node over DDS: from an image published to depth and cloud received, each by a process of its own.

    python benchmarks/node.py [--rounds 5] [--frames 40] [--quick] [--json FILE]

It runs in the world that it finds, rclpy or the embedded runtime, and says which. A camera, which also is the consumer,
sends one image at a time to

- the depth node with an engine that answers at once (``plane:``); the engine's time by its diagnostics is subtracted,
- a node that only relays: an image in, a prepared message of the depth's or the cloud's size out (bare hops),
- a node written the usual Python way (node_peer.py).

In each round every row is timed, in random order, after some frames to warm up; p50 and p99 are over all rounds, and
the ratio to the bare hops is the median of the rounds'. Then: CPU time of the node while nobody listens and at work,
both with a 640x480 camera at 30 Hz; and the time from starting the process to the first depth with the shipped network.

Aims: depth within 6 ms at 640x480 and 15 ms at 1280x720, cloud within 1.3 times its bare hops plus 3 ms, all p50; idle
CPU below 3 %; first depth within 3 s. Exit code 1 if one is missed. ``--quick`` is for the tests: few frames, no start.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import random
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
# A domain of its own unless one is given, and nobody beyond this machine.
os.environ.setdefault("ROS_DOMAIN_ID", str(101 + os.getpid() % 100))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import numpy as np
from engines import cpu_model
from node_driver import Driver, Process, Size

from depth_anything_ros import ros
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.point_cloud import default_stride

DEPTH_AIM_MS = {(640, 480): 6.0, (1280, 720): 15.0}
CLOUD_AIM_TIMES, CLOUD_AIM_PLUS_MS = 1.3, 3.0
IDLE_AIM_PERCENT = 3.0
START_AIM_S = 3.0
CPU_SIZE, CPU_RATE = (640, 480), 30.0
POINT_STEP = 16
_ENGINE = "engine p50 [ms]"
_WARM_UP = 5
_PAUSE_S = 0.03
_IMAGE, _CLOUD = "sensor_msgs/msg/Image", "sensor_msgs/msg/PointCloud2"
_DIAGNOSTICS = {"/diagnostics": "diagnostic_msgs/msg/DiagnosticArray"}


@dataclass(frozen=True)
class Way:
    """One row: whose namespace, and what is subscribed to; the last topic is the one that is told."""

    row: str
    name: str
    topics: dict[str, str]
    by_stamp: bool = True

    @property
    def timed(self) -> str:
        return list(self.topics)[-1]


@dataclass(frozen=True)
class Row:
    """One line of the table [ms]; ``lost``: images without an answer."""

    row: str
    p50: float
    p99: float
    lost: int


def ways() -> list[Way]:
    """All rows, in the order of the table."""
    depth, cloud = {"/ours/depth/image": _IMAGE}, {"/ours/points": _CLOUD}
    usual_depth, usual_cloud = {"/usual/depth/image": _IMAGE}, {"/usual/points": _CLOUD}
    return [
        Way("ours: depth", "ours", depth),
        Way("bare hops: depth", "bare_depth", {"/bare_depth/answer": _IMAGE}, by_stamp=False),
        Way("usual: depth", "usual", usual_depth),
        Way("ours: cloud", "ours", cloud),
        Way("bare hops: cloud", "bare_cloud", {"/bare_cloud/answer": _CLOUD}, by_stamp=False),
        Way("usual: cloud", "usual", usual_cloud),
        Way("ours: depth beside cloud", "ours", cloud | depth),
        Way("ours: cloud beside depth", "ours", depth | cloud),
    ]


def cloud_size(size: Size) -> tuple[Size, int]:
    """Width and height of the default cloud of a camera, and its stride."""
    stride = default_stride(CameraModel.with_assumed_fov(*size))
    return (-(-size[0] // stride), -(-size[1] // stride)), stride


def time_size(driver: Driver, size: Size, rounds: int, frames: int) -> dict[str, Any]:
    """The table of one camera size."""
    here = Path(__file__).resolve().parent
    points, stride = cloud_size(size)
    relays = {"bare_depth": ("Image", size), "bare_cloud": ("PointCloud2", points)}
    processes = [Process.node("ours", model="'plane:z=2.0'")]
    processes.append(Process(str(here / "node_peer.py"), "usual", "{}", "--ros-args", "-r", "__ns:=/usual"))
    for name, (kind, out_size) in relays.items():
        options = json.dumps({"kind": kind, "size": out_size, "point_step": POINT_STEP, "output": "answer"})
        processes.append(Process(str(here / "node_peer.py"), "relay", options, "--ros-args", "-r", f"__ns:=/{name}"))
    try:
        samples: dict[str, list[list[float | None]]] = {way.row: [] for way in ways()}
        for _ in range(rounds):
            for way in random.sample(ways(), len(ways())):
                samples[way.row].append(time_way(driver, way, size, frames))
        driver.subscribe(_DIAGNOSTICS)
        engine_ms = float(_camera_values(driver.wait_for("/diagnostics", _tells_engine))[_ENGINE])
    finally:
        for process in processes:
            process.stop()
    return summary(samples, engine_ms) | {"cloud": f"{points[0]}x{points[1]}", "stride": stride}


def _camera_values(received: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in received.status[-1].values}


def _tells_engine(received: Any) -> bool:
    return _ENGINE in _camera_values(received)


def time_way(driver: Driver, way: Way, size: Size, frames: int) -> list[float | None]:
    """Times of some frames one after the other [ms]."""
    driver.subscribe(way.topics)
    driver.wait_for_listener(way.name)
    times: list[float | None] = []
    for number in range(_WARM_UP + frames):
        answers = driver.answers_ms(way.name, size, list(way.topics), by_stamp=way.by_stamp)
        if number >= _WARM_UP:
            times.append(answers[-1])
        time.sleep(_PAUSE_S)
    return times


def summary(samples: dict[str, list[list[float | None]]], engine_ms: float) -> dict[str, Any]:
    """Rows, and for depth and cloud the median over the rounds of ours / bare hops; the engine is taken out of ours."""
    rows, medians = [], {}
    for row, per_round in samples.items():
        off_ms = engine_ms if row.startswith("ours") else 0.0
        found = [[ms - off_ms for ms in times if ms is not None] for times in per_round]
        whole = [ms for times in found for ms in times]
        lost = sum(len(times) for times in per_round) - len(whole)
        p50, p99 = np.percentile(whole, [50, 99]) if whole else (float("nan"),) * 2
        rows.append(Row(row, float(p50), float(p99), lost))
        medians[row] = [statistics.median(times) if times else float("nan") for times in found]
    ratios = {
        what: statistics.median(
            ours / bare for ours, bare in zip(medians[f"ours: {what}"], medians[f"bare hops: {what}"], strict=True)
        )
        for what in ("depth", "cloud")
    }
    return {"rows": [asdict(row) for row in rows], "engine_ms": engine_ms, "times_bare_hops": ratios}


def time_cpu(driver: Driver, seconds: float) -> dict[str, float]:
    """CPU time of the node in percent of one core: while nobody listens, and with depth and cloud subscribed."""
    node = Process.node("ours", model="'plane:z=2.0'")
    try:
        found = {}
        for state, topics in (("at work", {"/ours/depth/image": _IMAGE, "/ours/points": _CLOUD}), ("idle", {})):
            driver.subscribe(topics)
            driver.wait_for_listener("ours", wanted=bool(topics))
            _stream(driver, 1.0)
            start_s, before = time.monotonic(), node.cpu_s()
            _stream(driver, seconds)
            found[state] = 100.0 * (node.cpu_s() - before) / (time.monotonic() - start_s)
        return found
    finally:
        node.stop()


def _stream(driver: Driver, seconds: float) -> None:
    due_s = time.monotonic()
    for _ in range(round(seconds * CPU_RATE)):
        driver.publish("ours", CPU_SIZE)
        due_s += 1.0 / CPU_RATE
        time.sleep(max(0.0, due_s - time.monotonic()))


def time_start(driver: Driver, repeats: int) -> list[float]:
    """Seconds from starting the process to the first depth, with the shipped network and a camera that runs already."""
    found = []
    for number in range(repeats):
        name = f"start{number}"
        driver.open_camera(name)
        driver.subscribe({f"/{name}/depth/image": _IMAGE})
        node = Process.node(name)
        try:
            while not driver.answers_ms(name, CPU_SIZE, [f"/{name}/depth/image"], by_stamp=False, wait_s=0.03)[0]:
                if time.monotonic() > node.started_s + 60.0:
                    raise TimeoutError("no depth within a minute of the start")
            found.append(time.monotonic() - node.started_s)
        finally:
            node.stop()
    return found


def verdicts(tables: dict[str, Any], cpu: dict[str, float], starts_s: list[float]) -> dict[str, bool]:
    """Each aim in words, and whether it was met."""
    found = {}
    for size, aim_ms in DEPTH_AIM_MS.items():
        name = f"{size[0]}x{size[1]}"
        if name not in tables:
            continue
        p50 = {row["row"]: row["p50"] for row in tables[name]["rows"]}
        limit_ms = CLOUD_AIM_TIMES * p50["bare hops: cloud"] + CLOUD_AIM_PLUS_MS
        found[f"{name} depth {p50['ours: depth']:.2f} ms, aim {aim_ms:g} ms"] = p50["ours: depth"] <= aim_ms
        found[f"{name} cloud {p50['ours: cloud']:.2f} ms, aim {limit_ms:.2f} ms"] = p50["ours: cloud"] <= limit_ms
    found[f"idle CPU {cpu['idle']:.1f} %, aim {IDLE_AIM_PERCENT:g} %"] = cpu["idle"] < IDLE_AIM_PERCENT
    if starts_s:
        start_s = statistics.median(starts_s)
        found[f"first depth after {start_s:.2f} s, aim {START_AIM_S:g} s"] = start_s < START_AIM_S
    return found


def show(result: dict[str, Any]) -> None:
    """Print everything as Markdown."""
    print(", ".join(f"{key} {value}" for key, value in result["setting"].items()))
    for name, table in result["tables"].items():
        print(f"\n{name}, cloud {table['cloud']} of {POINT_STEP} bytes a point (stride {table['stride']}),", end=" ")
        print(f"engine {table['engine_ms']:.2f} ms subtracted\n\n| image published to | p50 [ms] | p99 [ms] | lost |")
        print("|---|---|---|---|")
        for row in table["rows"]:
            print(f"| {row['row']} | {row['p50']:.2f} | {row['p99']:.2f} | {row['lost']} |")
        ratios = table["times_bare_hops"]
        print(f"\ntimes the bare hops, per round: depth {ratios['depth']:.2f}, cloud {ratios['cloud']:.2f}")
    cpu = result["cpu_percent"]
    print(f"\nCPU of the node at 640x480 and 30 Hz: {cpu['at work']:.1f} % at work, {cpu['idle']:.1f} % idle")
    if result["start_s"]:
        print(f"start to first depth: {', '.join(f'{seconds:.2f}' for seconds in result['start_s'])} s")
    for words, is_met in result["verdicts"].items():
        print(f"{'met   ' if is_met else 'missed'} {words}")


def setting() -> dict[str, str]:
    """World, machine and versions."""
    names = ("numpy", "opencv-python-headless", "openvino", "onnxruntime", "rosbags")
    names = (*names, "cyclonedds") if ros.WORLD == "embedded" else names
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "none"
    if ros.WORLD == "rclpy":
        versions["ROS"] = f"{os.environ.get('ROS_DISTRO', '?')} {os.environ.get('RMW_IMPLEMENTATION', 'default RMW')}"
    cores = str(len(os.sched_getaffinity(0)))
    load = f"{os.getloadavg()[0]:.1f}"
    machine = {"CPU": cpu_model(), "cores": cores, "load before": load, "Python": platform.python_version()}
    return {"world": ros.WORLD, **machine, **versions}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Time the live node over DDS.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--quick", action="store_true", help="one small round of 640x480, no start")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    if args.rounds < 1 or args.frames < 1:
        parser.error(f"rounds are {args.rounds} and frames {args.frames}; accepted: at least 1")
    rounds, frames, sizes = (1, 5, [CPU_SIZE]) if args.quick else (args.rounds, args.frames, list(DEPTH_AIM_MS))
    result: dict[str, Any] = {"setting": setting()}
    driver = Driver()
    try:
        for name in ("ours", "usual", "bare_depth", "bare_cloud"):
            driver.open_camera(name)
        result["tables"] = {f"{s[0]}x{s[1]}": time_size(driver, s, rounds, frames) for s in sizes}
        result["cpu_percent"] = time_cpu(driver, 1.0 if args.quick else 10.0)
        result["start_s"] = [] if args.quick else time_start(driver, 3)
    finally:
        driver.close()
    result["verdicts"] = verdicts(result["tables"], result["cpu_percent"], result["start_s"])
    show(result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2))
    return 0 if all(result["verdicts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
