"""Who may import whom: the core needs NumPy and OpenCV alone, and imports point one way."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

from tests.source_tree import PACKAGE, REPOSITORY, imports_of, modules_of

HEAVY = frozenset(
    [
        *("torch", "torchvision", "transformers", "onnx", "onnxscript", "safetensors", "huggingface_hub"),
        *("accelerate", "ray", "webdataset", "h5py", "tensorboard", "pyarrow"),
        *("tensorrt", "cuda", "pycuda", "openvino", "onnxruntime", "nncf"),
        *(
            "rclpy",
            "launch",
            "cyclonedds",
            "foxglove",
            "rosbags",
            "lz4",
            "zstandard",
            "open3d",
            "matplotlib",
            "scipy",
            "pandas",
            "PIL",
            "tqdm",
            "yaml",
        ),
    ]
)
# The leaves, with what each may import; everything else in the core does without. A package stands for all in it.
LEAVES: dict[str, frozenset[str]] = {
    "engines.onnxruntime_engine": frozenset({"onnxruntime"}),
    "engines.openvino_engine": frozenset({"openvino"}),
    "engines.torch_engine": frozenset({"torch"}),
    "engines.tensorrt_api": frozenset({"tensorrt"}),
    "engines.cuda.bindings": frozenset({"cuda"}),
    "engines.cuda.pycuda": frozenset({"pycuda"}),
    "graphs": frozenset({"onnx", "onnxruntime"}),
    "fetch.hub": frozenset({"huggingface_hub"}),
    "fetch.onnx_form": frozenset({"onnx"}),
    "fetch.onnx_interface": frozenset({"onnx"}),
    "fetch.onnx_checks": frozenset({"onnxruntime"}),
    "fetch.ready_onnx": frozenset(),  # it stands on the three above
    "quantize.int8": frozenset({"nncf", "onnx"}),
    "open3d_cloud": frozenset({"open3d"}),
    "bag": frozenset({"rosbags", "lz4", "zstandard"}),
    "bag_writer": frozenset({"rosbags"}),
    "embedded": frozenset({"cyclonedds", "rosbags"}),
    "ros": frozenset({"rclpy"}),
    "watch.foxglove": frozenset({"foxglove", "rosbags"}),
    "networks": frozenset({"torch", "transformers", "onnx", "onnxscript", "onnxruntime", "safetensors"}),
}
# The leaves that cannot be imported without their library.
BY_NAME_ONLY = frozenset(
    [
        *("engines.onnxruntime_engine", "engines.openvino_engine", "engines.torch_engine", "open3d_cloud"),
        *("engines.cuda.bindings", "engines.cuda.pycuda", "quantize.int8", "graphs"),
    ]
)
# Small libraries of the base install that the core may import inside a function; its own import does without them.
LATE = frozenset({"tqdm", "yaml"})

# Lowest first; a module imports from its own layer or a lower one, and never in a circle.
LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(layer.split())
    for layer in (
        "errors folders",
        "domain parameter_spec embedded ros",
        "camera calibration rigid_transform spec metrics golden fingerprint scratch models licences engine_options",
        "encodings message_fields image_headers cdr_header image_codec depth_codec cloud_codec rvl compressed_codec",
        "preprocess geometry depth_frame rectify",
        "point_cloud ply open3d_cloud filters resample scale scale_calibration messages known_spec render",
        "source_kind source_frame source media bag",
        "engine engines networks graphs",
        "pipeline",
        "params engine_params",
        "splat outputs pictures bag_writer results reference report",
        "fetch quantize calibrate spec_command",
        "run frame_loop interrupt info bench build_engine selftest",
        "qos channel_stats diagnostics node_parameters",
        "intrinsics camera_channel frame_publisher depth_worker node_engine",
        "node live_node",
        "play watch",
        "cli cli_live cli_network cli_models cli_scale cli_quantize cli_engine cli_types __main__",
    )
)
# As far up as training may reach.
TRAINING_TOP = "pipeline"

BLOCKER = """
import importlib, importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {allowed!r}:
            raise ImportError(f"blocked: {{name}}")
sys.meta_path.insert(0, Blocker())
for name in {names!r}:
    importlib.import_module(name)
"""


def import_blocked(names: list[str], allowed: set[str]) -> subprocess.CompletedProcess[str]:
    """Import the modules in a fresh interpreter that refuses everything but the standard library and ``allowed``."""
    code = BLOCKER.format(names=names, allowed=allowed)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=REPOSITORY.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def covers(entry: str, module: str) -> bool:
    """Whether an entry of a table, a module or a package, stands for the module."""
    return module == entry or module.startswith(entry + ".")


def leaf_of(module: str) -> str | None:
    """The entry of LEAVES that covers a module, if any."""
    return next((leaf for leaf in LEAVES if covers(leaf, module)), None)


def full_name(module: str) -> str:
    return f"{PACKAGE}.{module}" if module else PACKAGE


@cache
def inner_imports(module: str, *, at_top: bool = False) -> frozenset[str]:
    """Modules of the package that a module of the package imports, anywhere in its text or outside functions only."""
    known = modules_of(PACKAGE)
    targets = set()
    for name, _ in imports_of(known[module], PACKAGE, at_top=at_top):
        if name.partition(".")[0] != PACKAGE:
            continue
        inner = name.removeprefix(PACKAGE).removeprefix(".")
        targets.add(inner if inner in known else inner.rpartition(".")[0])
    return frozenset(targets - {""})


def layer_of(module: str) -> int | None:
    """Number of the module's layer; None where it has none, or several."""
    numbers = [number for number, layer in enumerate(LAYERS) if any(covers(entry, module) for entry in layer)]
    return numbers[0] if len(numbers) == 1 else None


def above_the_seam() -> set[str]:
    """Modules that import the seam to ROS at their top, or one that does: they need one of its two worlds."""
    known = modules_of(PACKAGE)
    at_top = {module: inner_imports(module, at_top=True) for module in known}
    above = {"ros"}
    while more := {module for module, targets in at_top.items() if targets & above} - above:
        above |= more
    return above


def test_the_core_imports_with_numpy_and_opencv_alone() -> None:
    without = above_the_seam() | {"__main__"}
    names = [full_name(module) for module in modules_of(PACKAGE) if leaf_of(module) is None and module not in without]
    assert len(names) > 20
    result = import_blocked(names, {"numpy", "cv2", PACKAGE})
    assert result.returncode == 0, result.stderr


def test_the_blocker_blocks() -> None:
    result = import_blocked([full_name("bag.source")], {"numpy", "cv2", PACKAGE})
    assert result.returncode != 0
    assert "blocked: rosbags" in result.stderr


def test_the_command_line_and_everything_below_the_node_do_without_ros() -> None:
    assert not above_the_seam() & {"cli", "cli_live", "diagnostics", "channel_stats", "params", "messages", "pipeline"}


def test_the_seam_alone_knows_both_worlds() -> None:
    for module in modules_of(PACKAGE):
        if covers("embedded", module) or module == "ros":
            continue
        assert not any(covers("embedded", target) for target in inner_imports(module)), module


def test_heavy_libraries_are_imported_by_their_leaf_alone() -> None:
    found = {}
    for module, path in modules_of(PACKAGE).items():
        leaf = leaf_of(module)
        allowed = LATE | (LEAVES[leaf] if leaf else frozenset())
        for name, line in imports_of(path, PACKAGE):
            if (top := name.partition(".")[0]) in HEAVY - allowed:
                found[f"{module}:{line}"] = top
    assert found == {}


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_every_leaf_exists(leaf: str) -> None:
    assert leaf in modules_of(PACKAGE)


def test_every_module_has_one_layer() -> None:
    assert {module for module in modules_of(PACKAGE) if layer_of(module) is None} == {""}


def test_every_entry_of_the_layers_exists() -> None:
    assert frozenset().union(*LAYERS) - modules_of(PACKAGE).keys() == set()


def test_imports_point_one_way() -> None:
    upward = set()
    for module in modules_of(PACKAGE):
        for target in inner_imports(module):
            own, other = layer_of(module), layer_of(target)
            if own is not None and other is not None and other > own:
                upward.add(f"{module} -> {target}")
    assert upward == set()


def test_no_import_goes_in_a_circle() -> None:
    remaining = {module: inner_imports(module) - {module} for module in modules_of(PACKAGE)}
    while free := [module for module, targets in remaining.items() if not targets & remaining.keys()]:
        for module in free:
            del remaining[module]
    assert remaining == {}


def test_networks_are_reached_by_name_only() -> None:
    importers = [
        module
        for module in modules_of(PACKAGE)
        if leaf_of(module) not in ("networks", "engines.torch_engine")
        and any(leaf_of(target) == "networks" for target in inner_imports(module))
    ]
    assert importers == []


def test_heavy_leaves_are_reached_by_name_only() -> None:
    importers = {
        f"{module} -> {target}"
        for module in modules_of(PACKAGE)
        for target in inner_imports(module)
        if target in BY_NAME_ONLY and leaf_of(module) != leaf_of(target)
    }
    assert importers == set()


def test_nothing_in_the_package_imports_training() -> None:
    own = {"training", "depth_anything_ros_training"}
    importers = [
        module
        for module, path in modules_of(PACKAGE).items()
        if any(name.partition(".")[0] in own for name, _ in imports_of(path, PACKAGE))
    ]
    assert importers == []


def test_training_calls_itself_by_relative_imports_only() -> None:
    # It has two names, one in the checkout and one installed; under an absolute one a module would be loaded twice.
    assert len(modules_of("training")) > 5
    for path in modules_of("training").values():
        text = path.read_text("utf-8")
        for name, line in imports_of(path, "training"):
            top = name.partition(".")[0]
            source = text.splitlines()[line - 1].strip()
            assert top != "depth_anything_ros_training", f"{path}:{line}"
            assert top != "training" or source.startswith("from ."), f"{path}:{line}: {source}"


def test_training_uses_the_package_below_the_command_line() -> None:
    top = layer_of(TRAINING_TOP)
    known = modules_of(PACKAGE)
    found = {}
    assert top is not None
    for module, path in modules_of("training").items():
        for name, line in imports_of(path, "training"):
            if name.partition(".")[0] != PACKAGE:
                continue
            inner = name.removeprefix(PACKAGE).removeprefix(".")
            target = inner if inner in known else inner.rpartition(".")[0]
            layer = layer_of(target)
            if layer is not None and layer > top:
                found[f"{module}:{line}"] = target
    assert found == {}
