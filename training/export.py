"""Stage ``export``: a checkpoint becomes ONNX, EngineSpec and golden sample, with the parity figures printed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import torch

from depth_anything_ros.engine import apply_sky
from depth_anything_ros.fingerprint import image_dhash
from depth_anything_ros.golden import GoldenSample, save_golden
from depth_anything_ros.known_spec import GOLDEN_CAMERA, GOLDEN_TOLERANCE, MAX_BATCH
from depth_anything_ros.networks.export import OUTPUT_NAMES, export_onnx
from depth_anything_ros.networks.weights import save_weights
from depth_anything_ros.preprocess import network_size
from depth_anything_ros.spec import EngineSpec, Licence, save_spec, sha256_of, spec_path_of

from .batches import open_source
from .checkpoint import load_network
from .config import TrainConfig, config_from_dict
from .metric import resize_rule
from .sources.synthetic import render_sample

GOLDEN_SEED = 11
"""Seed of the rendered view in the golden sample; below the seeds that recipes train on."""


def export_checkpoint(checkpoint: Path, out: Path, *, torch_weights: bool = False) -> EngineSpec:
    """Write ``out`` (.onnx), its spec and its golden sample, and return the spec.

    The averaged weights are stored in fp16; the golden answer is PyTorch's with exactly those weights. With
    ``torch_weights`` they are also written for the torch engine (.safetensors).
    """
    network, meta = load_network(checkpoint)
    config = config_from_dict(meta["recipe"], str(checkpoint))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    out.parent.mkdir(parents=True, exist_ok=True)
    error = export_onnx(network, out, half_weights=True)
    golden = out.with_suffix(".golden.npz")
    rule = resize_rule(config)
    spec = EngineSpec(
        name=f"{config.name} {network.config.hidden_size}x{network.config.num_layers}",
        description=config.description,
        artifact=out.name,
        artifact_sha256=sha256_of(out),
        resize=rule,
        max_batch=MAX_BATCH,
        meaning="metric_canonical",
        canonical_focal_px=network.config.canonical_focal_px,
        min_depth_m=config.min_depth_m,
        max_depth_m=config.max_depth_m,
        licence=Licence(id="Apache-2.0", category="permissive", source="LICENSE and NOTICE of this repository"),
        sky_output=OUTPUT_NAMES[1],
        provenance=_provenance(config, meta["step"]),
        trained_frames=trained_frames(config),
    )
    save_golden(golden, _golden(network, spec))
    made = {"golden": golden}
    if torch_weights:
        made["torch_weights"] = out.with_suffix(".safetensors")
        save_weights(network, made["torch_weights"])
    named = {kind: path.name for kind, path in made.items()}
    hashes = {f"{kind}_sha256": sha256_of(path) for kind, path in made.items()}
    spec = EngineSpec(**{**vars(spec), **named, **hashes})
    save_spec(spec_path_of(out), spec)
    size = sum(path.stat().st_size for path in (out, golden, spec_path_of(out))) / 1e6
    print(f"{out}: {size:.1f} MB with spec and golden sample; parity with PyTorch {error:.1e} (mean relative, 3 sizes)")
    return spec


def trained_frames(config: TrainConfig) -> tuple[str, ...]:
    """Fingerprints of the real frames of a recipe and, where it starts from a checkpoint, of that one's recipe."""
    marks = set()
    for source in config.sources:
        if source.kind == "frames":
            samples = open_source(source)
            marks |= {image_dhash(samples[index].image_HW3) for index in range(len(samples))}
    if config.init:
        _, meta = load_network(Path(config.init))
        marks |= set(trained_frames(config_from_dict(meta["recipe"], config.init)))
    return tuple(sorted(marks))


def _golden(network: torch.nn.Module, spec: EngineSpec) -> GoldenSample:
    height, width = network_size(*GOLDEN_CAMERA, spec.resize)
    image = render_sample(GOLDEN_SEED, width=width, height=height, kind="room").image_HW3
    with torch.inference_mode():
        depth, sky = (output.numpy() for output in network(torch.from_numpy(image)[None]))
    return GoldenSample(image, np.array(apply_sky(depth.copy(), sky, spec)[0]), GOLDEN_TOLERANCE)


def _provenance(config: TrainConfig, step: int) -> dict[str, str]:
    revision = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    sources = "; ".join(
        f"{item.dataset or 'synthetic'} {item.first}..{item.last if item.last >= 0 else 'end'}"
        for item in config.sources
    )
    return {
        "kind": "starter",
        "recipe": config.name,
        "steps": str(step),
        "sources": sources,
        "revision": revision.stdout.strip() or "unknown",
    }
