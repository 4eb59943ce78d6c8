"""EngineSpec: what a network file promises, in a JSON file beside it.

The spec is strict on purpose: an unknown key, a wrong type or another format version is refused, because a promise that
is half understood gives wrong metres without any sign of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from .errors import SpecError

FORMAT_VERSION = 1
RESIZE_KINDS = ("short_side", "long_side", "closest_side", "fixed")
INTERPOLATIONS = ("cubic", "area", "cubic_or_area")
QUANTITIES = ("depth", "disparity")
MEANINGS = ("metric_canonical", "metric_fixed", "relative")
LICENCE_CATEGORIES = ("permissive", "non-commercial", "unclear")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ResizeRule:
    """How a camera's image becomes the network's input; the aspect is kept to within one patch."""

    kind: str
    """Which side gets ``side`` pixels: short_side, long_side, closest_side (the one whose length changes by the smaller
    factor, the rule of transformers), or fixed (both, a square: the aspect is lost)."""
    side: int
    """Length of that side [px]; a multiple of ``multiple``."""
    multiple: int = 14
    """Both sides of the network's input are multiples of this (the patch size) [px]."""
    interpolation: str = "cubic"
    """cubic; area (averages when the image shrinks by more than two, else cubic); cubic_or_area (averages whenever it
    shrinks, else cubic: the rule of Depth Anything 3)."""

    def __post_init__(self) -> None:
        _require(self.kind in RESIZE_KINDS, "resize.kind", self.kind, f"one of {', '.join(RESIZE_KINDS)}")
        known = self.interpolation in INTERPOLATIONS
        _require(known, "resize.interpolation", self.interpolation, f"one of {', '.join(INTERPOLATIONS)}")
        _require(self.multiple >= 1, "resize.multiple", self.multiple, "at least 1")
        positive_multiple = self.side >= self.multiple and self.side % self.multiple == 0
        _require(positive_multiple, "resize.side", self.side, f"a positive multiple of {self.multiple}")


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Under which terms the weights may be used."""

    id: str
    """SPDX identifier where there is one."""
    category: str
    """permissive, non-commercial or unclear."""
    source: str
    """Where the licence is stated (a public address, or the file in this repository)."""

    def __post_init__(self) -> None:
        accepted = f"one of {', '.join(LICENCE_CATEGORIES)}"
        _require(self.category in LICENCE_CATEGORIES, "licence.category", self.category, accepted)


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """The promise of one artifact. Input: uint8 RGB (n, h, w, 3), normalised inside. Output: float32 (n, h, w).

    Raises SpecError where a value is not acceptable.
    """

    format_version: int = FORMAT_VERSION
    name: str
    description: str
    artifact: str
    """File name of the network, in the folder of the spec; "" for an engine without weights."""
    artifact_sha256: str
    resize: ResizeRule
    max_batch: int
    meaning: str
    """metric_canonical (metres at ``canonical_focal_px``), metric_fixed (metres of the training camera) or relative."""
    min_depth_m: float
    max_depth_m: float
    licence: Licence
    quantity: str = "depth"
    """What a relative output is a linear function of: depth, or disparity (1 / depth); metric ones are depth."""
    input_name: str = "image"
    depth_output: str = "depth"
    canonical_focal_px: float | None = None
    """Focal length at which a metric_canonical output is in metres [px of the network's input]."""
    training_focal_px: float | None = None
    """Focal length of the camera that a metric_fixed network was trained with [px of its input], where known."""
    sky_output: str | None = None
    sky_threshold: float = 0.5
    """A pixel is sky where the sky output is greater than this."""
    licence_accepted: str | None = None
    """When terms that need acceptance were accepted, and by what act of the user's."""
    golden: str | None = None
    """File name of the golden sample, in the folder of the spec."""
    golden_sha256: str | None = None
    quantized: str | None = None
    """int8 where the graph itself is quantised."""
    torch_weights: str | None = None
    """File name of the same network's weights for the torch engine (safetensors), in the folder of the spec."""
    torch_weights_sha256: str | None = None
    provenance: dict[str, str] = field(default_factory=dict, hash=False)
    """Where the weights come from: recipe, revision, figures."""
    trained_frames: tuple[str, ...] = ()
    """Names of the real frames that the network was trained on."""

    def __post_init__(self) -> None:
        _require(self.meaning in MEANINGS, "meaning", self.meaning, f"one of {', '.join(MEANINGS)}")
        _require(self.max_batch >= 1, "max_batch", self.max_batch, "at least 1")
        _require(0 < self.min_depth_m < math.inf, "min_depth_m", self.min_depth_m, "a positive number of metres")
        ordered = self.min_depth_m < self.max_depth_m < math.inf
        _require(ordered, "max_depth_m", self.max_depth_m, f"a finite number above min_depth_m = {self.min_depth_m}")
        for key in ("canonical_focal_px", "training_focal_px"):
            focal = getattr(self, key)
            _require(focal is None or 0 < focal < math.inf, key, focal, "a positive number of pixels, or null")
        known = self.meaning != "metric_canonical" or self.canonical_focal_px is not None
        _require(known, "canonical_focal_px", None, "a number, as meaning is metric_canonical")
        _require(self.quantity in QUANTITIES, "quantity", self.quantity, f"one of {', '.join(QUANTITIES)}")
        _require(self.quantized in (None, "int8"), "quantized", self.quantized, "int8 or null")
        fits = self.quantity == "depth" or self.meaning == "relative"
        _require(fits, "quantity", self.quantity, f"depth, as meaning is {self.meaning}")
        for key in ("artifact", "golden", "torch_weights"):
            name = getattr(self, key) or ""
            _require(
                not set(name) & set("/\\\0") and name not in (".", ".."), key, name, "a file name without a folder"
            )
        for name_key in ("artifact", "golden", "torch_weights"):
            hash_key = f"{name_key}_sha256"
            name, digest = getattr(self, name_key) or "", getattr(self, hash_key) or ""
            wanted = f"64 hexadecimal digits, as {name_key} is {name!r}" if name else f"empty, as {name_key} is"
            _require(bool(_SHA256.fullmatch(digest)) if name else not digest, hash_key, digest, wanted)


def spec_path_of(artifact_path: str | Path) -> Path:
    """Path of the spec that belongs to an artifact: the same name, ending in .json."""
    return Path(artifact_path).with_suffix(".json")


def load_spec(path: str | Path) -> EngineSpec:
    """Read and check a spec file.

    Raises SpecError where the file is absent, is not JSON, or says something that this version does not understand.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise SpecError(f"no spec at {path}; every network needs one beside it, of its name with .json") from None
    except OSError as error:
        raise SpecError(f"cannot read the spec {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path} is not a spec: it is not valid JSON ({error})") from error
    try:
        return spec_from_dict(data)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from error


def save_spec(path: str | Path, spec: EngineSpec) -> None:
    """Write a spec as JSON, to a temporary name beside ``path`` and then renamed. Raises SpecError on a NaN or Inf."""
    path = Path(path)
    try:
        text = json.dumps(spec_to_dict(spec), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise SpecError(f"the spec {spec.name!r} cannot be written as JSON: {error}") from error
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def spec_to_dict(spec: EngineSpec) -> dict[str, Any]:
    """The spec as plain values, in the order of the fields."""
    return dataclasses.asdict(spec)


def spec_from_dict(data: object) -> EngineSpec:
    """The inverse of ``spec_to_dict``, for values read from JSON; raises SpecError, which names the key."""
    if not isinstance(data, dict):
        raise SpecError(f"a spec is a JSON object, not {type(data).__name__}")
    version = data.get("format_version")
    if type(version) is int and version > FORMAT_VERSION:
        raise SpecError(
            f"format_version {version} is newer than the {FORMAT_VERSION} that is read here; update the package"
        )
    if version != FORMAT_VERSION or type(version) is not int:
        raise SpecError(f"format_version is {version!r}; accepted: {FORMAT_VERSION}")
    spec = _parse(EngineSpec, data, "")
    assert isinstance(spec, EngineSpec)
    return spec


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _parse(cls: type, data: object, where: str) -> object:
    """Build a dataclass from a dict of exactly its fields, each of its declared type."""
    if not isinstance(data, dict):
        raise SpecError(f"{where.rstrip('.')} is {data!r}; accepted: an object")
    fields = dataclasses.fields(cls)
    names = {f.name for f in fields}
    unknown = sorted(set(data) - names)
    if unknown:
        raise SpecError(f"unknown key {where}{unknown[0]}; accepted: {', '.join(sorted(names))}")
    hints = get_type_hints(cls)
    values = {}
    for f in fields:
        if f.name in data:
            values[f.name] = _convert(hints[f.name], data[f.name], f"{where}{f.name}")
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise SpecError(f"the key {where}{f.name} is missing")
    return cls(**values)


def _convert(hint: Any, value: object, key: str) -> object:
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _parse(hint, value, f"{key}.")
    optional = type(None) in getattr(hint, "__args__", ())
    if value is None and optional:
        return None
    kind = next((a for a in hint.__args__ if a is not type(None)), hint) if optional else hint
    if kind is float and type(value) in (int, float):
        try:
            return float(value)  # type: ignore[arg-type]
        except OverflowError:
            raise SpecError(f"{key} has more than 308 digits; accepted: a number") from None
    if kind in (int, str) and type(value) is kind:
        return value
    if kind == dict[str, str] and isinstance(value, dict) and all(type(v) is str for v in value.values()):
        return dict(value)
    if kind == tuple[str, ...] and isinstance(value, list) and all(type(v) is str for v in value):
        return tuple(value)
    raise SpecError(f"{key} is {value!r}; accepted: {_TYPE_WORDS[kind]}{' or null' if optional else ''}")


_TYPE_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a string",
    dict[str, str]: "an object of strings",
    tuple[str, ...]: "a list of strings",
}


def _require(condition: bool, key: str, value: object, accepted: str) -> None:
    if not condition:
        raise SpecError(f"{key} is {value!r}; accepted: {accepted}")


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number")
