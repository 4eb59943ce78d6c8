"""From a published checkpoint to what an engine loads: ONNX, spec, golden sample and, if asked for, torch weights."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..engine import apply_sky
from ..engine_options import Report
from ..errors import ConfigError
from ..golden import GoldenSample, save_golden
from ..known_spec import GOLDEN_TOLERANCE, golden_size, golden_view, known_spec
from ..licences import check_licence
from ..models import KnownModel
from ..spec import EngineSpec, save_spec, sha256_of
from .checkpoint import LoadedFrom, load_known
from .depth_network import DepthNetwork
from .export import export_onnx
from .key_map import TRANSFORMERS
from .weights import save_weights

_SUFFIXES = {"artifact": ".onnx", "golden": ".golden.npz", "torch_weights": ".safetensors"}


def convert(
    source: Path,
    model: KnownModel | None,
    out: Path,
    *,
    accept: Sequence[str],
    torch_weights: bool,
    report: Report,
) -> EngineSpec:
    """Convert a checkpoint into the existing folder ``out`` and return the spec that was written.

    Parameters
    ----------
    source, model: as ``checkpoint.load_known`` takes them.
    out: gets ``<model>.onnx``, ``<model>.json``, ``<model>.golden.npz`` and, with ``torch_weights``,
        ``<model>.safetensors``. They are made in a folder inside it and renamed; the spec, without which nothing is
        loaded, is removed first and comes last.
    accept: names of licence terms that the user accepts.
    report: is told what is being done and how much of it is done.

    Raises ConfigError for a source that is not a known checkpoint, its subclass LicenceError for terms that were not
    accepted, EngineError where the exported graph differs from PyTorch.
    """
    if not out.is_dir():
        raise ConfigError(f"{out}: no such folder")
    report(f"reading {source}", 0.0)
    network, model, origin = load_known(source, model)
    accepted = check_licence(model.name, model.licence, accept)
    with tempfile.TemporaryDirectory(prefix=".convert-", dir=out) as temporary:
        files = {kind: Path(temporary) / f"{model.name}{suffix}" for kind, suffix in _SUFFIXES.items()}
        report(f"exporting {model.name} and comparing it with PyTorch", 0.2)
        parity = export_onnx(network, files["artifact"])
        if torch_weights:
            report("writing the weights for the torch engine", 0.7)
            save_weights(network, files["torch_weights"])
        report("computing the golden sample", 0.75)
        spec = known_spec(
            model,
            transformers_rule=origin.keys == TRANSFORMERS,
            artifact=files["artifact"].name,
            artifact_sha256=sha256_of(files["artifact"]),
            licence_accepted=accepted,
            provenance=_provenance(model, origin, parity),
        )
        save_golden(files["golden"], _golden(network, spec))
        report("hashing", 0.9)
        made = {kind: file for kind, file in files.items() if file.is_file()}
        named = {kind: file.name for kind, file in made.items()}
        hashes = {f"{kind}_sha256": sha256_of(file) for kind, file in made.items()}
        spec = EngineSpec(**{**vars(spec), **named, **hashes})
        final = out / f"{model.name}.json"
        final.unlink(missing_ok=True)
        for file in made.values():
            file.replace(out / file.name)
        save_spec(final, spec)
    report(f"{model.name} is converted; mean relative difference from PyTorch {parity:.1e}", 1.0)
    return spec


def _provenance(model: KnownModel, origin: LoadedFrom, parity: float) -> dict[str, str]:
    return {
        "kind": "known",
        "model": model.name,
        "source": origin.file.name,
        "source_sha256": sha256_of(origin.file),
        "keys": origin.keys,
        "parity": f"{parity:.1e}",
    }


def _golden(network: DepthNetwork, spec: EngineSpec) -> GoldenSample:
    image = golden_view(golden_size(spec))
    with torch.inference_mode():
        depth, *sky = (output.numpy() for output in network(torch.from_numpy(image)[None]))
    answer = apply_sky(np.array(depth), sky[0] if sky else None, spec)
    return GoldenSample(image, answer[0], GOLDEN_TOLERANCE)
