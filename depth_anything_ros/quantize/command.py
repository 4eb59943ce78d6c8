"""``depth_anything_ros quantize``: an int8 network for CPUs beside the one it is made of, refused where it is worse."""

from __future__ import annotations

import dataclasses
import importlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ..engine import load_engine, read_artifact, resolve_artifact
from ..engine_options import EngineOptions, resize_rule
from ..errors import ConfigError, EngineError, MissingDependency, OutputError
from ..golden import SKY_TOLERANCE, load_golden, save_golden
from ..licences import accept_spec
from ..outputs import os_errors
from ..spec import EngineSpec, load_spec, save_spec, sha256_of, spec_path_of
from .images import ImageSet, load_images
from .measure import Int8Error, measure_int8, reference_depth


@dataclass(frozen=True, kw_only=True)
class QuantizeOptions:
    """Everything ``quantize`` can be told; the fields are named as the command's options."""

    model: str
    out: Path
    images: str
    image_topic: str | None = None
    max_images: int = 64
    resize: str = ""
    max_error: float = 0.05
    all_layers: bool = False
    accept_license: tuple[str, ...] = ()


def quantize(options: QuantizeOptions) -> int:
    """Quantise, measure, and write ``options.out`` if the error is accepted. Returns the exit code, 0.

    Raises ConfigError, SourceError, SpecError or OutputError for what cannot be used, MissingDependency without NNCF,
    and EngineError where the int8 network differs too much; nothing is left behind then.
    """
    if options.out.exists():
        raise OutputError(f"{options.out} exists; accepted: a folder that is to be made")
    path = resolve_artifact(options.model)
    spec = accept_spec(load_spec(spec_path_of(path)), options.accept_license)
    if spec.quantized:
        raise ConfigError(f"{path} is {spec.quantized} already; accepted: the network that it was made of")
    int8 = _nncf()
    data = read_artifact(path, spec)
    rule = resize_rule(options.resize, spec.resize)
    images = load_images(options.images, rule, max_images=options.max_images, image_topic=options.image_topic)
    layers = "all layers" if options.all_layers else "the transformer's layers"
    print(f"{spec.name}: {layers} to int8, calibrated with {len(images.calibration)} images of {images.description}")
    quantized: bytes = int8.quantize_network(data, spec, images.calibration, all_layers=options.all_layers)
    temporary = options.out.with_name(f".{options.out.name}.{os.getpid()}.part")
    try:
        with os_errors(options.out):
            temporary.mkdir(parents=True)
            artifact = temporary / f"{path.stem}-int8.onnx"
            artifact.write_bytes(quantized)
        new = dataclasses.replace(
            spec,
            name=f"{spec.name} int8",
            artifact=artifact.name,
            artifact_sha256=sha256_of(artifact),
            quantized="int8",
            golden=None,
            golden_sha256=None,
            torch_weights=None,
            torch_weights_sha256=None,
            provenance=spec.provenance | _provenance(spec, int8.VERSION, layers, images),
        )
        _save(artifact, new)
        errors = _measured(artifact, path, images, options)
        new = dataclasses.replace(new, provenance=new.provenance | {f"int8_on_{e.engine}": _words(e) for e in errors})
        _save(artifact, _with_golden(artifact, new, path, spec))
        for error in errors:
            load_engine(artifact, engine=error.engine).close()
        with os_errors(options.out):
            temporary.rename(options.out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f"{options.out / artifact.name}: {len(quantized) / 1e6:.1f} MB, {len(data) / 1e6:.1f} MB before")
    return 0


def _measured(artifact: Path, path: Path, images: ImageSet, options: QuantizeOptions) -> list[Int8Error]:
    """Measure and print; raises EngineError where the error is beyond what the options accept."""
    engine_options = EngineOptions(resize=options.resize, accept_license=options.accept_license)
    expected = reference_depth(path, images.held_out, engine_options)
    errors = measure_int8(artifact, path, images.held_out, expected, engine_options)
    print(f"difference from fp32 on {len(images.held_out)} images that were kept back:")
    for error in errors:
        speed = f"{error.speed:.2f} times as fast as its {error.precision} on this machine"
        print(f"  {error.engine}: {_words(error)}; {speed}")
    if max(error.speed for error in errors) < 1.0:
        print("  int8 gains nothing on this machine: it needs a CPU with VNNI or AMX (AVX2 alone has neither)")
    refused = [error for error in errors if error.abs_rel > options.max_error or error.sky_changed > SKY_TOLERANCE]
    if refused:
        more = "; without --all-layers it is smaller" if options.all_layers else ""
        raise EngineError(
            f"int8 changes depth too much on {refused[0].engine}: {_words(refused[0])}; accepted: abs_rel"
            f" {options.max_error:g} (--max-error) and {SKY_TOLERANCE:.0%} of sky{more}"
        )
    return errors


def _words(error: Int8Error) -> str:
    return f"abs_rel {error.abs_rel:.4f}, {error.worst:.4f} in the worst image, sky changed {error.sky_changed:.2%}"


def _provenance(spec: EngineSpec, version: str, layers: str, images: ImageSet) -> dict[str, str]:
    return {
        "quantized_with": f"{version}, {layers}, {len(images.calibration)} images",
        "quantized_from_sha256": spec.artifact_sha256,
    }


def _with_golden(artifact: Path, new: EngineSpec, path: Path, spec: EngineSpec) -> EngineSpec:
    """The spec with a golden sample: the image of the network before, and the int8 answer of ONNX Runtime.

    It shows that an engine computes this file as it should. What int8 costs was measured on the user's own images,
    which the sample's image need not be like.
    """
    if spec.golden is None:
        return new
    sample = load_golden(path.with_name(spec.golden), spec.golden_sha256 or "")
    with load_engine(artifact, engine="onnxruntime") as engine:
        depth_hw = engine.infer(sample.image_hw3[None])[0]
    golden = artifact.with_name(f"{artifact.stem}.golden.npz")
    with os_errors(golden):
        save_golden(golden, dataclasses.replace(sample, depth_hw=depth_hw))
    return dataclasses.replace(new, golden=golden.name, golden_sha256=sha256_of(golden))


def _save(artifact: Path, spec: EngineSpec) -> None:
    with os_errors(artifact):
        save_spec(spec_path_of(artifact), spec)


def _nncf() -> ModuleType:
    try:
        return importlib.import_module("depth_anything_ros.quantize.int8")
    except ImportError as error:
        raise MissingDependency(error.name or "nncf", "quantize") from error
