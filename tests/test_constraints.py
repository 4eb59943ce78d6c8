"""The constraint files of a robot: they keep apt's NumPy and OpenCV, and everything a robot installs fits them."""

from __future__ import annotations

import email.message
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.built_wheel import build_wheel, read_metadata
from tests.source_tree import REPOSITORY

pytest.importorskip("packaging", reason="needs packaging (extra 'test')")
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROBOT_EXTRAS = ("openvino", "dds", "view")
OPENCV = {f"opencv-{kind}" for kind in ("python", "python-headless", "contrib-python", "contrib-python-headless")}
GLIBC = {"3.10": 35, "3.12": 39}
TIME_LIMIT_S = 240


class Distro(NamedTuple):
    """A distribution of ROS: Ubuntu's Python, and what its apt has of the packages that package.xml asks for."""

    name: str
    python: str
    apt: dict[str, str]


HUMBLE = Distro("humble", "3.10", {"numpy": "1.21.5", "pyyaml": "5.4.1", "tqdm": "4.57.0"})
JAZZY = Distro("jazzy", "3.12", {"numpy": "1.26.4", "pyyaml": "6.0.1", "tqdm": "4.66.2"})
each_distro = pytest.mark.parametrize("distro", [HUMBLE, JAZZY], ids=lambda distro: distro.name)


@pytest.fixture(scope="module")
def metadata(tmp_path_factory: pytest.TempPathFactory) -> email.message.Message:
    """Of the package as it is made where OpenCV is the system's."""
    return read_metadata(build_wheel(tmp_path_factory.mktemp("wheel"), DEPTH_ANYTHING_OPENCV="system"))


def path_of(distro: Distro) -> Path:
    return REPOSITORY / "constraints" / f"{distro.name}.txt"


def constraints_of(distro: Distro) -> dict[str, Requirement]:
    lines = path_of(distro).read_text("utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(item.name): item for item in found}


def wanted(
    metadata: email.message.Message, extras: Iterable[str], python: str, machine: str, system: str = "linux"
) -> list[Requirement]:
    """What the package asks for with these extras, on such a machine."""
    environment = {"python_version": python, "platform_machine": machine, "sys_platform": system}
    found = []
    for line in metadata.get_all("Requires-Dist", []):
        item = Requirement(line)
        if item.marker is None or any(item.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)):
            found.append(item)
    return found


@each_distro
def test_numpy_of_apt_is_kept_and_every_opencv_of_pip_refused(distro: Distro) -> None:
    constraints = constraints_of(distro)
    assert set(constraints) == {"numpy", *OPENCV}
    assert str(constraints["numpy"].specifier) == f"=={distro.apt['numpy']}"
    for name in OPENCV:
        assert not any(
            constraints[name].specifier.contains(version, prereleases=True) for version in ("0", "4.5.4", "5a1")
        )


@each_distro
def test_what_apt_has_satisfies_the_package(metadata: email.message.Message, distro: Distro) -> None:
    asked = {canonicalize_name(item.name): item for item in wanted(metadata, ROBOT_EXTRAS, distro.python, "x86_64")}
    assert {name for name, version in distro.apt.items() if not asked[name].specifier.contains(version)} == set()


@each_distro
def test_nothing_that_is_asked_for_goes_against_the_constraints(
    metadata: email.message.Message, distro: Distro
) -> None:
    asked = wanted(metadata, (*ROBOT_EXTRAS, "cloud"), distro.python, "x86_64")
    names = {canonicalize_name(item.name) for item in asked}
    assert not names & OPENCV
    assert {"openvino", "onnxruntime", "cyclonedds", "foxglove-sdk", "open3d"} <= names


@pytest.mark.parametrize(
    ("python", "machine", "system", "has_wheel"),
    [
        ("3.10", "x86_64", "linux", True),
        ("3.13", "x86_64", "linux", True),
        ("3.14", "x86_64", "linux", False),
        ("3.10", "aarch64", "linux", False),
        ("3.11", "arm64", "darwin", True),
        ("3.11", "x86_64", "darwin", False),
        ("3.12", "AMD64", "win32", True),
    ],
)
def test_dds_is_asked_for_where_it_has_wheels(
    metadata: email.message.Message, python: str, machine: str, system: str, has_wheel: bool
) -> None:
    names = {item.name for item in wanted(metadata, ["dds"], python, machine, system)}
    assert ("cyclonedds" in names) == has_wheel


def pip(
    *arguments: str, program: Path | None = None, limit_s: float = TIME_LIMIT_S
) -> subprocess.CompletedProcess[str]:
    """Run the environment's pip, or the one in a wheel of it."""
    start = [sys.executable, *(["-m", "pip"] if program is None else [str(program / "pip")])]
    command = [*start, "--disable-pip-version-check", "--retries", "0", "--timeout", "15", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the package index did not answer within {limit_s} s")


@pytest.fixture(scope="module")
def newest_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the newest pip; one that came with Python may not resolve for another Python."""
    folder = tmp_path_factory.mktemp("pip")
    options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    result = pip("download", *options, "pip", limit_s=60)
    if result.returncode:
        pytest.skip("no package index can be reached, so the extras are not resolved")
    (wheel,) = folder.glob("pip-*.whl")
    return wheel


@pytest.mark.parametrize(
    ("distro", "machine", "extras"),
    [
        (HUMBLE, "x86_64", ROBOT_EXTRAS),
        (HUMBLE, "aarch64", ROBOT_EXTRAS),
        (JAZZY, "x86_64", ROBOT_EXTRAS),
        pytest.param(JAZZY, "aarch64", ROBOT_EXTRAS, marks=pytest.mark.slow),
        pytest.param(HUMBLE, "x86_64", ("cloud", "test"), marks=pytest.mark.slow),
        pytest.param(JAZZY, "x86_64", ("cloud", "test"), marks=pytest.mark.slow),
    ],
    ids=lambda value: value.name if isinstance(value, Distro) else None,
)
def test_a_robot_gets_its_extras_and_keeps_its_numpy(
    metadata: email.message.Message,
    tmp_path: Path,
    newest_pip: Path,
    distro: Distro,
    machine: str,
    extras: tuple[str, ...],
) -> None:
    report = tmp_path / "report.json"
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(17, GLIBC[distro.python] + 1)]
    asked = [f"{item.name}{item.specifier}" for item in wanted(metadata, extras, distro.python, machine)]
    abi = f"cp{distro.python.replace('.', '')}"
    result = pip(
        *("install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(report)),
        *("--target", str(tmp_path / "target"), "--only-binary", ":all:", "--python-version", distro.python),
        *("--implementation", "cp", "--abi", abi, "--abi", "abi3", "--abi", "none"),
        *(word for platform in (*platforms, f"manylinux2014_{machine}") for word in ("--platform", platform)),
        *("--constraint", str(path_of(distro)), *asked),
        program=newest_pip,
    )
    assert result.returncode == 0, result.stderr
    installed = {
        canonicalize_name(entry["metadata"]["name"]): entry["metadata"]["version"]
        for entry in json.loads(report.read_text("utf-8"))["install"]
    }
    assert installed["numpy"] == distro.apt["numpy"]
    assert not set(installed) & OPENCV
    assert {canonicalize_name(Requirement(text).name) for text in asked} <= set(installed)
