"""``depth_anything_ros info``: what a recording holds, what a network promises, or what this machine can do.

Every description is a dictionary of plain values, printed as an indented list or as JSON.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from depth_anything_ros import __version__
from depth_anything_ros.engine import DONE, DepthEngine, fetched_artifact, load_engine, resolve_artifact
from depth_anything_ros.errors import DepthAnythingError, EngineError, SourceError
from depth_anything_ros.folders import models_folder
from depth_anything_ros.licences import name_to_accept
from depth_anything_ros.models import MODELS, KnownModel, get_model, is_model_name
from depth_anything_ros.source import describe_bag, open_source
from depth_anything_ros.source_kind import source_kind
from depth_anything_ros.spec import EngineSpec, load_spec, spec_path_of

# What is imported, the distributions that may bring it, and the extra of this package ("" = the base install).
_LIBRARIES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("numpy", ("numpy",), ""),
    ("cv2", ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"), ""),
    ("onnxruntime", ("onnxruntime", "onnxruntime-gpu"), ""),
    ("rosbags", ("rosbags",), ""),
    ("openvino", ("openvino",), "openvino"),
    ("tensorrt", ("tensorrt", "tensorrt-cu12", "tensorrt-cu13"), "tensorrt"),
    ("cuda", ("cuda-bindings",), "tensorrt"),
    ("onnx", ("onnx",), "tensorrt"),
    ("open3d", ("open3d", "open3d-cpu"), "cloud"),
    ("torch", ("torch",), "convert"),
    ("transformers", ("transformers",), "convert"),
    ("huggingface_hub", ("huggingface-hub",), "convert"),
    ("nncf", ("nncf",), "quantize"),
)
TENSORRT_STATE = "checked against the API of 10.3, 10.16 and 11.4, not yet run on hardware"
_GIVES = {
    "metric_canonical": "metres, from the camera's focal length",
    "metric_fixed": "metres of the camera it was trained with: calibrate-scale makes them those of yours",
    "relative": "relative depth without a unit: calibrate-scale gives it metres",
}
_CPU_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
_BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")


def print_info(path: str | None, *, as_json: bool) -> int:
    """Describe ``path`` (a recording, a network, a spec, "starter" or "plane:...") or, for None, this machine.

    Returns the exit code: 2 where the description ends in a problem, after it was printed. Raises SourceError,
    SpecError or EngineError for what cannot be described at all.
    """
    description = describe_machine() if path is None else describe_path(path)
    if as_json:
        print(json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(_lines(description)))
    return 2 if description.get("problem") else 0


def describe_path(path: str) -> dict[str, Any]:
    """Describe a network by its spec or its file, a bag, or another recording."""
    if path == "models":
        return {"known models": {model.name: _known_line(model) for model in MODELS}}
    if is_model_name(path) and not Path(path).exists():
        return describe_known(get_model(path))
    is_network = Path(path).suffix in (".onnx", ".json") or any(
        spec_path_of(file).is_file() for file in Path(path).glob("*.onnx")
    )
    if path in ("starter", "plane") or path.startswith("plane:") or is_network:
        return describe_network(path)
    if not Path(path).exists():
        accepted = "a recording, a network (.onnx), a spec (.json), 'starter', a known model's name, 'models'"
        raise SourceError(f"{path} does not exist; accepted: {accepted}")
    return describe_recording(Path(path))


def describe_known(model: KnownModel) -> dict[str, Any]:
    """What is known of a checkpoint, and where it lies if it was fetched."""
    try:
        return {"known as": model.name, **describe_network(str(fetched_artifact(model)))}
    except EngineError as error:
        needed = name_to_accept(model.licence)
        return {
            "known as": model.name,
            "what": model.title,
            "gives": _GIVES[model.meaning],
            "range": f"{model.min_depth_m:g} to {model.max_depth_m:g} m",
            "input": f"{model.resize.kind} {model.resize.side} px",
            "licence": f"{model.licence.id} ({model.licence.category}): {model.licence.source}",
            "must be accepted with": f"--accept-license {needed}" if needed else "",
            "weights": f"{model.hub_id}, {model.hub_file}, about {model.hub_size_bytes / 1e6:.0f} MB",
            "fetched": str(error),
        }


def _known_line(model: KnownModel) -> str:
    is_here = (models_folder() / model.name / DONE).is_file()
    return f"{model.title}; {model.licence.id} ({model.licence.category}); {'fetched' if is_here else 'not fetched'}"


def describe_recording(path: Path) -> dict[str, Any]:
    """A bag's topics, cameras and duration, and what ``run`` would take; of other sources what ``run`` says of them."""
    if source_kind(path) != "bag":
        with open_source(path) as source:
            return {
                "source": source.description,
                "frames": source.num_frames,
                "camera": source.camera_note,
                "notes": list(source.notes),
            }
    bag = describe_bag(path)
    return {
        "bag": str(bag.path),
        "storage": bag.storage,
        "duration_s": round(bag.duration_s, 3),
        "messages": bag.num_messages,
        "topics": {topic.name: f"{topic.type}, {topic.count} messages" for topic in bag.topics},
        "cameras": {camera.topic: _camera_text(camera) for camera in bag.cameras},
        "run takes": bag.choice or "nothing without options",
        "intrinsics": bag.camera_note,
        "notes": list(bag.notes),
        "problem": bag.problem,
    }


def describe_network(name: str) -> dict[str, Any]:
    """A network's promises (its spec), and how it runs here: engine, precision, and the golden sample reproduced."""
    if name.startswith("plane"):
        with load_engine(name) as engine:
            return {"network": name, "promises": _promises(engine.spec), "runs here": _engine_dict(engine)}
    # A spec can be shown although its network is absent or damaged; a network without a spec cannot.
    spec_path = Path(name) if name.endswith(".json") else spec_path_of(resolve_artifact(name))
    spec = load_spec(spec_path)
    description: dict[str, Any] = {"network": str(spec_path.with_name(spec.artifact)), "promises": _promises(spec)}
    try:
        with load_engine(spec_path.with_name(spec.artifact)) as engine:
            description["runs here"] = _engine_dict(engine)
    except DepthAnythingError as error:
        description["problem"] = str(error)
    return description


def describe_machine() -> dict[str, Any]:
    """Versions of what is installed, the CPU's abilities, and which engine and precision would be used and why."""
    flags = _cpu_flags()
    description: dict[str, Any] = {
        "depth_anything_ros": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": {
            "model": _cpu_model(),
            "usable cores": _num_cores(),
            "features": [flag for flag in _CPU_FLAGS if flag in flags],
            "native bf16": any(flag in flags for flag in _BF16_FLAGS),
        },
        "libraries": {name: _installed(name, brought_by, extra) for name, brought_by, extra in _LIBRARIES},
        "tensorrt engine": describe_tensorrt_engine(),
        "live": _live(),
    }
    try:
        with load_engine("starter") as engine:
            description["network that runs by default"] = {"name": engine.spec.name, **_engine_dict(engine)}
    except DepthAnythingError as error:
        description["problem"] = str(error)
    return description


def describe_tensorrt_engine() -> dict[str, str]:
    """What the engine was checked with, and what this machine has for it."""
    found = {"state": TENSORRT_STATE}
    for key, module, find in (("tensorrt", "tensorrt_api", "find_tensorrt"), ("gpu", "cuda.seam", "find_device")):
        try:
            leaf = importlib.import_module(f"depth_anything_ros.engines.{module}")
            found[key] = str(getattr(leaf, find)(*([0] if key == "gpu" else [])))
        except DepthAnythingError as error:
            found[key] = str(error)
    return found


def _promises(spec: EngineSpec) -> dict[str, Any]:
    fields = {key: value for key, value in dataclasses.asdict(spec).items() if value is not None}
    fields["trained_frames"] = f"{len(spec.trained_frames)} real frames"
    return fields


def _engine_dict(engine: DepthEngine) -> dict[str, Any]:
    info = engine.info
    golden = None if info.golden is None else f"reproduced to abs_rel {info.golden.abs_rel:.1e}"
    return {
        "engine": info.engine,
        "precision": info.precision,
        "device": info.device,
        "why": info.reason,
        "library": info.version,
        "golden sample": golden or "none",
        "notes": list(info.notes),
    }


def _camera_text(camera: Any) -> str:
    if camera.camera is None:
        return f"cannot be used: {camera.problem}"
    model = camera.camera
    return (
        f"{model.width}x{model.height}, fx {model.fx:.1f} fy {model.fy:.1f} cx {model.cx:.1f} cy {model.cy:.1f} px,"
        f" {model.hfov_deg:.0f} deg wide, distortion {model.distortion_model}, frame {camera.frame_id or '(none)'}"
    )


def _installed(name: str, distributions: tuple[str, ...], extra: str) -> str:
    for distribution in distributions:
        try:
            return f"{metadata.version(distribution)} ({distribution})"
        except metadata.PackageNotFoundError:
            continue
    if importlib.util.find_spec(name) is not None:
        return "installed, version unknown"
    return f"not installed; pip install 'depth_anything_ros[{extra}]'" if extra else "not installed, but needed"


def _live() -> str:
    """What node, play and watch would run on."""
    if importlib.util.find_spec("rclpy") is not None:
        return f"ROS 2 {os.environ.get('ROS_DISTRO', '(ROS_DISTRO is not set)')}, rclpy"
    cyclonedds = _installed("cyclonedds", ("cyclonedds",), "dds")
    return f"no ROS 2 here; Cyclone DDS on its wire format: {cyclonedds}"


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _cpu_flags() -> set[str]:
    for line in _cpu_lines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def _cpu_model() -> str:
    for line in _cpu_lines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or "unknown"


def _lines(value: dict[str, Any], indent: str = "") -> Iterator[str]:
    """An indented list of a dictionary; empty values are left out."""
    for key, item in value.items():
        if item is None or item in ("", [], {}, ()):
            continue
        if isinstance(item, dict):
            yield f"{indent}{key}:"
            yield from _lines(item, indent + "  ")
        elif isinstance(item, (list, tuple)) and any(" " in str(part) for part in item):
            yield f"{indent}{key}:"
            yield from (f"{indent}  {part}" for part in item)
        elif isinstance(item, (list, tuple)):
            yield f"{indent}{key}: {', '.join(str(part) for part in item)}"
        elif isinstance(item, bool):
            yield f"{indent}{key}: {'yes' if item else 'no'}"
        else:
            yield f"{indent}{key}: {item}"
