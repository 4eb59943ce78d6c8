"""Making the folder of a network from weights or from a ready ONNX: what that needs, and doing it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from ..engine_options import Report
from ..errors import ConfigError, MissingDependency
from ..licences import check_licence
from ..models import MODELS, KnownModel
from ..spec import EngineSpec, sha256_of
from .conversion import ConversionJob, run_conversion

_TORCH = ("torch", "transformers")


def has_torch() -> bool:
    """Whether weights can be converted here."""
    return all(importlib.util.find_spec(name) is not None for name in _TORCH)


def require_what_converts(model: KnownModel | None, *, takes_onnx: bool) -> None:
    """Raise MissingDependency for what is absent, ConfigError where the hub has no ready ONNX of ``model``."""
    if takes_onnx and model is not None and model.onnx_id is None:
        names = names_of([known for known in MODELS if known.onnx_id])
        raise ConfigError(f"no ready ONNX of {model.name} is known; accepted with --ready-onnx: {names}")
    for name in ("onnx",) if takes_onnx else _TORCH:
        if importlib.util.find_spec(name) is None:
            raise MissingDependency(name, "fetch" if takes_onnx else "convert")


def size_when_made(weights: int, *, takes_onnx: bool, torch_weights: bool) -> int:
    """Bytes of the folder that is made of so many bytes of weights."""
    return weights * (2 if torch_weights and not takes_onnx else 1)


def make_network(
    source: Path,
    model: KnownModel | None,
    out: Path,
    tell: Report,
    *,
    takes_onnx: bool,
    accept: Sequence[str],
    torch_weights: bool,
) -> EngineSpec:
    """Fill the empty folder ``out`` and return the spec.

    A ready ONNX of ``model`` is wrapped here; weights are converted in another process, which recognises the model
    where it is None.
    """
    if takes_onnx and model is not None:
        from .ready_onnx import OnnxChoices, convert_onnx

        accepted = check_licence(model.name, model.licence, accept)
        provenance = {"kind": "known", "model": model.name, "source": source.name, "keys": "onnx"}
        changes = {"licence_accepted": accepted, "provenance": {**provenance, "source_sha256": sha256_of(source)}}
        choices = OnnxChoices(transformers_rule=True, changes=changes)
        return convert_onnx(source, model, out / f"{model.name}.onnx", choices, tell)
    job = ConversionJob(
        source=source.absolute(),
        model=model.name if model else None,
        out=out.absolute(),
        accept=tuple(accept),
        torch_weights=torch_weights,
    )
    return run_conversion(job, tell)


def names_of(models: Sequence[KnownModel]) -> str:
    """Their names, for a message."""
    return ", ".join(model.name for model in models)
