"""What an installation holds: the core, the training under its own prefixed name, the data files, one command."""

from __future__ import annotations

import configparser
import email.message
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

import depth_anything_ros
from tests.built_wheel import DIST_INFO, build_wheel, read_metadata
from tests.source_tree import REPOSITORY, modules_of, tracked_files

HEAVY = {"torch", "transformers", "tensorrt", "openvino", "open3d", "onnx"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return build_wheel(tmp_path_factory.mktemp("wheel"), DEPTH_ANYTHING_OPENCV="pip")


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    return read_metadata(wheel)


def requirements(metadata: email.message.Message) -> dict[str, set[str]]:
    """Extra ("" for the base install) -> the distributions it asks for."""
    found: dict[str, set[str]] = {}
    for line in metadata.get_all("Requires-Dist", []):
        name = re.match(r"[\w-]+", line)
        extra = re.search(r"extra == ['\"](\w+)['\"]", line)
        assert name is not None
        found.setdefault(extra.group(1) if extra else "", set()).add(name.group(0).lower())
    return found


def test_top_level_names(wheel: zipfile.ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    data = DIST_INFO.replace(".dist-info", ".data")
    assert top == {"depth_anything_ros", "depth_anything_ros_training", DIST_INFO, data}


def test_every_module_is_installed(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for folder, installed in (
        ("depth_anything_ros", "depth_anything_ros"),
        ("training", "depth_anything_ros_training"),
    ):
        present = {f"{installed}/{path.relative_to(REPOSITORY / folder)}" for path in modules_of(folder).values()}
        assert present - names == set()


def test_package_data_is_installed(wheel: zipfile.ZipFile) -> None:
    tracked = [path.as_posix() for path in tracked_files()]
    data = [path for path in tracked if path.startswith(("depth_anything_ros/starter/", "depth_anything_ros/demo/"))]
    recipes = [path for path in tracked if path.startswith("training/recipes/")]
    assert data
    assert recipes
    expected = {*data, *(path.replace("training/", "depth_anything_ros_training/", 1) for path in recipes)}
    assert expected - set(wheel.namelist()) == set()


def test_the_starter_is_whole_and_small() -> None:
    folder = Path("depth_anything_ros/starter")
    starter = [REPOSITORY / path for path in tracked_files() if path.parent == folder]
    parts = {"starter.onnx", "starter.json", "starter.golden.npz", "starter.safetensors"}
    assert {path.name for path in starter} == parts
    assert sum(path.stat().st_size for path in starter if path.suffix != ".safetensors") < 10e6
    assert max(path.stat().st_size for path in starter) < 10e6


def test_the_shipped_drive_is_small() -> None:
    drive = [REPOSITORY / path for path in tracked_files() if path.parent == Path("depth_anything_ros/demo")]
    assert [path for path in drive if path.suffix == ".mcap"]
    assert sum(path.stat().st_size for path in drive) < 5e6


def test_share_holds_the_package_manifest_and_the_index_marker(wheel: zipfile.ZipFile) -> None:
    share = DIST_INFO.replace(".dist-info", ".data/data/share")
    names = set(wheel.namelist())
    assert f"{share}/depth_anything_ros/package.xml" in names
    assert f"{share}/ament_index/resource_index/packages/depth_anything_ros" in names


@pytest.mark.parametrize("folder", ["launch", "config", "constraints"])
def test_share_holds_launch_files_and_configuration(wheel: zipfile.ZipFile, folder: str) -> None:
    share = DIST_INFO.replace(".dist-info", ".data/data/share/depth_anything_ros")
    expected = {f"{share}/{path.as_posix()}" for path in tracked_files() if path.parts[0] == folder}
    assert expected
    assert {name for name in wheel.namelist() if name.startswith(f"{share}/{folder}/")} == expected


def test_licences_are_installed(wheel: zipfile.ZipFile) -> None:
    stems = {Path(name).name for name in wheel.namelist() if name.startswith(DIST_INFO)}
    assert {"LICENSE", "NOTICE"} <= stems


def test_two_commands_and_none_for_training(wheel: zipfile.ZipFile) -> None:
    parser = configparser.ConfigParser()
    parser.read_string(wheel.read(f"{DIST_INFO}/entry_points.txt").decode())
    assert dict(parser["console_scripts"]) == {
        "depth_anything_ros": "depth_anything_ros.cli:main",
        "depth_node": "depth_anything_ros.node:main",
    }


def test_base_install_is_light(metadata: email.message.Message) -> None:
    wanted = requirements(metadata)
    assert metadata["Requires-Python"] == ">=3.10"
    assert {"numpy", "opencv-python-headless", "onnxruntime", "rosbags"} <= wanted[""]
    assert not wanted[""] & HEAVY
    assert not wanted[""] & {"cyclonedds", "foxglove-sdk"}
    engines, networks = {"openvino", "tensorrt"}, {"fetch", "convert", "quantize", "train"}
    assert set(wanted) == {"", *engines, *networks, "cloud", "dds", "view", "test"}
    assert {"cyclonedds", "foxglove-sdk"} <= wanted["test"]


def test_torch_is_not_pinned(metadata: email.message.Message) -> None:
    wanted = {
        line.partition(";")[0].strip() for line in metadata.get_all("Requires-Dist", []) if line.startswith("torch")
    }
    assert wanted == {"torch"}


def test_system_opencv_is_left_alone(tmp_path: Path) -> None:
    built = build_wheel(tmp_path, DEPTH_ANYTHING_OPENCV="system")
    lines = built.read(f"{DIST_INFO}/METADATA").decode()
    assert "numpy" in lines
    assert "opencv" not in "".join(line for line in lines.splitlines() if line.startswith("Requires-Dist"))


def test_installed_package_runs_away_from_the_checkout(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    target = tmp_path / "site"
    wheel.extractall(target)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    code = "import depth_anything_ros_training as t, depth_anything_ros.cli as c; print(t.__file__, c.__file__)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(str(target)) == 2


def test_executables_land_where_ros2_run_looks() -> None:
    parser = configparser.ConfigParser()
    parser.read(REPOSITORY / "setup.cfg")
    assert parser["develop"]["script_dir"] == parser["install"]["install_scripts"] == "$base/lib/depth_anything_ros"


# Keys of rosdep (rosdep/python.yaml) and names of packages of Humble, Jazzy and Lyrical, looked up in ros/rosdistro. An
# engine is not among them: its keys install by the system's pip, which breaks cv_bridge (docs/ROS.md).
ROSDEP_KEYS = {
    *("python3-numpy", "python3-opencv", "python3-tqdm", "python3-yaml"),
    *("python3-hypothesis", "python3-packaging", "python3-pytest", "cv_bridge"),
    *("rclpy", "launch", "launch_ros", "ros2launch", "ros2bag"),
    *("builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs", "rcl_interfaces", "sensor_msgs", "std_msgs"),
}


def test_package_xml_asks_for_keys_that_exist() -> None:
    manifest = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    keys = [element.text or "" for element in manifest if element.tag.endswith("depend")]
    assert set(keys) == ROSDEP_KEYS
    assert len(keys) == len(set(keys))


def test_package_xml_asks_for_the_message_packages_that_the_live_node_names() -> None:
    modules = modules_of("depth_anything_ros")
    # embedded/ brings its own types, and a bag its own.
    live = [path for name, path in modules.items() if name.partition(".")[0] not in ("embedded", "bag")]
    texts = [path.read_text("utf-8") for path in live]
    named = {package for text in texts for package in re.findall(r'message\("(\w+)/(?:msg|srv)/', text)}
    manifest = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    asked = {element.text for element in manifest.findall("exec_depend")}
    assert "sensor_msgs" in named
    assert named <= asked


def test_one_version_everywhere() -> None:
    manifest = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    assert manifest.findtext("version") == depth_anything_ros.__version__


def test_pyproject_holds_no_metadata() -> None:
    # With a [project] table setuptools ignores parts of setup.py, which colcon needs.
    text = (REPOSITORY / "pyproject.toml").read_text("utf-8")
    assert not re.search(r"^\[project", text, re.MULTILINE)
    assert re.search(r"^\[build-system\]", text, re.MULTILINE)
