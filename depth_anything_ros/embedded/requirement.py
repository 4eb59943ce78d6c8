"""The library that this runtime stands on; importing this module checks that it is there, in a version that fits."""

from __future__ import annotations

from importlib import metadata, util

from ..errors import MissingDependency


def require_cyclonedds() -> None:
    """Other versions have other private parts. Raises MissingDependency."""
    if util.find_spec("cyclonedds") is None:
        missing = MissingDependency("cyclonedds", "dds")
        missing.msg += "; where it has no package (Jetson), install ROS 2 instead"
        raise missing
    try:
        version = metadata.version("cyclonedds")
    except metadata.PackageNotFoundError:
        version = "unknown"
    if not version.startswith("11.") or version.startswith("11.0.0"):
        raise MissingDependency("cyclonedds>=11.0.1,<12", "dds")


require_cyclonedds()
