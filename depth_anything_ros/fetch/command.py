"""``fetch``: a known checkpoint becomes a folder that runs here, and on a robot without torch that it is copied to."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine import fetched_artifact
from ..engine_options import Report
from ..errors import ConfigError, OutputError
from ..folders import models_folder
from ..licences import check_licence, name_to_accept
from ..models import MODELS, KnownModel, find_model, get_model
from ..spec import EngineSpec, load_spec, save_spec, spec_path_of
from . import making
from .hub import HubFile, download, require_hub
from .store import check_space, check_target, downloads_folder, exclusive, is_complete, staging


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """What to fetch, and to where."""

    what: str
    """Name or hub id of a known model, or a file or folder with its weights on this machine."""
    like: str | None = None
    """Which known model a file is, where it does not tell."""
    out: Path | None = None
    """None: the folder of fetched networks, where the model's name finds it."""
    accept_license: Sequence[str] = ()
    force: bool = False
    ready_onnx: bool = False
    """Take the hub's ready ONNX, which needs no torch, even where torch is installed."""
    torch_weights: bool = True
    """Also write the weights for the torch engine."""


@dataclass(frozen=True)
class Fetched:
    """A network that is there now."""

    path: Path
    """Its ONNX file; the folder around it is complete."""
    spec: EngineSpec
    is_new: bool


def fetch_model(name: str, *, accept: Sequence[str], report: Report) -> Path:
    """Fetch a known model by name or hub id, if it was not yet, and return the path of its ONNX.

    ``report`` is called now and then; an exception that it raises ends the work, and what was downloaded is kept for
    the next time. Raises LicenceError before anything is downloaded, and what ``fetch`` raises.
    """
    model = get_model(name)
    if not is_complete(models_folder() / model.name):
        fetch(FetchOptions(what=name, accept_license=accept), report)
    return fetched_artifact(model)


def fetch(options: FetchOptions, tell: Report) -> Fetched:
    """Make the folder of a network; one that is there already stays as it is, unless ``options.force``.

    Raises
    ------
    LicenceError: the terms of the weights were not accepted; nothing was downloaded.
    ConfigError: the model is not known, the file is not one, or an option does not fit.
    EngineError: the hub cannot be reached or gives something else; the network does not answer as its weights should.
    OutputError: the folder cannot be written, is not free, or the disk has too little room.
    MissingDependency: what the download or the conversion needs is not installed.
    """
    path = Path(options.what).expanduser()
    if find_model(options.what) is not None or not (
        path.exists() or path.suffix or options.what.startswith((".", "/"))
    ):
        return _from_hub(get_model(options.what), options, tell)
    if not path.exists():
        raise ConfigError(f"no file or folder at {path}; accepted: one with weights, or a known model's name")
    return _from_file(path, options, tell)


def _from_hub(model: KnownModel, options: FetchOptions, tell: Report) -> Fetched:
    if options.like is not None:
        raise ConfigError(f"--like {options.like} is for a file; {options.what} is itself the name of a model")
    folder = options.out or models_folder() / model.name
    if is_complete(folder) and not options.force:
        return _there_already(folder, model)
    check_licence(model.name, model.licence, options.accept_license)
    check_target(folder, force=options.force)
    require_hub()
    takes_onnx = options.ready_onnx or (model.onnx_id is not None and not making.has_torch())
    making.require_what_converts(model, takes_onnx=takes_onnx)
    with exclusive(folder, tell):
        if is_complete(folder) and not options.force:  # made by whom we waited for
            return _there_already(folder, model)
        size = model.hub_size_bytes
        made = (
            folder.parent,
            making.size_when_made(size, takes_onnx=takes_onnx, torch_weights=options.torch_weights),
            "the network",
        )
        check_space([made, (downloads_folder(), size, "the download")])
        downloads = downloads_folder() / model.name
        if takes_onnx:
            assert model.onnx_id and model.onnx_file
            file = HubFile(model.onnx_id, model.onnx_file, size)
            source = download(file, downloads, tell, by_hand=_by_hand(model, file))
        else:
            source, file = _download_weights(model, options, downloads, tell)
        with staging(folder) as partial:
            spec = making.make_network(
                source,
                model,
                partial,
                tell,
                takes_onnx=takes_onnx,
                accept=options.accept_license,
                torch_weights=options.torch_weights,
            )
            _name_source(partial, spec, f"{file.repo}/{file.path}")
        shutil.rmtree(downloads, ignore_errors=True)
    return Fetched(folder / spec.artifact, spec, is_new=True)


def _from_file(path: Path, options: FetchOptions, tell: Report) -> Fetched:
    is_onnx = path.suffix == ".onnx"
    if options.ready_onnx:
        raise ConfigError(f"--ready-onnx takes the hub's file, and {path} is one of this machine")
    if path.is_dir() and is_complete(path):
        raise ConfigError(f"{path} is a fetched network already: --model {shlex.quote(str(path))} takes it")
    if is_onnx and options.like is None:
        raise ConfigError(
            f"{path} does not tell which model it is: name it with --like, one of {making.names_of(MODELS)}"
        )
    model = get_model(options.like) if options.like else None
    if model is not None:
        check_licence(model.name, model.licence, options.accept_license)
    making.require_what_converts(None, takes_onnx=is_onnx)
    # A model that is to be recognised gets its name when it was.
    folder = options.out or models_folder() / (model.name if model else f".unnamed-{os.getpid()}")
    check_target(folder, force=options.force)
    size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else (path,)) if file.is_file())
    check_space(
        [
            (
                folder.parent,
                making.size_when_made(size, takes_onnx=is_onnx, torch_weights=options.torch_weights),
                "the network",
            )
        ]
    )
    has_name = model is not None or options.out is not None
    with exclusive(folder, tell) if has_name else contextlib.nullcontext(), staging(folder) as partial:
        spec = making.make_network(
            path,
            model,
            partial,
            tell,
            takes_onnx=is_onnx,
            accept=options.accept_license,
            torch_weights=options.torch_weights,
        )
    if not has_name:
        folder = _named(folder, models_folder() / spec.name, tell, force=options.force)
    return Fetched(folder / spec.artifact, spec, is_new=True)


def _download_weights(model: KnownModel, options: FetchOptions, downloads: Path, tell: Report) -> tuple[Path, HubFile]:
    """The official weights; by the id of transformers' repository that one's, whose layout and rules are its own."""
    if options.what.strip().lower() != (model.transformers_id or "").lower() or model.transformers_id is None:
        file = HubFile(model.hub_id, model.hub_file, model.hub_size_bytes)
        return download(file, downloads, tell, by_hand=_by_hand(model, file)), file
    file = HubFile(model.transformers_id, "model.safetensors", model.hub_size_bytes)
    config = dataclasses.replace(file, path="config.json", size_bytes=0)
    folder = downloads / "hf"
    folder.mkdir(parents=True, exist_ok=True)
    for part in (file, config):
        link = folder / part.name
        link.unlink(missing_ok=True)
        # What the hub's cache holds may be anywhere.
        link.symlink_to(download(part, downloads, tell, by_hand=_by_hand(model, file)).absolute())
    return folder, file


def _name_source(folder: Path, spec: EngineSpec, source: str) -> None:
    named = dataclasses.replace(spec, provenance={**spec.provenance, "source": source})
    save_spec(spec_path_of(folder / spec.artifact), named)


def _there_already(folder: Path, model: KnownModel) -> Fetched:
    found = sorted(path for path in folder.glob("*.onnx") if spec_path_of(path).is_file())
    if not found:
        raise OutputError(f"{folder} says it is complete but holds no network; --force makes it again")
    spec = load_spec(spec_path_of(found[0]))
    if spec.name != model.name:
        raise OutputError(
            f"{folder} holds {spec.name}, not {model.name}; give another folder, or --force to replace it"
        )
    return Fetched(found[0], spec, is_new=False)


def _named(folder: Path, wanted: Path, tell: Report, *, force: bool) -> Path:
    """Give a folder the name of the model that was recognised in it."""
    try:
        with exclusive(wanted, tell):
            check_target(wanted, force=force)
            shutil.rmtree(wanted, ignore_errors=True)
            os.replace(folder, wanted)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return wanted


def _by_hand(model: KnownModel, file: HubFile) -> str:
    """What to do where the hub cannot be reached: one clause, with the command that then works."""
    target = Path.cwd() / file.name
    command = ["depth_anything_ros", "fetch", str(target), "--like", model.name]
    if accept := name_to_accept(model.licence):
        command += ["--accept-license", accept]
    return f"without the hub: put {file.url} at {target} and run: {shlex.join(command)}"
