#!/usr/bin/env python3
"""How far every form of a network's graph is from PyTorch, on real images.

    python benchmarks/parity.py [--images GLOB ...] [--networks NAME,...] [--size 392x518] [--int8] [--json FILE]

The networks: the starter, and known ones by name with random weights and their last convolution scaled so that depth
spreads as that of trained ones does. Random weights rank numerics; they say nothing of accuracy. The reference is
PyTorch in fp32; for the starter, whose PyTorch weights do not ship, its own file on ONNX Runtime.

fp16 graphs run on the CPU with every tensor rounded to fp16 (``graphs.rounding``), as a GPU does that adds up in fp32.
``--int8`` quantises too, calibrated on every second image and measured on the others, with the CPU engines that are
installed, and times them in turns.

Exit code 1 if an fp32 or fp16 form misses what it is accepted with at load; int8 that does is what the command
``quantize`` refuses. Needs torch, transformers and onnx (extra convert); int8
needs NNCF (extra quantize).
"""

from __future__ import annotations

import argparse
import dataclasses
import glob
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.engine import STARTER
from depth_anything_ros.engine_options import EngineOptions
from depth_anything_ros.golden import COSINE_FROM, TOLERANCES
from depth_anything_ros.graphs import RUNGS, make_graph
from depth_anything_ros.graphs.attention import fusion_obstacles
from depth_anything_ros.graphs.parity import Infer, compare, on_onnxruntime
from depth_anything_ros.graphs.rounding import rounding_graph
from depth_anything_ros.models import get_model
from depth_anything_ros.preprocess import resize_to_network
from depth_anything_ros.spec import EngineSpec, ResizeRule, load_spec, save_spec, sha256_of, spec_path_of

SHARED = Path(os.environ.get("DEPTH_ANYTHING_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
IMAGES = ("dav2_examples/*.jpg", "hololens_seq/*_rgb.jpg", "*/*_rgb.*", "*/left_rgb.png")
"""Below the folder of real recordings; a few of each."""
OF_EACH = 4
NETWORKS = "starter,v2-small,v2-metric-indoor-small,v2-metric-indoor-base"
FP32_LIMIT = 1e-4
LOGITS = {"relu": (2.5, 1.0), "sigmoid": (-1.5, 1.0), "exp": (1.0, 0.7)}
"""Mean and standard deviation that the last convolution is scaled to: disparity that rarely is 0, metres in range."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    network: str
    form: str
    size_mb: float
    abs_rel: float
    worst_image: float
    worst_pixel: float | None
    cosine: float | None
    accepted: float
    speed: float | None = None

    @property
    def is_met(self) -> bool:
        return self.abs_rel <= self.accepted and (self.cosine is None or self.cosine >= COSINE_FROM)


@dataclass(frozen=True)
class Subject:
    """A network: its file and spec, and the answer it is compared with."""

    name: str
    path: Path
    spec: EngineSpec
    reference: Infer


def read_images(patterns: list[str], size_hw: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """RGB at the network's size, up to ``OF_EACH`` of every pattern, evenly."""
    found: list[str] = []
    for pattern in patterns:
        names = [name for name in sorted(glob.glob(pattern)) if name not in found]
        found += names[:: max(1, -(-len(names) // OF_EACH))]
    pixels = [cv2.imread(name, cv2.IMREAD_COLOR) for name in found]
    return [
        resize_to_network(np.ascontiguousarray(image[:, :, ::-1]), size_hw) for image in pixels if image is not None
    ]


def make_subject(name: str, folder: Path, image_hw3: NDArray[np.uint8], rule: ResizeRule) -> Subject:
    """The starter, or a known network with random weights, exported to ``folder``."""
    if name == "starter":
        spec = load_spec(spec_path_of(STARTER))
        return Subject(name, STARTER, spec, on_onnxruntime(STARTER.read_bytes(), spec))
    import torch

    from depth_anything_ros.networks import build_network
    from depth_anything_ros.networks.export import export_onnx
    from depth_anything_ros.networks.known import config_of

    model = get_model(name)
    network = build_network(config_of(model, transformers_layout=False), seed=1).eval()
    mean, std = LOGITS[model.head]
    with torch.inference_mode():
        logits = network.logits(torch.from_numpy(image_hw3[None]))[0]
        gain = std / logits.std()
        network.head.depth.weight *= gain
        network.head.depth.bias.copy_((network.head.depth.bias - logits.mean()) * gain + mean)
    path = folder / f"{name}.onnx"
    export_onnx(network, path)
    changes: dict[str, Any] = {
        **{"name": name, "artifact": path.name, "artifact_sha256": sha256_of(path), "golden": None},
        **{"golden_sha256": None, "resize": rule, "sky_output": None, "min_depth_m": 0.01, "max_depth_m": 1000.0},
    }
    spec = dataclasses.replace(load_spec(spec_path_of(STARTER)), **changes)
    save_spec(spec_path_of(path), spec)

    def reference(images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            depth: NDArray[np.float32] = network(torch.from_numpy(images_nhw3))[0].numpy()
        return depth

    return Subject(name, path, spec, reference)


def graph_rows(subject: Subject, images: list[NDArray[np.uint8]]) -> list[Row]:
    """Every rung, and the file itself."""
    data, (h, w) = subject.path.read_bytes(), images[0].shape[:2]
    forms = {"the file": data} | {rung: make_graph(data, subject.spec, rung, shape=(1, h, w)) for rung in RUNGS}
    rows = []
    for form, graph in forms.items():
        runs = rounding_graph(graph) if form.startswith("fp16") else graph
        found = compare(on_onnxruntime(runs, subject.spec), subject.reference, images)
        accepted = TOLERANCES["fp16"] if form.startswith("fp16") else FP32_LIMIT
        rows.append(
            Row(subject.name, form, len(graph) / 1e6, found.abs_rel, found.worst, found.max_rel, found.cosine, accepted)
        )
        print(f"{subject.name} {form}: {found.abs_rel:.1e}", file=sys.stderr)
    obstacles = fusion_obstacles(on_load(forms["fp16"]))
    print(f"{subject.name}: attention can{'not' if obstacles else ''} be fused {obstacles or ''}", file=sys.stderr)
    return rows


def on_load(data: bytes) -> Any:
    """The graph as an object."""
    import onnx

    return onnx.load_from_string(data)


def int8_rows(subject: Subject, images: list[NDArray[np.uint8]], folder: Path) -> list[Row]:
    """The transformer's layers and all layers in int8, on every CPU engine."""
    from depth_anything_ros.quantize.int8 import quantize_network
    from depth_anything_ros.quantize.measure import measure_int8, reference_depth

    rows, held_out = [], images[1::2]
    expected = reference_depth(subject.path, held_out, EngineOptions())
    for all_layers in (False, True):
        data = quantize_network(subject.path.read_bytes(), subject.spec, images[::2], all_layers=all_layers)
        path = folder / f"{subject.name}-int8-{all_layers}.onnx"
        path.write_bytes(data)
        changes: dict[str, Any] = {"artifact": path.name, "artifact_sha256": sha256_of(path), "quantized": "int8"}
        save_spec(spec_path_of(path), dataclasses.replace(subject.spec, **changes, golden=None, golden_sha256=None))
        for error in measure_int8(path, subject.path, held_out, expected, EngineOptions()):
            form = f"int8 {'all layers' if all_layers else 'transformer'}, {error.engine} (before: {error.precision})"
            row = Row(subject.name, form, len(data) / 1e6, error.abs_rel, error.worst, None, None, TOLERANCES["int8"])
            rows.append(dataclasses.replace(row, speed=error.speed))
            print(f"{subject.name} {form}: {error.abs_rel:.1e}, {error.speed:.2f} times as fast", file=sys.stderr)
    return rows


def print_table(rows: list[Row]) -> None:
    """The table as Markdown."""
    print("| network | form | MB | abs_rel | worst image | worst pixel | 1 - cosine | accepted | speed | met |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        speed = "-" if row.speed is None else f"{row.speed:.2f}"
        pixel = "-" if row.worst_pixel is None else f"{row.worst_pixel:.1e}"
        angle = "-" if row.cosine is None else f"{1 - row.cosine:.0e}"
        print(
            f"| {row.network} | {row.form} | {row.size_mb:.1f} | {row.abs_rel:.1e} | {row.worst_image:.1e} | {pixel}"
            f" | {angle} | {row.accepted:.0e} | {speed} | {'yes' if row.is_met else 'NO'} |"
        )


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", metavar="GLOB", nargs="+", default=[str(SHARED / name) for name in IMAGES])
    parser.add_argument("--networks", default=NETWORKS)
    parser.add_argument("--size", default="392x518", help="network's height x width [px]")
    parser.add_argument("--int8", action="store_true", help="quantise too (minutes)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    h, w = (int(side) for side in options.size.split("x"))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks.split(","):
            size_hw = (98, 126) if name == "starter" else (h, w)
            images = read_images(options.images, size_hw)
            if len(images) < 2:
                raise SystemExit(f"no images in {', '.join(options.images)}")
            rule = ResizeRule(kind="short_side", side=min(size_hw))
            subject = make_subject(name, Path(folder), images[0], rule)
            rows += graph_rows(subject, images)
            if options.int8:
                rows += int8_rows(subject, images, Path(folder))
    print(f"{len(images)} images at {options.size}, the starter at 98x126\n")
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) | {"met": row.is_met} for row in rows], indent=1) + "\n")
    return 0 if all(row.is_met for row in rows if row.speed is None) else 1


if __name__ == "__main__":
    sys.exit(main())
