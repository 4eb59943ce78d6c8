"""Where things are kept outside the checkout: fetched networks and what can be made again from them."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ConfigError

APPLICATION = "depth_anything_ros"


def models_folder() -> Path:
    """Folder of the fetched networks, one folder each: ``$XDG_DATA_HOME/depth_anything_ros/models``.

    ``XDG_DATA_HOME`` is ``~/.local/share`` where it is not set. The folder need not exist. Raises ConfigError for a
    user without a home.
    """
    return _base("XDG_DATA_HOME", ".local/share") / APPLICATION / "models"


def plans_folder() -> Path:
    """Folder of the TensorRT plans: ``$XDG_CACHE_HOME/depth_anything_ros/plans``; ``~/.cache`` where it is not set."""
    return _base("XDG_CACHE_HOME", ".cache") / APPLICATION / "plans"


def bag_frames_folder() -> Path:
    """Folder of the frames that training unpacked out of bags: ``$XDG_CACHE_HOME/depth_anything_ros/bag_frames``."""
    return _base("XDG_CACHE_HOME", ".cache") / APPLICATION / "bag_frames"


def _base(variable: str, default: str) -> Path:
    # The XDG specification: a relative path is to be ignored.
    chosen = os.environ.get(variable, "")
    if os.path.isabs(chosen):
        return Path(chosen)
    try:
        return Path.home() / default
    except RuntimeError:
        raise ConfigError(f"this user has no home folder; set {variable} to an absolute path") from None
