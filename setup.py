"""The package's only metadata (pyproject.toml holds the build backend and the tools' settings).

``training/`` is installed as ``depth_anything_ros_training``: in the checkout it is ``python -m training``, installed
``python -m depth_anything_ros_training``, and no package called ``training`` lands in site-packages.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
NAME = "depth_anything_ros"
TRAINING = f"{NAME}_training"


def read_version() -> str:
    """The version as the package states it, read without importing the package."""
    found = re.search(r'^__version__ = "([^"]+)"$', (ROOT / NAME / "__init__.py").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{NAME}/__init__.py states no __version__")
    return found.group(1)


def files_in(folder: str) -> list[str]:
    """Files of a folder of the checkout, relative to its root, in a fixed order."""
    return sorted(f"{folder}/{path.name}" for path in (ROOT / folder).iterdir() if path.is_file())


def opencv_requirement() -> list[str]:
    """OpenCV from pip, unless there is one already: two in one process break each other.

    colcon and ``pip --no-build-isolation`` run this in the environment that is installed into, and see its cv2.
    An isolated build cannot see it; there DEPTH_ANYTHING_OPENCV=system says that cv2 comes from elsewhere.
    """
    choice = os.environ.get("DEPTH_ANYTHING_OPENCV", "")
    if choice not in ("", "system", "pip"):
        raise RuntimeError(f"DEPTH_ANYTHING_OPENCV={choice!r}: accepted are 'system' and 'pip'")
    is_present = importlib.util.find_spec("cv2") is not None
    if choice == "system" or (is_present and choice != "pip"):
        return []
    return ["opencv-python-headless>=4.5.4,<5"]


# Where cyclonedds has wheels. Elsewhere (Jetson) pip would fail on its sources; there the extra is empty, and the node
# says that it needs ROS 2.
DDS_WHEELS = (
    "python_version < '3.14' and (sys_platform == 'linux' and platform_machine == 'x86_64'"
    " or sys_platform == 'darwin' and platform_machine == 'arm64'"
    " or sys_platform == 'win32' and platform_machine == 'AMD64')"
)
# Below 12: it stands on calls that are no public interface of cyclonedds; the tests of embedded/ hold them.
DDS = [f"cyclonedds>=11.0.1,<12; {DDS_WHEELS}"]
VIEW = ["foxglove-sdk>=0.30.3"]
FETCH = ["huggingface_hub>=1.31,<3", "onnx>=1.16"]
# torch without a version: which build fits is the user's choice, and scripts/test installs the CPU build first.
NETWORK = ["torch", "transformers>=5.23,<6", "safetensors>=0.4", *FETCH]
# The training pipeline; what each is for is in docs/TRAINING.md.
TRAIN = [*NETWORK, "accelerate>=1.2", "ray[data]>=2.40", "braceexpand>=0.1.7", "h5py>=3.8", "tensorboard>=2.14"]
# On a Jetson TensorRT comes with JetPack, never from pip. cuda-bindings 12 are meant for every driver from CUDA 12 on.
TENSORRT = [
    "tensorrt-cu12>=10.3,<12; sys_platform == 'linux' and platform_machine == 'x86_64'",
    "cuda-bindings>=12.6,<13; sys_platform == 'linux'",
    *FETCH,
]

setup(
    name=NAME,
    version=read_version(),
    description="Metric depth images and point clouds from any robot camera, with or without ROS 2",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.10",
    # Never a bare find_packages(): it would take tests/ and training/ under their own names.
    packages=[
        *find_packages(include=[NAME, f"{NAME}.*"]),
        TRAINING,
        *(f"{TRAINING}.{package}" for package in find_packages("training")),
    ],
    package_dir={TRAINING: "training"},
    package_data={
        NAME: ["starter/*", "demo/*"],
        TRAINING: ["recipes/*"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *((f"share/{NAME}/{folder}", files_in(folder)) for folder in ("launch", "config", "constraints")),
    ],
    zip_safe=False,
    install_requires=[
        "numpy>=1.21,<3",
        *opencv_requirement(),
        "onnxruntime>=1.12.1",  # the newest that takes NumPy 1.21.5, as Ubuntu 22.04 has it
        "rosbags>=0.11.9,<0.12",
        "pyyaml>=5.4",
        "tqdm>=4.57",
    ],
    extras_require={
        "openvino": ["openvino>=2025.0"],
        "cloud": ["open3d>=0.18"],
        "dds": DDS,
        "view": VIEW,
        "fetch": FETCH,
        "tensorrt": TENSORRT,
        "convert": NETWORK,
        "quantize": ["nncf>=3.0", "openvino>=2025.0", "onnx>=1.16"],
        "train": TRAIN,
        "test": [
            *("pytest>=7.4", "pytest-xdist>=3.5", "hypothesis>=6.80"),
            *("mcap>=1.2.1", "mcap-ros2-support>=0.5"),
            *("ruff>=0.12", "mypy>=1.15", "types-PyYAML"),
            *("setuptools>=70.1", "packaging>=23"),
            "webdataset>=0.2.100",  # reads the shards that training writes
            *(*DDS, *VIEW, *FETCH),
        ],
    },
    # depth_node is what `ros2 run` and the launch files start; `depth_anything_ros node` is the same node.
    entry_points={"console_scripts": [f"{NAME} = {NAME}.cli:main", f"depth_node = {NAME}.node:main"]},
)
