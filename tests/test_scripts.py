"""The shell scripts: set up once, made again when unfinished or outdated, and no danger to anybody's own folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.source_tree import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
SCRIPTS = ["scripts/demo", "scripts/test", ".ci/run"]

# Stands in for an interpreter: makes an environment at once and answers everything else with the real one.
QUICK_PYTHON = """#!/bin/bash
if [[ $1 == -m && $2 == venv ]]; then
    mkdir -p "$3/bin" && ln -sf {python} "$3/bin/python" && : >"$3/pyvenv.cfg"
else
    exec {python} "$@"
fi
"""
PREPARE = """
set -euo pipefail
ROOT={root}
source "$ROOT/scripts/environment.sh"
install() {{ echo "install" >>{log}; {install}; }}
prepare_environment {venv} {key} install
"""


class Environment:
    """A virtual environment as the scripts prepare it, with a stand-in for the installation."""

    def __init__(self, folder: Path) -> None:
        self.venv = folder / "venv"
        self.log = folder / "log"
        self.python = folder / "quick_python"
        self.python.write_text(QUICK_PYTHON.format(python=sys.executable))
        self.python.chmod(0o755)

    def prepare(self, *, key: str = "key", install: str = "true") -> subprocess.CompletedProcess[str]:
        code = PREPARE.format(root=REPOSITORY, log=self.log, install=install, venv=self.venv, key=key)
        environment = {**os.environ, "PYTHON": str(self.python)}
        return subprocess.run(["bash", "-c", code], env=environment, capture_output=True, text=True, check=False)

    @property
    def num_installs(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path)


def run_script(name: str, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [str(REPOSITORY / name), *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("name", [*SCRIPTS, "scripts/environment.sh"])
def test_scripts_parse(name: str) -> None:
    result = subprocess.run(["bash", "-n", str(REPOSITORY / name)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable(name: str) -> None:
    assert os.access(REPOSITORY / name, os.X_OK)


def test_an_environment_is_made_once(environment: Environment) -> None:
    for _ in range(2):
        result = environment.prepare()
        assert result.returncode == 0, result.stderr
    assert environment.num_installs == 1


def test_another_key_makes_it_again(environment: Environment) -> None:
    environment.prepare(key="one")
    (environment.venv / "leftover").touch()
    result = environment.prepare(key="two")
    assert "out of date" in result.stderr
    assert environment.num_installs == 2
    assert not (environment.venv / "leftover").exists()


@pytest.mark.parametrize("install", ["exit 3", "kill -9 $$"])
def test_an_interrupted_set_up_is_recognised(environment: Environment, install: str) -> None:
    assert environment.prepare(install=install).returncode != 0
    (environment.venv / "half").touch()
    result = environment.prepare()
    assert result.returncode == 0, result.stderr
    assert "left unfinished" in result.stderr
    assert not (environment.venv / "half").exists()
    environment.prepare()
    assert environment.num_installs == 2


def test_ctrl_c_during_the_installation_starts_no_second_try(environment: Environment) -> None:
    # As pip does it: the signal becomes an ordinary exit code.
    install = f"( trap 'exit 1' INT; touch {environment.venv}/begun; sleep 20 ) || echo again >>{environment.log}"
    code = PREPARE.format(root=REPOSITORY, log=environment.log, install=install, venv=environment.venv, key="key")
    variables = {**os.environ, "PYTHON": str(environment.python)}
    process = subprocess.Popen(["bash", "-c", code], env=variables, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 20
    while not (environment.venv / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert environment.num_installs == 1
    assert not (environment.venv / ".complete").exists()


def test_a_foreign_environment_is_installed_into_and_kept(environment: Environment) -> None:
    (environment.venv / "bin").mkdir(parents=True)
    python = environment.venv / "bin" / "python"
    python.write_text(f'#!/bin/bash\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (environment.venv / "mine").write_text("kept")
    for key in ("one", "two"):
        result = environment.prepare(key=key)
        assert result.returncode == 0, result.stderr
    assert (environment.venv / "mine").read_text() == "kept"
    assert environment.num_installs == 2


def test_a_foreign_folder_is_refused_and_kept(environment: Environment) -> None:
    environment.venv.mkdir()
    (environment.venv / "thesis.txt").write_text("kept")
    result = environment.prepare()
    assert result.returncode == 2
    assert "not a virtual environment" in result.stderr
    assert (environment.venv / "thesis.txt").read_text() == "kept"


def test_two_at_once_install_once(environment: Environment) -> None:
    code = PREPARE.format(root=REPOSITORY, log=environment.log, install="sleep 1", venv=environment.venv, key="key")
    variables = {**os.environ, "PYTHON": str(environment.python)}
    if shutil.which("flock") is None:
        pytest.skip("needs flock")
    running = [subprocess.Popen(["bash", "-c", code], env=variables, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=30) for process in running] == [0, 0]
    assert environment.num_installs == 1


@pytest.mark.parametrize("name", ["scripts/demo", "scripts/test"])
def test_an_old_python_is_refused(name: str, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/bash\nexit 1\n")
    old.chmod(0o755)
    venv = str(tmp_path / "venv")
    result = run_script(name, cwd=tmp_path, PYTHON=str(old), DEPTH_ANYTHING_VENV=venv, DEPTH_ANYTHING_TEST_VENV=venv)
    assert result.returncode == 2
    assert "no Python 3.10 or newer" in result.stderr
    assert str(old) in result.stderr


@pytest.mark.parametrize("name", ["scripts/demo", "scripts/test"])
def test_help_installs_nothing(name: str, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    result = run_script(name, "--help", cwd=tmp_path, DEPTH_ANYTHING_VENV=str(venv), DEPTH_ANYTHING_TEST_VENV=str(venv))
    assert result.returncode == 0
    assert result.stdout.startswith(f"usage: {name}")
    assert not venv.exists()


def test_demo_names_a_recording_that_is_not_there(tmp_path: Path) -> None:
    result = run_script("scripts/demo", "no_such.bag", cwd=tmp_path, DEPTH_ANYTHING_VENV=str(tmp_path / "venv"))
    assert result.returncode == 2
    assert "no_such.bag" in result.stderr
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("option", "value", "parameter"),
    [
        ("--scale", "2", "scale:=2.0"),
        ("--min-depth", "0.5", "min_depth:=0.5"),
        ("--edge-ratio", "1e-2", "edge_ratio:=1e-2"),
    ],
)
def test_the_live_demo_writes_numbers_as_ros_wants_them(option: str, value: str, parameter: str) -> None:
    command = f"source scripts/live_demo.sh; double_parameter {option} {value}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert result.stdout == parameter
