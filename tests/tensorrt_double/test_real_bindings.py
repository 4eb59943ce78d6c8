"""The committed names (api/) against the wheels of TensorRT's real, full bindings, as far as they are at hand.

The bindings need TensorRT's libraries only for nine C functions, which a stub of a few lines stands for: so they
import, and can be read, on a machine that has neither the libraries nor a GPU. DEPTH_ANYTHING_TENSORRT_WHEELS names a
folder with wheels from PyPI (tensorrt_cu12_bindings, of the running Python); without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.tensorrt_double import read_bindings
from tests.tensorrt_double.settings import VERSIONS
from tests.tensorrt_double.surface import load_api

VARIABLE = "DEPTH_ANYTHING_TENSORRT_WHEELS"
FUNCTIONS = (
    *("createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL"),
    *("createNvOnnxParser_INTERNAL", "createNvOnnxParserRefitter_INTERNAL", "getNvOnnxParserVersion"),
    *("getPluginRegistry", "getBuilderPluginRegistry", "initLibNvInferPlugins"),
)
LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")


def wheel_of(version: str) -> Path:
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"no wheels of TensorRT's bindings: {VARIABLE} is not set")
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    found = sorted(Path(folder).glob(f"tensorrt_cu*_bindings-{load_api(version)['version']}-{tag}-*.whl"))
    if not found:
        pytest.skip(f"{folder} has no wheel of TensorRT's bindings {load_api(version)['version']} for {tag}")
    return found[0]


def read_wheel(wheel: Path, folder: Path, script: list[str]) -> subprocess.CompletedProcess[str]:
    """Run Python with the wheel's bindings and stub libraries."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for the stub libraries")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    source = folder / "stub.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    major = wheel.name.partition("bindings-")[2].partition(".")[0]
    for library in LIBRARIES:
        subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / f"lib{library}.so.{major}", source], check=True)
    env = {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, *script], env=env, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_committed_names_are_those_of_the_wheel(version: str, tmp_path: Path) -> None:
    result = read_wheel(wheel_of(version), tmp_path, [read_bindings.__file__, "tensorrt_bindings"])
    real: dict[str, Any] = json.loads(result.stdout)
    assert real["version"].startswith(f"{version}.")
    assert set(real["classes"]) == set(read_bindings.CLASSES)
    assert real == load_api(version)


BUILD_WITHOUT_A_GPU = """
import tensorrt_bindings as trt
for cls in (trt.Builder, trt.Runtime):
    try:
        cls(trt.Logger())
    except TypeError as error:
        print(error)
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_a_builder_that_is_a_null_pointer_is_the_type_error_of_the_stand_in(version: str, tmp_path: Path) -> None:
    result = read_wheel(wheel_of(version), tmp_path, ["-c", BUILD_WITHOUT_A_GPU])
    assert result.stdout.splitlines() == ["pybind11::init(): factory function returned nullptr"] * 2
