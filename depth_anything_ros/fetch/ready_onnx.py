"""From a ready ONNX file, the hub's or a user's, to a network with spec and golden sample. No torch is needed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..engine_options import Report
from ..errors import ConfigError, EngineError
from ..golden import GoldenSample, save_golden
from ..known_spec import GOLDEN_TOLERANCE, golden_view, known_spec
from ..models import KnownModel
from ..spec import EngineSpec, ResizeRule, save_spec, sha256_of, spec_path_of
from .onnx_checks import PARITY_TOLERANCE, check_values, depth_at, form_error, sizes_to_check, usable_batch
from .onnx_form import save_network, wrapped
from .onnx_interface import OnnxInterface, load_network, read_interface


@dataclass(frozen=True, kw_only=True)
class OnnxChoices:
    """What is known of a file that it does not say itself."""

    input_name: str = ""
    depth_output: str = ""
    sky_output: str = ""
    input_range: str = "normalised"
    transformers_rule: bool = False
    """The resize rule of transformers instead of the official one."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Fields of EngineSpec that differ from the model's."""


def convert_onnx(source: Path, model: KnownModel, artifact: Path, choices: OnnxChoices, tell: Report) -> EngineSpec:
    """Write ``artifact`` (.onnx, in an existing folder) in the engines' form, with its spec and golden sample.

    It is checked at two sizes, or at its own where that is fixed: shapes, values, batches, and that both forms answer
    alike. Raises EngineError where it cannot be a network of this model's kind, ConfigError for a choice that does not
    fit the file.
    """
    tell(f"reading {source.name}", None)
    interface = read_interface(
        load_network(source, with_weights=False),
        source,
        input_name=choices.input_name,
        depth_output=choices.depth_output,
        sky_output=choices.sky_output,
    )
    names = {"input_name": "image", "depth_output": "depth", "sky_output": "sky" if choices.sky_output else None}
    if interface.is_ready:
        names = {
            "input_name": interface.input_name,
            "depth_output": interface.outputs[0],
            "sky_output": choices.sky_output or None,
        }
        shutil.copyfile(source, artifact)
    else:
        save_network(wrapped(load_network(source), interface, input_range=choices.input_range), artifact)
    fields = {**names, **_fixed_size(interface, source, choices.changes), **choices.changes}
    spec = known_spec(
        model,
        transformers_rule=choices.transformers_rule,
        artifact=artifact.name,
        artifact_sha256=sha256_of(artifact),
        **fields,
    )
    save_spec(spec_path_of(artifact), spec)
    sizes = sizes_to_check(spec, interface)
    for h, w in sizes:
        tell(f"checking {artifact.name} at {w}x{h}", None)
        image = golden_view((h, w))
        if not interface.is_ready:
            error = form_error(source, artifact, interface, choices.input_range, (h, w))
            if not error <= PARITY_TOLERANCE:
                raise EngineError(f"{artifact.name} differs from {source} by {error:.1e}: a fault of this program")
        depth = depth_at(artifact, image[None])
        check_values(depth, model, spec)
        if (h, w) == sizes[0]:
            batch = usable_batch(artifact, spec, interface, depth)
    golden = artifact.with_suffix(".golden.npz")
    save_golden(golden, GoldenSample(image, np.array(depth[0]), GOLDEN_TOLERANCE))
    spec = dataclasses.replace(spec, max_batch=batch, golden=golden.name, golden_sha256=sha256_of(golden))
    save_spec(spec_path_of(artifact), spec)
    return spec


def _fixed_size(interface: OnnxInterface, source: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a size that the file fixes means for the spec."""
    n, h, w = interface.fixed
    if n not in (None, 1):
        raise EngineError(f"{source} takes {n} images at once, always; accepted: one, or any number")
    if h is None or w is None:
        return {}
    if "resize" in changes:
        raise ConfigError(f"{source} takes {w}x{h} only, so its resize rule cannot be chosen")
    side = h if h == w else max(h, w)
    return {"resize": ResizeRule(kind="fixed" if h == w else "long_side", side=side)}
