#!/usr/bin/env python3
"""CPU engines beside PyTorch, on the network of a known checkpoint (V2 metric indoor small) with random weights.

    python benchmarks/engines.py [--size 392x518] [--threads 2] [--rounds 11] [--json FILE]

Every engine runs in a process of its own and waits while another is timed. In each round all run once, in random order;
the speed-up is the median over the rounds of (PyTorch's time / engine's time), so that other load on the machine hits
both sides. PyTorch is eager, fp32, with scaled_dot_product_attention and no mask. The weights are random, with the head
rescaled so that depth spreads as that of trained ones does: the differences rank numerics, they are no accuracy.

Below the table stands a yardstick: one large matrix product of as many operations by NumPy, timed in the same rounds. A
whole network can hardly be faster in fp32.

Exit code 1 if a target is missed. Needs torch, transformers and onnx (extra convert) and OpenVINO (extra openvino).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PYTORCH = "torch eager fp32"
PRODUCT = "matrix product"
MODEL = "v2-metric-indoor-small"
PRODUCT_SIDE = 2048
TARGETS = {"openvino fp32": 1.7, "onnxruntime fp32": 1.5, "openvino auto": 3.5}
"""Least speed-up over PyTorch; auto, which is what a user gets, is timed only where it is not fp32 anyway."""
MAX_BF16_ABS_REL = 0.01
WARM_UPS = 2


def product_rows(gflop: float) -> int:
    """Rows of a matrix whose product with a square one of ``PRODUCT_SIDE`` takes that many operations."""
    return round(gflop * 1e9 / (2 * PRODUCT_SIDE**2))


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    engine: str
    precision: str
    version: str
    median_ms: float
    speed_up: float
    target: float | None
    abs_rel: float
    max_rel: float
    met: bool


def make_image(size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Blobs of several sizes with some noise, uint8 (h, w, 3): structure at every scale, from a fixed seed."""
    import cv2

    rng = np.random.default_rng(0)
    h, w = size_hw
    image = np.zeros((h, w, 3), np.float32)
    for cells in (3, 9, 40):
        coarse = rng.uniform(0.0, 1.0, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC) / 3.0
    image += rng.normal(0.0, 0.02, image.shape).astype(np.float32)
    return (np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def make_network(image_hw3: NDArray[np.uint8]) -> Any:
    """V2 metric indoor small with random weights; its logit on this image has mean -1.5 and standard deviation 1."""
    import torch

    from depth_anything_ros.models import get_model
    from depth_anything_ros.networks import build_network
    from depth_anything_ros.networks.known import config_of

    network = build_network(config_of(get_model(MODEL), transformers_layout=False)).eval()
    with torch.inference_mode():
        logits = network.logits(torch.from_numpy(image_hw3[None]))[0]
    with torch.no_grad():
        gain = 1.0 / float(logits.std())
        network.head.depth.weight.mul_(gain)
        network.head.depth.bias.sub_(float(logits.mean())).mul_(gain).sub_(1.5)
    return network


def write_artifact(folder: Path, size_hw: tuple[int, int]) -> Path:
    """Export the network and write its spec; a process of its own does it, so that torch is not in the others."""
    from depth_anything_ros.known_spec import known_spec
    from depth_anything_ros.models import get_model
    from depth_anything_ros.networks.export import export_onnx
    from depth_anything_ros.spec import Licence, save_spec, sha256_of, spec_path_of

    path = folder / f"{MODEL}.onnx"
    export_onnx(make_network(make_image(size_hw)), path)
    spec = known_spec(
        get_model(MODEL),
        transformers_rule=False,
        artifact=path.name,
        artifact_sha256=sha256_of(path),
        licence=Licence(id="Apache-2.0", category="permissive", source="random weights, for timing only"),
    )
    save_spec(spec_path_of(path), spec)
    return path


def open_runner(
    kind: str, path: Path, image_hw3: NDArray[np.uint8], threads: int
) -> tuple[str, str, Callable[[], Any]]:
    """Precision and version of an engine, and a function that runs it on the image and returns depth (h, w)."""
    if kind.startswith(PRODUCT):
        rows = int(kind.rpartition(" ")[2])
        left, right = np.ones((rows, PRODUCT_SIDE), np.float32), np.ones((PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
        product = np.empty_like(left)

        def run_product() -> NDArray[np.float32]:
            return np.asarray(np.matmul(left, right, out=product)[:1])

        return "fp32", f"numpy {np.__version__}", run_product
    if kind == PYTORCH:
        import torch

        torch.set_num_threads(threads)
        network, image = make_network(image_hw3), torch.from_numpy(image_hw3[None])

        def run_torch() -> NDArray[np.float32]:
            with torch.inference_mode():
                depth: NDArray[np.float32] = network(image)[0][0].numpy()
            return depth

        return "fp32", f"torch {torch.__version__}", run_torch
    from depth_anything_ros.engine import load_engine

    name, precision = kind.split()
    engine = load_engine(path, engine=name, precision=precision, threads=threads)
    return engine.info.precision, engine.info.version, lambda: engine.infer(image_hw3[None])[0]


def serve(connection: Connection, kind: str, path: Path, size_hw: tuple[int, int], threads: int) -> None:
    """A worker: reports precision, version and depth; then, for every message, runs once and reports the time [ms]."""
    try:
        precision, version, run = open_runner(kind, path, make_image(size_hw), threads)
        depth_hw = [run() for _ in range(WARM_UPS)][-1]
        connection.send((precision, version, np.array(depth_hw)))
        while connection.recv():
            start = time.perf_counter()
            run()
            connection.send((time.perf_counter() - start) * 1e3)
    except Exception as error:
        traceback.print_exc()
        connection.send(error)


def count_gflop(size_hw: tuple[int, int]) -> float:
    """GFLOP of one image through the network."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network = make_network(image := make_image(size_hw))
    # The kernel for CPUs is not known to the counter; the plain products that stand in for it are.
    plain = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with torch.inference_mode(), plain, FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(image[None]))
    return counter.get_total_flops() / 1e9


def receive(connection: Connection, kind: str) -> Any:
    """The next message of a worker; its failure ends the benchmark."""
    message = connection.recv()
    if isinstance(message, Exception):
        raise SystemExit(f"{kind} failed: {message}")
    return message


def measure(
    path: Path, engines: list[str], size_hw: tuple[int, int], threads: int, rounds: int, gflop: float
) -> tuple[list[Row], float]:
    """Time all engines in interleaved rounds; the rows, and the matrix product's speed-up over PyTorch."""
    product = f"{PRODUCT} {product_rows(gflop)}"
    kinds = [*engines, product]
    context = multiprocessing.get_context("spawn")
    connections: dict[str, Connection] = {}
    labels, depths = {}, {}
    for kind in kinds:
        connections[kind], theirs = context.Pipe()
        context.Process(target=serve, args=(theirs, kind, path, size_hw, threads), daemon=True).start()
        *labels[kind], depths[kind] = receive(connections[kind], kind)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    order = random.Random(0)
    for number in range(rounds):
        for kind in order.sample(kinds, len(kinds)):
            connections[kind].send(True)
            times[kind].append(receive(connections[kind], kind))
        print(f"round {number + 1}/{rounds}", file=sys.stderr)
    for connection in connections.values():
        connection.send(False)
    rows_of_table = [make_row(kind, labels[kind], times, depths) for kind in engines]
    return rows_of_table, median_ratio(times[PYTORCH], times[product])


def median_ratio(base_ms: list[float], own_ms: list[float]) -> float:
    """Speed-up over the base as the median of the rounds' ratios."""
    return statistics.median(base / own for base, own in zip(base_ms, own_ms, strict=True))


def make_row(kind: str, label: list[str], times: dict[str, list[float]], depths: dict[str, NDArray[np.float32]]) -> Row:
    """Speed-up as the median of per-round ratios; difference from PyTorch relative to its depth."""
    speed_up = median_ratio(times[PYTORCH], times[kind])
    relative = np.abs(depths[kind] / depths[PYTORCH] - 1.0)
    target = TARGETS.get(kind)
    met = (target is None or speed_up >= target) and (label[0] != "bf16" or relative.mean() <= MAX_BF16_ABS_REL)
    differences = float(relative.mean()), float(relative.max())
    return Row(kind, *label, statistics.median(times[kind]), speed_up, target, *differences, bool(met))


def print_table(rows: list[Row]) -> None:
    print("| engine | precision | version | median [ms] | speed-up | target | abs_rel vs torch | max rel | met |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        target = f"{row.target:.1f}" if row.target else "-"
        print(
            f"| {row.engine} | {row.precision} | {row.version.split('-')[0]} | {row.median_ms:.0f}"
            f" | {row.speed_up:.2f} | {target} | {row.abs_rel:.1e} | {row.max_rel:.1e} | {'yes' if row.met else 'NO'} |"
        )


def cpu_model() -> str:
    """Name of the CPU and those of its instruction sets that matter here."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")
    return f"{fields.get('model name', 'CPU of unknown name')} ({' '.join(name for name in known if name in flags)})"


def has_native_bf16() -> bool:
    """Whether OpenVINO finds bf16 in this CPU."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", default="392x518", help="height x width of the network's input (default 392x518)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every engine (default 2)")
    parser.add_argument("--rounds", type=int, default=11, help="timed runs of every engine (default 11)")
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    options = parser.parse_args()
    h, _, w = options.size.partition("x")
    if not (h.isdigit() and w.isdigit() and int(h) and int(w) and int(h) % 14 == 0 and int(w) % 14 == 0):
        parser.error(f"--size is {options.size!r}; accepted: two multiples of 14, as 392x518")
    if options.threads < 1 or options.rounds < 1:
        parser.error("--threads and --rounds are at least 1")
    size_hw = (int(h), int(w))
    kinds = [PYTORCH, "openvino fp32", "onnxruntime fp32"]
    native = has_native_bf16()
    if native:
        kinds.append("openvino auto")
    os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)  # read by NumPy in the workers
    with tempfile.TemporaryDirectory() as folder:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            path = pool.apply(write_artifact, (Path(folder), size_hw))
            gflop = pool.apply(count_gflop, (size_hw,))
        rows, bound = measure(path, kinds, size_hw, options.threads, options.rounds, gflop)
    print(f"CPU: {cpu_model()}; {options.threads} threads; input {options.size}; {options.rounds} rounds\n")
    print_table(rows)
    print(
        f"\nAn image costs {gflop:.1f} GFLOP. One matrix product of as many operations is {bound:.2f} times as fast as"
        " PyTorch's network: a whole network can hardly be faster in fp32."
    )
    if not native:
        print("\nopenvino auto: skipped, this CPU reports no native bf16, so that it is openvino fp32")
    if options.json:
        head = {"cpu": cpu_model(), "threads": options.threads, "size": options.size, "rounds": options.rounds}
        head |= {"gflop": gflop, "bound": bound}
        text = json.dumps({**head, "bf16_native": native, "rows": [asdict(row) for row in rows]}, indent=2)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
