"""open_source: any recording a user has (ROS 2 or ROS 1 bag, video, image, folder of images) as a stream of frames."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .camera import CameraModel
from .errors import SourceError
from .media import FolderSource, ImageSource, VideoSource
from .source_frame import DroppedFrame, Source, SourceFrame
from .source_kind import source_kind

__all__ = ["DroppedFrame", "Source", "SourceFrame", "describe_bag", "open_clouds", "open_source"]

_ACCEPTED = "a ROS 2 bag (folder, .mcap, .db3), a ROS 1 .bag, a video, an image or a folder of images"


def open_source(
    path: str | Path,
    *,
    image_topic: str | None = None,
    camera_info_topic: str | None = None,
    depth_topic: str | None = None,
    camera_info: str | Path | None = None,
    rectified: bool = False,
) -> Source:
    """Return the recording at `path`, opened.

    Topics are found by type where they are not named. `camera_info` is a calibration YAML and goes before what a bag
    says; `rectified` says that the images are rectified, so that P counts instead of K and D. Raises SourceError for
    what cannot be opened or is ambiguous, CameraError for a calibration file that is unusable or of another size.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path} does not exist; accepted: {_ACCEPTED}")
    kind = source_kind(path)
    if kind == "":
        raise SourceError(f"{path} is of no known kind; accepted: {_ACCEPTED}")
    if camera_info is not None and camera_info_topic is not None:
        raise SourceError(
            f"both a CameraInfo topic ({camera_info_topic}) and a file ({camera_info}) are given; give one"
        )
    camera = None if camera_info is None else CameraModel.from_yaml(camera_info, rectified=rectified)
    camera_name = "" if camera_info is None else str(camera_info)
    if kind == "bag":
        source: Source = _bag_module("source").BagSource(
            path,
            image_topic=image_topic,
            camera_info_topic=camera_info_topic,
            depth_topic=depth_topic,
            camera=camera,
            camera_name=camera_name,
            rectified=rectified,
        )
        return source
    for option, topic in (("image", image_topic), ("camera_info", camera_info_topic), ("depth", depth_topic)):
        if topic is not None:
            raise SourceError(f"{path} is not a bag and has no topics; the {option} topic {topic} cannot be chosen")
    media: dict[str, Callable[..., Source]] = {"folder": FolderSource, "image": ImageSource, "video": VideoSource}
    return media[kind](path, camera, camera_name)


def describe_bag(path: str | Path) -> Any:
    """Return the :class:`~depth_anything_ros.bag.info.BagInfo` of a recording. Raises SourceError."""
    return _bag_module("info").describe_bag(path)


def open_clouds(path: str | Path, topic: str) -> Any:
    """Return the :class:`~depth_anything_ros.bag.clouds.BagClouds` of a recording's topic. Raises SourceError."""
    path = Path(path)
    if not path.exists() or source_kind(path) != "bag":
        raise SourceError(f"{path} is not a bag and has no topics; the cloud topic {topic} cannot be read")
    return _bag_module("clouds").BagClouds(path, topic)


def _bag_module(name: str) -> Any:
    try:
        return importlib.import_module(f".bag.{name}", __package__)
    except ModuleNotFoundError as error:
        raise SourceError(f"bags are read through rosbags, and {error.name} is missing: pip install rosbags") from error
