"""``open_weights``: what a training may go on from, in every form in which a user has it.

A checkpoint of this pipeline, an exported or fetched engine whose spec names torch weights, or a published Depth
Anything checkpoint. Fine-tuning, prediction and the stages' ``init`` go through here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from depth_anything_ros.engine import resolve_artifact
from depth_anything_ros.errors import ConfigError, EngineError, SpecError
from depth_anything_ros.licences import accept_spec
from depth_anything_ros.models import is_model_name
from depth_anything_ros.networks import DepthNetwork, NetworkConfig
from depth_anything_ros.networks.checkpoint import SUFFIXES, load_known
from depth_anything_ros.networks.key_map import TRANSFORMERS
from depth_anything_ros.networks.weights import checked_weights, load_weights
from depth_anything_ros.spec import EngineSpec, Licence, ResizeRule, load_spec, spec_path_of

from .checkpoint import load_network, read_meta
from .stage_configs import ExportConfig

CHECKPOINT_SUFFIX = ".safetensors"
MEANINGS = {"log_depth": "metric_canonical", "exp": "metric_canonical", "sigmoid": "metric_fixed", "relu": "relative"}
"""Output head: what a number of it means, in the words of EngineSpec."""
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class StartWeights:
    """A depth network on disk, and what is known of it."""

    name: str
    """As the user gave it."""
    title: str
    """A short name, for names of what is made of it."""
    file: Path
    """The file, or the hub's folder, that holds the weights."""
    config: NetworkConfig
    meta: dict[str, Any]
    """All of a checkpoint's; else ``trained_frames`` and ``provenance`` as a checkpoint has them."""
    meaning: str
    """metric_canonical, metric_fixed or relative, as in EngineSpec."""
    quantity: str
    """depth, or disparity."""
    licence: Licence
    stated_resize: ResizeRule | None
    """The rule of an engine's spec or of a published network; None where the recipe in ``meta`` tells."""
    sky_threshold: float
    load: Callable[[], DepthNetwork] = field(repr=False)
    """Read the network, in fp32 and evaluation mode."""

    @property
    def resize(self) -> ResizeRule:
        """How images become its input; ConfigError for a checkpoint whose recipe does not tell."""
        return self.stated_resize or checkpoint_rule(self.meta, self.file)

    @property
    def is_metric(self) -> bool:
        """Whether it gives metres."""
        return self.meaning != "relative"

    @property
    def keeps_head(self) -> bool:
        """Whether its head can go on to learn metres at a canonical focal length, which are right for any camera."""
        return MEANINGS[self.config.head] == "metric_canonical"


def open_weights(name: str | Path) -> StartWeights:
    """Find and check weights; the tensors of a published checkpoint alone are read, as nothing else tells what it is.

    ``name`` is a checkpoint (.safetensors), what ``resolve_artifact`` takes (an .onnx file, its folder, a fetched
    network, starter), or a published checkpoint (.pth, .bin, .safetensors, a folder of transformers).

    Raises ConfigError (its subclass LicenceError for terms that were not accepted), EngineError or SpecError, in one
    line, where there is nothing to go on from.
    """
    if is_engine(name):
        return _of_engine(str(name))
    path = Path(name)
    if not path.exists() and path.suffix != CHECKPOINT_SUFFIX:
        raise ConfigError(
            f"{name}: no such checkpoint; accepted: one of training (.safetensors), an exported network (.onnx, a"
            " fetched name, starter), or a published checkpoint (.pth, .bin, a folder of transformers)"
        )
    if path.suffix != CHECKPOINT_SUFFIX or path.is_dir():
        return _of_published(path)
    return _of_published(path) if _is_foreign(path) else _of_checkpoint(path)


def is_engine(name: str | Path) -> bool:
    """Whether ``name`` is what ``resolve_artifact`` takes and no file or folder of weights."""
    path = Path(name)
    if str(name) == "starter" or path.suffix == ".onnx":
        return True
    if path.is_dir():
        return not is_weights(path) and any(path.glob("*.onnx"))
    return not path.exists() and is_model_name(str(name))


def is_weights(name: str | Path) -> bool:
    """Whether ``name`` is a file or folder of weights that training reads itself, and not an engine."""
    path = Path(name)
    return any((path / file).is_file() for file in _HUB_FILES) if path.is_dir() else path.suffix in SUFFIXES


def engine_weights(name: str | Path) -> tuple[Path, EngineSpec]:
    """The torch weights of an engine, checked, and its spec; EngineError, which says how they are made, where its spec
    names none.
    """
    artifact = resolve_artifact(name)
    spec = accept_spec(load_spec(spec_path_of(artifact)), ())
    if not spec.torch_weights:
        raise EngineError(
            f"{name}: its spec names no torch weights, and only those can be trained; python -m training export"
            " --torch-weights makes them, and depth_anything_ros fetch from weights, not with --ready-onnx"
        )
    return checked_weights(artifact, spec), spec


def _is_foreign(path: Path) -> bool:
    """Whether safetensors are another's: nothing of ours is in the header. Unreadable ones are told by their reader."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError):
        return False
    if "network" in header and "meta" not in header:
        raise ConfigError(f"{path}: the weights of an engine; accepted: that engine, by its .onnx file or name")
    return "meta" not in header


def checkpoint_rule(meta: dict[str, Any], path: Path) -> ResizeRule:
    """The resize rule that the network of a checkpoint is used with: the largest short side that it was trained at, and
    its recipe's interpolation. ConfigError where there is no such recipe, or where the network has no depth yet.
    """
    if meta.get("stage") == "pretrain":
        raise ConfigError(f"{path}: stage pretrain trains an encoder alone; as encoder of a recipe it is accepted")
    try:
        section = meta["recipe"][meta["stage"]]
        return ResizeRule(
            kind="short_side", side=max(section["short_sides"]), interpolation=meta["recipe"]["interpolation"]
        )
    except (KeyError, TypeError, ValueError, SpecError):
        raise ConfigError(
            f"{path}: the checkpoint's recipe does not say at which size it was trained; accepted: as init of a recipe"
            " that does, or the network that was exported from it"
        ) from None


def _of_checkpoint(path: Path) -> StartWeights:
    meta = read_meta(path)
    config = NetworkConfig.from_dict(meta["network"])
    recipe = meta.get("recipe") or {}
    title = recipe.get("name") or path.stem
    return StartWeights(
        name=str(path),
        title=title,
        file=path,
        config=config,
        meta=meta,
        meaning=MEANINGS[config.head],
        quantity="disparity" if config.head == "relu" else "depth",
        licence=_terms_of_checkpoint(meta, title),
        stated_resize=None,
        sky_threshold=EngineSpec.sky_threshold,
        load=lambda: load_network(path)[0],
    )


def _terms_of_checkpoint(meta: dict[str, Any], title: str) -> Licence:
    export = (meta.get("recipe") or {}).get("export") or {}
    named = export.get("licence") or ExportConfig.licence
    if meta.get("licence") and named == ExportConfig.licence:
        return Licence(**meta["licence"])
    return Licence(
        id=named,
        category=export.get("licence_category") or ExportConfig.licence_category,
        source=export.get("licence_source") or f"the recipe {title}",
    )


def _of_engine(name: str) -> StartWeights:
    file, spec = engine_weights(name)
    return StartWeights(
        name=name,
        title=Path(spec.artifact).stem,
        file=file,
        config=load_weights(file).config,
        meta={"trained_frames": list(spec.trained_frames), "provenance": {"model": spec.name, **spec.provenance}},
        meaning=spec.meaning,
        quantity=spec.quantity,
        licence=spec.licence,
        stated_resize=spec.resize,
        sky_threshold=spec.sky_threshold,
        load=lambda: load_weights(file),
    )


def _of_published(path: Path) -> StartWeights:
    try:
        network, model, origin = load_known(path, None)
    except ConfigError as error:
        if "--like" not in str(error):
            raise
        raise ConfigError(
            f"{str(error).partition('; name it')[0]}; accepted: the file name that its authors gave it, or"
            f" depth_anything_ros fetch {path} --like NAME, and then NAME"
        ) from None
    config = network.config
    return StartWeights(
        name=str(path),
        title=model.name,
        file=path,
        config=config,
        meta={"trained_frames": [], "provenance": {"model": model.name}},
        meaning=model.meaning,
        quantity=model.quantity,
        licence=model.licence,
        stated_resize=model.transformers_resize if origin.keys == TRANSFORMERS else model.resize,
        sky_threshold=EngineSpec.sky_threshold if model.sky_threshold is None else model.sky_threshold,
        load=lambda: load_known(path, None)[0],
    )
