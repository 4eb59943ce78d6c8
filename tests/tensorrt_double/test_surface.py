"""The stand-in has the names of each version, no others, and their signatures."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tensorrt_double.gpu import FakeGpu
from tests.tensorrt_double.install import environment, installed
from tests.tensorrt_double.module import build_module
from tests.tensorrt_double.settings import VERSIONS, Fault, Gpu, Settings, from_json
from tests.tensorrt_double.surface import load_api, stored


def module_of(version: str) -> Any:
    settings = Settings(version=version)
    return build_module(settings, FakeGpu(settings.gpu))


@pytest.mark.parametrize("version", VERSIONS)
def test_classes_have_the_names_of_the_bindings_and_no_others(version: str) -> None:
    api, module = load_api(version), module_of(version)
    for name, known in api["classes"].items():
        cls = getattr(module, name)
        found = {key for key in dir(cls() if name == "IHostMemory" else cls) if not key.startswith("_")}
        constants = {"Severity", *api["enums"]["ILogger.Severity"]} if "Logger" in name else set()
        assert found - constants == {*known["methods"], *known["properties"]}, name


@pytest.mark.parametrize("version", VERSIONS)
def test_methods_take_the_parameters_of_the_bindings(version: str) -> None:
    api, module = load_api(version), module_of(version)
    compared = 0
    for owner, known in api["classes"].items():
        for name, overloads in [("__init__", known["init"]), *known["methods"].items()]:
            method = vars(getattr(module, owner)).get(name)
            if not inspect.isfunction(method) or method.__name__ == "absent" or not overloads:
                continue
            given = list(inspect.signature(method).parameters.values())[1:]
            ours = ", ".join(p.name + "=" * (p.default is not p.empty) for p in given)
            assert ours in overloads, f"{owner}.{name}({ours})"
            compared += 1
    assert compared > 40


@pytest.mark.parametrize("version", VERSIONS)
def test_enums_have_the_values_of_the_bindings(version: str) -> None:
    module = module_of(version)
    for name, members in load_api(version)["enums"].items():
        if "." not in name:
            assert {key: int(value) for key, value in getattr(module, name).__members__.items()} == members
    with pytest.raises(TypeError):
        1 << module.DataType.FLOAT


def test_what_a_version_lacks_is_an_attribute_error() -> None:
    old, new = module_of("10.3"), module_of("11.4")
    assert hasattr(old.BuilderFlag, "FP16") and not hasattr(new.BuilderFlag, "FP16")
    assert hasattr(old.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")
    assert not hasattr(new.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH")
    with pytest.raises(AttributeError):
        new.BuilderFlag.FP16  # noqa: B018
    with pytest.raises(AttributeError):
        old.Builder.max_workspace_size  # noqa: B018


def test_what_the_stand_in_lacks_is_an_assertion() -> None:
    with installed() as rig:
        trt = rig.tensorrt
        builder = trt.Builder(trt.Logger())
        with pytest.raises(AssertionError, match=r"does not imitate Builder\.reset"):
            builder.reset()
        with pytest.raises(AssertionError, match=r"does not imitate Builder\.gpu_allocator"):
            builder.gpu_allocator  # noqa: B018


def test_objects_take_no_new_attributes() -> None:
    with installed() as rig:
        trt = rig.tensorrt
        config = trt.Builder(trt.Logger()).create_builder_config()
        config.builder_optimization_level = 4
        assert config.builder_optimization_level == 4
        for name in ("max_workspace_size", "num_optimization_profiles"):
            with pytest.raises(AttributeError):
                setattr(config, name, 1)


def test_a_logger_is_one_whose_init_was_called() -> None:
    with installed() as rig:
        trt = rig.tensorrt

        class Forgetful(trt.ILogger):
            def __init__(self) -> None:
                pass

            def log(self, severity: Any, msg: str) -> None:
                pass

        for logger in (Forgetful(), object(), None):
            with pytest.raises(TypeError):
                trt.Runtime(logger)


def test_stored_properties_are_of_their_object() -> None:
    class Two:
        a = stored(1)
        b = stored(2)

    first, second = Two(), Two()
    first.a = 7
    assert (first.a, first.b, second.a) == (7, 2, 1)


def test_settings_go_through_json() -> None:
    settings = Settings(
        version="11.4",
        library_version="11.4.1",
        gpu=Gpu(name="Thor", compute_capability=(11, 0), devices=2),
        build_seconds=1.5,
        faults=(Fault(kind="nan", name="*fp16*", half=True), Fault(kind="lost", extra_outputs=False)),
    )
    assert from_json(settings.to_json()) == settings
    assert from_json(Settings(gpu=None).to_json()) == Settings(gpu=None)


CHILD = """
import json, tensorrt
from depth_anything_ros.engines.cuda.seam import find_device
from depth_anything_ros.engines.tensorrt_api import find_tensorrt
device = find_device(0)
print(json.dumps([find_tensorrt().version, device.name, device.library]))
"""


@pytest.mark.parametrize("cuda", ["cuda.bindings", "pycuda"])
def test_a_child_process_finds_the_same_machine(cuda: str, tmp_path: Path) -> None:
    env = environment(Settings(version="10.16", gpu=Gpu(name="Thor")), cuda)
    command = [sys.executable, "-c", CHILD]
    result = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == ["10.16.1.11", "Thor", cuda]
