"""A wheel of the package, built from a copy of the tracked files, without the network."""

from __future__ import annotations

import email.message
import email.parser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import depth_anything_ros
from tests.source_tree import REPOSITORY, tracked_files

DIST_INFO = f"depth_anything_ros-{depth_anything_ros.__version__}.dist-info"


def build_wheel(folder: Path, **environment: str) -> zipfile.ZipFile:
    """Build a wheel in a folder, with these environment variables."""
    pytest.importorskip("setuptools", "70.1", reason="building needs setuptools 70.1 or newer (extra 'test')")
    tree = folder / "tree"
    for path in tracked_files():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, tree / path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, tree]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def read_metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    """The wheel's METADATA."""
    return email.parser.Parser().parsestr(wheel.read(f"{DIST_INFO}/METADATA").decode())
