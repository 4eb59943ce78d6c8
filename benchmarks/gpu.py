#!/usr/bin/env python3
"""GPU engines against the roofline, and all that is around them: ``python benchmarks/gpu.py``.

    python benchmarks/gpu.py [--sizes small base large] [--seconds 5] [--json FILE]

Networks of the sizes of V2 metric with random weights, in fp16: the engine torch, and TensorRT where it is installed.
For each camera: the engine's own time with its upload and download, the rest of the frame on top of it (decode,
resize, metres, filter, upsampling, cloud and messages), and the roofline: the operations of the network divided by the
rate of a large fp16 matrix product on the same card, timed just before. Exit code 2 without a CUDA device.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

AIM_AROUND_MS = 3.0
"""Largest time of everything around the engine at 640x480."""
CAMERAS = ((640, 480), (1280, 720))
PRODUCT_SIDE = 8192


@dataclass(frozen=True)
class Row:
    """One engine with one network and one camera; times are medians [ms]."""

    network: str
    engine: str
    camera: str
    input: str
    engine_ms: float
    around_ms: float
    roofline_ms: float

    def cells(self) -> list[str]:
        """The row's cells, in the order of ``HEADS``."""
        share = self.roofline_ms / self.engine_ms
        times = [f"{self.engine_ms:.2f}", f"{self.roofline_ms:.2f}", f"{share:.0%}", f"{self.around_ms:.2f}"]
        return [self.network, self.engine, self.camera, self.input, *times]


HEADS = (*("network", "engine", "camera", "input", "engine [ms]", "roofline [ms]", "of roofline"), "around it [ms]")


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row.cells())} |" for row in rows)])


def missed(rows: list[Row]) -> list[str]:
    """Rows that miss the aim of what is around the engine, in words."""
    return [
        f"{row.network} on {row.engine}: {row.around_ms:.2f} ms around it, the aim is {AIM_AROUND_MS:g}"
        for row in rows
        if row.camera == "640x480" and row.around_ms > AIM_AROUND_MS
    ]


def write_network(folder: Path, size: str) -> Path:
    """A V2 metric network of random weights, as ``fetch`` would write it."""
    from depth_anything_ros.known_spec import known_spec
    from depth_anything_ros.models import get_model
    from depth_anything_ros.networks import build_network
    from depth_anything_ros.networks.export import export_onnx
    from depth_anything_ros.networks.known import config_of
    from depth_anything_ros.networks.weights import save_weights
    from depth_anything_ros.spec import Licence, save_spec, sha256_of, spec_path_of

    model = get_model(f"v2-metric-indoor-{size}")
    network = build_network(config_of(model, transformers_layout=True)).eval()
    path = folder / f"{size}.onnx"
    weights = path.with_suffix(".safetensors")
    export_onnx(network, path)
    save_weights(network, weights)
    spec = known_spec(
        model,
        transformers_rule=False,
        artifact=path.name,
        artifact_sha256=sha256_of(path),
        torch_weights=weights.name,
        torch_weights_sha256=sha256_of(weights),
        licence=Licence(id="Apache-2.0", category="permissive", source="random weights, for timing only"),
    )
    save_spec(spec_path_of(path), spec)
    return path


def product_tflops(rounds: int = 20) -> float:
    """Operations a second of a large fp16 matrix product on the card [10^12]."""
    import torch

    left = torch.randn(PRODUCT_SIDE, PRODUCT_SIDE, dtype=torch.float16, device="cuda")
    right = torch.randn_like(left)
    times_s = []
    for _ in range(rounds):
        torch.cuda.synchronize()
        start = time.perf_counter()
        torch.mm(left, right)
        torch.cuda.synchronize()
        times_s.append(time.perf_counter() - start)
    return 2 * PRODUCT_SIDE**3 / statistics.median(times_s) / 1e12


def measure(path: Path, size: str, engine_name: str, tflops: float, seconds: float) -> list[Row]:
    """Rows of one engine with one network."""
    from flops import gigaflops

    from depth_anything_ros.bench import measure as measure_frames
    from depth_anything_ros.engine import load_engine
    from depth_anything_ros.preprocess import network_size

    rows = []
    with load_engine(path, engine=engine_name, precision="fp16") as engine:
        for width, height in CAMERAS:
            found = measure_frames(engine_name, engine, width, height, seconds=seconds).stages
            h, w = network_size(width, height, engine.spec.resize)
            engine_ms = found["network"]["p50"]
            rows.append(
                Row(
                    network=f"V2 {size}",
                    engine=f"{engine_name} {engine.info.precision}",
                    camera=f"{width}x{height}",
                    input=f"{h}x{w}",
                    engine_ms=engine_ms,
                    around_ms=found["total"]["p50"] - engine_ms,
                    roofline_ms=gigaflops(size, (h, w)) / tflops,
                )
            )
    return rows


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=("small", "base", "large"), default=["small", "base"])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("gpu.py: error: PyTorch finds no CUDA device", file=sys.stderr)
        return 2
    from depth_anything_ros.errors import DepthAnythingError

    tflops = product_tflops()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; fp16 product: {tflops:.0f} TFLOP/s\n")
    rows: list[Row] = []
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = write_network(Path(folder), size)
            for engine_name in ("torch", "tensorrt"):
                try:
                    rows += measure(path, size, engine_name, tflops, args.seconds)
                except DepthAnythingError as error:
                    print(f"not measured: V2 {size} on {engine_name}: {error}")
    print(table(rows))
    for line in missed(rows):
        print(f"missed: {line}")
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return 1 if missed(rows) or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
