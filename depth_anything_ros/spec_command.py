"""``spec``: a user's own ONNX gets a spec and a golden sample, and is checked; one in another form is wrapped first."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .engine_options import Report, resize_rule
from .errors import ConfigError, EngineError, MissingDependency, OutputError
from .licences import check_licence
from .models import KnownModel, get_model
from .outputs import os_errors
from .spec import EngineSpec, Licence, sha256_of, spec_path_of

_OVERRIDES = (
    *("name", "description", "max_batch", "min_depth_m", "max_depth_m"),
    *("canonical_focal_px", "training_focal_px", "sky_threshold"),
)


@dataclass(frozen=True, kw_only=True)
class SpecOptions:
    """A file, the known model that it is like, and what differs; None leaves the model's value."""

    file: Path
    like: str
    out: Path | None = None
    """Where the network goes, if it must be wrapped; None: beside the file, its name with ``_engine``."""
    force: bool = False
    accept_license: Sequence[str] = ()
    license: str | None = None
    """Id of the licence of the user's own weights, instead of the model's."""
    input_name: str = ""
    depth_output: str = ""
    sky_output: str = ""
    input_range: str = "normalised"
    resize: str = ""
    """As ``EngineOptions.resize``; empty: the model's official rule, or the size that the file fixes."""
    name: str | None = None
    description: str | None = None
    max_batch: int | None = None
    min_depth_m: float | None = None
    max_depth_m: float | None = None
    canonical_focal_px: float | None = None
    training_focal_px: float | None = None
    sky_threshold: float | None = None


def write_spec(options: SpecOptions, tell: Report) -> tuple[Path, EngineSpec]:
    """Check a network and write its spec and golden sample beside it; returns the network's path and the spec.

    A network that already takes bytes (n, h, w, 3) stays where it is; another is wrapped into a new file.
    Raises ConfigError, EngineError, OutputError or MissingDependency, and SpecError for an impossible value; nothing
    is left then.
    """
    source = options.file.expanduser()
    if source.suffix != ".onnx":
        raise ConfigError(f"{source} is no .onnx file; weights become one by: depth_anything_ros fetch {source}")
    if not source.is_file():
        raise EngineError(f"no network at {source}")
    model = get_model(options.like)
    licence = Licence(id=options.license, category="permissive", source="the user's word") if options.license else None
    accepted = check_licence(options.name or model.name, licence or model.licence, options.accept_license)
    changes = _changes(options, model, licence, accepted, source)
    ready_onnx = _import_fetch("ready_onnx")
    interface = _import_fetch("onnx_interface")
    is_ready = interface.read_interface(
        interface.load_network(source, with_weights=False),
        source,
        input_name=options.input_name,
        depth_output=options.depth_output,
        sky_output=options.sky_output,
    ).is_ready
    default = source if is_ready else source.with_name(f"{source.stem}_engine.onnx")
    target = options.out.expanduser() if options.out else default
    if target.suffix != ".onnx":
        raise ConfigError(f"--out {target}: accepted: a name that ends in .onnx")
    if not is_ready and target.resolve() == source.resolve():
        raise ConfigError(f"--out {target} is the network itself, which must be wrapped; accepted: another name")
    _check_free(target, source, force=options.force)
    choices = ready_onnx.OnnxChoices(
        input_name=options.input_name,
        depth_output=options.depth_output,
        sky_output=options.sky_output,
        input_range=options.input_range,
        changes=changes,
    )
    with os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".spec-", dir=target.parent) as folder:
            made = Path(folder) / target.name
            spec: EngineSpec = ready_onnx.convert_onnx(source, model, made, choices, tell)
            # The spec is the last: without it nothing is loaded.
            for path in (made, made.with_name(spec.golden or ""), spec_path_of(made)):
                if path != made or target != source:
                    os.replace(path, target.with_name(path.name))
    return target, spec


def _changes(
    options: SpecOptions, model: KnownModel, licence: Licence | None, accepted: str | None, source: Path
) -> dict[str, Any]:
    changes: dict[str, Any] = {key: getattr(options, key) for key in _OVERRIDES if getattr(options, key) is not None}
    if options.resize:
        changes["resize"] = resize_rule(options.resize, model.resize)
    if licence is not None:
        changes["licence"] = licence
    provenance = {"kind": "own", "like": model.name, "source": source.name, "source_sha256": sha256_of(source)}
    return {"name": source.stem, **changes, "licence_accepted": accepted, "provenance": provenance}


def _check_free(target: Path, source: Path, *, force: bool) -> None:
    new = (spec_path_of(target), target.with_suffix(".golden.npz"), *(() if target == source else (target,)))
    for path in new:
        if path.exists() and not force:
            raise OutputError(f"{path} exists; --force replaces it")


def _import_fetch(module: str) -> Any:
    try:
        return importlib.import_module(f"depth_anything_ros.fetch.{module}")
    except ImportError as error:
        raise MissingDependency((error.name or "onnx").partition(".")[0], "fetch") from error
