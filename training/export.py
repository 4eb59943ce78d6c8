"""Stage ``export``: a checkpoint becomes ONNX, EngineSpec and golden sample, with the parity figures printed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from depth_anything_ros.engine import apply_sky
from depth_anything_ros.errors import ConfigError, EngineError
from depth_anything_ros.golden import GoldenSample, save_golden
from depth_anything_ros.known_spec import GOLDEN_TOLERANCE, MAX_BATCH, golden_size, golden_view
from depth_anything_ros.networks import DepthNetwork
from depth_anything_ros.networks.export import OUTPUT_NAMES, export_onnx
from depth_anything_ros.networks.weights import save_weights
from depth_anything_ros.spec import EngineSpec, Licence, ResizeRule, save_spec, sha256_of, spec_path_of

from .checkpoint import load_network
from .config import Recipe, recipe_from_dict
from .run_dir import RunDir, os_errors
from .sources import open_source
from .stage_configs import ExportConfig
from .stages import checkpoint_of, is_done, stage_folder
from .start_weights import MEANINGS, checkpoint_rule

_SUFFIXES = {"artifact": ".onnx", "golden": ".golden.npz", "torch_weights": ".safetensors"}
_FOCAL_SAMPLES = 50
"""Samples of a source whose cameras are looked at."""
RELATIVE_RANGE_M = (0.1, 100.0)
"""Limits of a relative network, which a calibration gives its metres."""


def run(recipe: Recipe) -> Path:
    """Export ``export.model``; returns the .onnx file. Raises ConfigError where the checkpoint is not there yet,
    EngineError where the exported graph differs from PyTorch, OutputError where the files cannot be written.
    """
    out = stage_folder(recipe, "export") / f"{recipe.name}.onnx"
    if is_done(recipe, "export"):
        return out
    config = recipe.section("export")
    if out.name != f"{recipe.name}.onnx":
        raise ConfigError(f"name {recipe.name!r}: a name that a file can have is accepted")
    checkpoint = checkpoint_of(recipe, config.model)
    with RunDir(recipe, "export") as run_dir:
        export_checkpoint(checkpoint, out, config)
        run_dir.mark_done()
    return out


def export_checkpoint(
    checkpoint: Path, out: Path, config: ExportConfig | None = None, *, torch_weights: bool = False
) -> EngineSpec:
    """Write ``out`` (.onnx), its spec and its golden sample, and return the spec.

    The averaged weights are stored in fp16, those for the torch engine too; the golden answer is PyTorch's with exactly
    them. The files are made in a folder beside ``out`` and renamed; the spec, without which nothing is loaded, comes
    last. ``config`` is that of the checkpoint's own recipe where none is given; ``torch_weights`` adds the weights for
    the torch engine to it. Raises as ``run``.
    """
    if out.suffix != _SUFFIXES["artifact"]:
        raise ConfigError(f"{out}: a file name that ends in .onnx is accepted")
    network, meta = load_network(checkpoint)
    rule = checkpoint_rule(meta, checkpoint)  # told first where there is no recipe at all
    recipe = recipe_from_dict(meta["recipe"], str(checkpoint))
    config = config or recipe.export or ExportConfig()
    with_torch = torch_weights or config.torch_weights
    if with_torch and out.with_suffix(_SUFFIXES["torch_weights"]).resolve() == checkpoint.resolve():
        raise ConfigError(f"{out}: its torch weights would take the place of the checkpoint; take another name")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())
    with os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as temporary:
            files = {kind: Path(temporary) / f"{out.stem}{suffix}" for kind, suffix in _SUFFIXES.items()}
            parity = export_onnx(network, files["artifact"], half_weights=True)
            spec = _spec(files["artifact"], network, recipe, meta, rule, config)
            save_golden(files["golden"], _golden(network, spec))
            if with_torch:
                save_weights(network, files["torch_weights"], half_weights=True)
            made = {kind: path for kind, path in files.items() if path.is_file()}
            hashes = {f"{kind}_sha256": sha256_of(path) for kind, path in made.items()}
            spec = EngineSpec(**{**vars(spec), **{kind: path.name for kind, path in made.items()}, **hashes})
            spec_path_of(out).unlink(missing_ok=True)
            for path in made.values():
                path.replace(out.parent / path.name)
        save_spec(spec_path_of(out), spec)
        size = sum((out.parent / path.name).stat().st_size for path in made.values()) / 1e6
    others = out.with_suffix(_SUFFIXES["torch_weights"])
    if not with_torch and others.is_file():
        print(f"{others} was there before and is not of this export")
    print(
        f"{out}: {spec.meaning}, {size:.1f} MB with golden sample; parity with PyTorch {parity:.1e} (mean relative,"
        " 3 sizes)"
    )
    return spec


def _spec(
    artifact: Path, network: DepthNetwork, recipe: Recipe, meta: dict[str, Any], rule: ResizeRule, config: ExportConfig
) -> EngineSpec:
    head = network.config.head
    values: dict[str, Any] = {"meaning": MEANINGS[head]}
    if network.config.has_sky:
        values["sky_output"] = OUTPUT_NAMES[1]
    if MEANINGS[head] == "metric_canonical":
        values["canonical_focal_px"] = network.config.canonical_focal_px
    if MEANINGS[head] == "metric_fixed":
        values["training_focal_px"] = training_focal_px(recipe, meta["stage"], rule)
    if MEANINGS[head] == "relative":
        values["quantity"] = "disparity"
        near, far = RELATIVE_RANGE_M
    else:
        section = recipe.section(meta["stage"])
        near, far = section.min_depth_m, network.config.max_depth_m or section.max_depth_m
    return EngineSpec(
        name=f"{recipe.name} {network.config.hidden_size}x{network.config.num_layers}",
        description=recipe.description,
        artifact=artifact.name,
        artifact_sha256=sha256_of(artifact),
        resize=rule,
        max_batch=MAX_BATCH,
        min_depth_m=near,
        max_depth_m=far,
        licence=terms(config, meta, recipe.name),
        provenance={
            "kind": "trained",
            "steps": str(meta["step"]),
            **{key: str(value) for key, value in meta.get("provenance", {}).items()},
        },
        trained_frames=tuple(meta.get("trained_frames", ())),
        **values,
    )


def terms(config: ExportConfig, meta: dict[str, Any], recipe_name: str) -> Licence:
    """The recipe's licence, or that of the weights that the checkpoint continued where the recipe names none: what was
    made of non-commercial weights does not turn permissive by training.
    """
    if meta.get("licence") and config.licence == ExportConfig.licence:
        return Licence(**meta["licence"])
    source = config.licence_source or f"the recipe {recipe_name}"
    return Licence(id=config.licence, category=config.licence_category, source=source)


def training_focal_px(recipe: Recipe, stage: str, rule: ResizeRule) -> float | None:
    """Median focal length at the network's input of a stage's training cameras [px], None where they cannot be read.

    What a head without intrinsics answers for (Depth Anything V2's metric models). Where cameras differ, no single
    number is right; log_depth and exp heads do not need one.
    """
    section = recipe.section(stage)
    focals = []
    try:
        for item in recipe.sources(section.sources):
            samples = open_source(item.kind, item.path, item.options, first=item.first, last=item.last)
            positions = np.linspace(0, len(samples) - 1, min(len(samples), _FOCAL_SAMPLES)).astype(int)
            cameras = [samples[int(position)].camera for position in positions]
            focals += [camera.focal_px * rule.side / min(camera.width, camera.height) for camera in cameras]
    except (ConfigError, OSError, ValueError) as error:
        print(f"the cameras that {recipe.name} was trained with cannot be read, so the spec names no focal: {error}")
        return None
    if np.ptp(focals) > 0.1 * np.median(focals):
        print(
            f"the focal lengths that {recipe.name} was trained with go from {min(focals):.0f} to {max(focals):.0f} px"
            " at the network; a head that knows none is right for one of them (log_depth is for any)"
        )
    return round(float(np.median(focals)), 1)


def _golden(network: DepthNetwork, spec: EngineSpec) -> GoldenSample:
    image = golden_view(golden_size(spec))
    with torch.inference_mode():
        depth, *sky = (output.numpy() for output in network(torch.from_numpy(image)[None]))
    answer = apply_sky(np.array(depth), sky[0] if sky else None, spec)[0]
    finite = answer[np.isfinite(answer)]
    if not finite.size or float(finite.max()) <= 0:
        what = "sky" if not finite.size else "0"
        raise EngineError(f"{spec.name}: answers {what} everywhere on the golden view; train it further or anew")
    return GoldenSample(image, answer, GOLDEN_TOLERANCE)
