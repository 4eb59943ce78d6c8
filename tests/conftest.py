"""What every test shares: where the real recordings lie, which tolerances count as equal, what this machine can run.

Marks: ``slow`` (left out by default), ``alone`` (not beside others), ``ros`` (needs rclpy), ``gpu`` (a CUDA device).
Helpers that several test files share are ordinary modules in this folder, imported as ``from tests.<name> import ...``.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

# Before NumPy, torch or an engine starts its thread pools: tests run beside other work and on two cores.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "2")

import cv2
import pytest

cv2.setNumThreads(1)

# Commands that tests start find the package from any directory, installed or not.
_ROOT = Path(__file__).resolve().parent.parent
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))

# Whoever starts the tests in the background ignores Ctrl-C for them; tests of interruptions need it back.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# One table: the largest difference that still counts as equal, by what limits the precision.
TOLERANCES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "exact": MappingProxyType({"rtol": 0.0, "atol": 0.0}),
        "float64": MappingProxyType({"rtol": 1e-10, "atol": 1e-12}),
        "float32": MappingProxyType({"rtol": 1e-5, "atol": 1e-6}),
        # One network through two libraries in fp32: summation order differs.
        "engine": MappingProxyType({"rtol": 2e-3, "atol": 2e-4}),
        "float16": MappingProxyType({"rtol": 2e-3, "atol": 1e-3}),
        # Half a millimetre: depth that went through 16UC1.
        "millimetre": MappingProxyType({"rtol": 0.0, "atol": 5.01e-4}),
    }
)


# On a robot there is no torch, and its tests cannot even be collected; scripts/test always brings it.
_HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore = [] if _HAS_TORCH else ["networks", "training"]


def pytest_report_header() -> list[str]:
    """Say what is left out as a whole."""
    return [] if _HAS_TORCH else ["torch does not import: tests/networks and tests/training are left out"]


def has_cuda_device() -> bool:
    """Ask the driver itself, so that no heavy library is imported to answer no."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


# Their tests are of time, or of many processes that answer each other in time.
_ALONE = tuple(_ROOT / "tests" / folder for folder in ("live", "embedded", "play", "watch", "benchmarks"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the machine for itself; skip, with the reason, what this machine cannot run."""
    for item in items:
        if any(folder in item.path.parents for folder in _ALONE):
            item.add_marker("alone")
    missing = {}
    if any(item.get_closest_marker("ros") for item in items) and importlib.util.find_spec("rclpy") is None:
        missing["ros"] = "needs ROS 2: rclpy does not import"
    if any(item.get_closest_marker("gpu") for item in items) and not has_cuda_device():
        missing["gpu"] = "needs a CUDA device: the driver reports none"
    for item in items:
        for mark, reason in missing.items():
            if item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root folder."""
    return _ROOT


@pytest.fixture(scope="session")
def shared_data(repository: Path) -> Path:
    """Folder of real recordings (index.json): DEPTH_ANYTHING_SHARED_DATA, else ../shared/data beside the checkout."""
    chosen = os.environ.get("DEPTH_ANYTHING_SHARED_DATA")
    folder = Path(chosen) if chosen else repository.parent / "shared" / "data"
    if not (folder / "index.json").is_file():
        pytest.skip(f"no recordings: {folder} holds no index.json (set DEPTH_ANYTHING_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def tolerance() -> Mapping[str, Mapping[str, float]]:
    """Tolerance table: ``np.testing.assert_allclose(a, b, **tolerance["float32"])``."""
    return TOLERANCES
