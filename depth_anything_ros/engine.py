"""The engine protocol, and ``load_engine``: from a network file, the shipped starter or ``plane:`` to a checked engine.

The runtimes are leaves in ``engines/``, one library each, imported by name when they are asked for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .engine_options import EngineOptions, resize_rule
from .errors import ConfigError, EngineError, MissingDependency, SpecError
from .folders import models_folder
from .golden import GoldenError, check_golden, load_golden
from .licences import accept_spec
from .models import KnownModel, get_model, is_model_name
from .spec import EngineSpec, load_spec, spec_path_of

SELF_CHECKED = ("tensorrt",)
"""Engines that check the golden sample themselves, on every plan they load."""
DONE = "DONE"
"""Name of the empty file that a complete folder of a fetched network holds."""
_EXTRAS = {"openvino": "openvino", "onnxruntime": None, "tensorrt": "tensorrt", "torch": "convert"}
STARTER = Path(__file__).parent / "starter" / "starter.onnx"


@dataclass(frozen=True)
class EngineInfo:
    """What runs, where, and why it was chosen."""

    engine: str
    """openvino, onnxruntime, tensorrt, torch or plane."""
    precision: str
    """fp32, fp16, bf16 or int8; exact for plane."""
    device: str
    reason: str
    version: str
    """Version of the library that runs the network."""
    notes: tuple[str, ...] = ()
    """What a user should know: the measured difference of this precision, an unchecked golden sample."""
    golden: GoldenError | None = None
    """Difference from the golden sample, as measured at load; None where the spec has no sample."""
    is_fallback: bool = False
    """Whether another engine was asked for, and this one only allowed in its place."""


class DepthEngine(Protocol):
    """A loaded network. Not thread-safe: one worker calls it."""

    spec: EngineSpec
    info: EngineInfo

    def infer(self, images_nhw3: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Depth of a batch of RGB images, n up to ``spec.max_batch``, h and w multiples of ``spec.resize.multiple``.

        Returns a new (n, h, w) array: the network's metres (before any focal scaling), +Inf where sky.
        Raises EngineError for another type or shape, a NaN in the output, a closed engine, or a failing runtime.
        """
        ...

    def close(self) -> None:
        """Free the network; calling it twice is fine."""
        ...

    def __enter__(self) -> DepthEngine: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def load_engine(
    path_or_name: str | Path | None = None, options: EngineOptions | None = None, **changes: Any
) -> DepthEngine:
    """Load a network, check its spec, hash, licence and golden sample, and return it ready to run.

    Parameters
    ----------
    path_or_name: an .onnx file with its spec beside it, or the folder that holds the two; the name of a network that
        was fetched (``models.py``); None or "starter" for the shipped network; "plane:" followed by options for the
        exact plane (``engines/plane_engine.py``).
    options, changes: how to open it; ``changes`` are fields of EngineOptions that differ from ``options``.

    Raises
    ------
    ConfigError: an option is not acceptable; its subclass LicenceError: the network's terms were not accepted.
    SpecError: the spec is absent, malformed or of another version, or a file is not the one that the spec names.
    EngineError: the file is absent or no network, the precision is not native here, or the golden sample is missed.
    MissingDependency: the asked library is not installed.
    """
    options = dataclasses.replace(options or EngineOptions(), **changes)
    name = "starter" if path_or_name is None else str(path_or_name)
    if options.engine == "plane" and path_or_name is None:
        name = "plane:"
    if name == "plane" or name.startswith("plane:"):
        if options.engine not in ("auto", "plane"):
            raise ConfigError(f"the network {name!r} runs on the engine plane, not on {options.engine}")
        plane: DepthEngine = _import_leaf("plane_engine").open_plane(name.partition(":")[2])
        return plane
    if options.engine == "plane":
        raise ConfigError(f"the engine plane takes no network; got {name!r}; accepted: 'plane:' and its options")
    path = resolve_artifact(name)
    spec = load_spec(spec_path_of(path))
    if spec.artifact != path.name:
        raise SpecError(f"{spec_path_of(path)} is the spec of {spec.artifact!r}, not of {path.name!r}")
    read_artifact(path, spec)  # a wrong file is told before a library is imported
    spec = accept_spec(spec, options.accept_license)
    spec = dataclasses.replace(spec, resize=resize_rule(options.resize, spec.resize))
    sample = load_golden(path.with_name(spec.golden), spec.golden_sha256 or "") if spec.golden else None
    loaded = _open_network(path, spec, options)
    if options.engine in SELF_CHECKED:
        return loaded
    if sample is None:
        note = "the spec names no golden sample: the output of this engine was not checked"
        loaded.info = dataclasses.replace(loaded.info, notes=(*loaded.info.notes, note))
        return loaded
    try:
        error = check_golden(loaded, sample)
    except BaseException:
        loaded.close()
        raise
    note = f"golden sample reproduced in {loaded.info.precision}: abs_rel {error.abs_rel:.1e}"
    loaded.info = dataclasses.replace(loaded.info, notes=(*loaded.info.notes, note), golden=error)
    return loaded


def resolve_artifact(name: str | Path) -> Path:
    """Path of the network called ``name``: "starter", an .onnx file, its folder, or a fetched network's name.

    Raises EngineError where it is absent, ConfigError for a name that is not known.
    """
    if str(name) == "starter":
        if not STARTER.is_file():
            raise EngineError(f"the starter network is missing at {STARTER}; give the path of an .onnx file")
        return STARTER
    path = Path(name)
    if path.is_dir():
        return _network_in(path)
    if path.suffix != ".onnx":
        if is_model_name(str(name)):
            return fetched_artifact(get_model(str(name)))
        accepted = "an .onnx file, its folder, a known model's name, 'starter', or 'plane:' followed by options"
        raise EngineError(f"{path} is no network; accepted: {accepted}")
    if not path.is_file():
        raise EngineError(f"no network at {path}")
    return path


def fetched_artifact(model: KnownModel) -> Path:
    """Path of the fetched network of a known model; EngineError, which says how to fetch it, where it was not."""
    folder = models_folder() / model.name
    if not (folder / DONE).is_file():
        raise EngineError(f"{model.name} was not fetched yet: depth_anything_ros fetch {model.name}")
    return _network_in(folder)


def _network_in(folder: Path) -> Path:
    found = sorted(path for path in folder.glob("*.onnx") if spec_path_of(path).is_file())
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise EngineError(
            f"{folder} holds {len(found)} networks with a spec ({names}); accepted: one, or name the file"
        )
    return found[0]


def read_artifact(path: Path, spec: EngineSpec) -> bytes:
    """The artifact's bytes, checked against the spec's hash; raises SpecError if they are others."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EngineError(f"cannot read {path}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != spec.artifact_sha256:
        raise SpecError(
            f"{path} has the SHA-256 {found[:12]}…, its spec names {spec.artifact_sha256[:12]}…;"
            " the two do not belong together"
        )
    return data


def check_images(images_nhw3: NDArray[np.uint8], spec: EngineSpec) -> None:
    """Raise EngineError unless the batch is what ``DepthEngine.infer`` accepts."""
    accepted = f"uint8 (n, h, w, 3), n up to {spec.max_batch}, h and w multiples of {spec.resize.multiple}"
    if not isinstance(images_nhw3, np.ndarray):
        raise EngineError(f"{spec.name} got {type(images_nhw3).__name__}; accepted: an array, {accepted}")
    shape, multiple = images_nhw3.shape, spec.resize.multiple
    fits = images_nhw3.dtype == np.uint8 and len(shape) == 4 and shape[3] == 3 and 1 <= shape[0] <= spec.max_batch
    if not fits or min(shape[1:3]) < multiple or shape[1] % multiple or shape[2] % multiple:
        raise EngineError(f"{spec.name} got {images_nhw3.dtype} {shape}; accepted: {accepted}")


def apply_sky(
    depth_nhw: NDArray[np.float32], sky_nhw: NDArray[np.float32] | None, spec: EngineSpec
) -> NDArray[np.float32]:
    """Set +Inf where the sky score is above the spec's threshold, in place; the same array is returned."""
    if sky_nhw is not None:
        depth_nhw[sky_nhw > spec.sky_threshold] = np.inf
    return depth_nhw


def _open_network(path: Path, spec: EngineSpec, options: EngineOptions) -> DepthEngine:
    """Open on the asked runtime; auto is OpenVINO where it can be imported."""
    engine, reason = options.engine, "asked for"
    if engine == "auto":
        try:
            _import_leaf("openvino_engine", library="openvino", extra="openvino")
            engine, reason = "openvino", "auto: OpenVINO is installed, the fastest on CPUs"
        except MissingDependency:
            engine, reason = "onnxruntime", "auto: OpenVINO is not installed (extra openvino), ONNX Runtime always is"
    leaf = _import_leaf(f"{engine}_engine", library=engine, extra=_EXTRAS[engine])
    opened: DepthEngine = leaf.open_network(path, spec, options, reason=reason)
    return opened


def _import_leaf(module: str, *, library: str = "", extra: str | None = None) -> ModuleType:
    try:
        return importlib.import_module(f"depth_anything_ros.engines.{module}")
    except ImportError as error:
        if not library:
            raise
        if extra is None:
            raise EngineError(f"{library}, which the base install brings, cannot be imported: {error}") from error
        raise MissingDependency(library, extra) from error
