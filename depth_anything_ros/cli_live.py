"""The live commands of the command line: ``play``, ``watch`` and ``node``. Options only, as in ``cli``.

All three take ROS's own arguments behind --ros-args, which are not looked at here: names and remapping rules
(-r image:=/camera/image_raw, -r __ns:=/front), parameters (-p), the log level.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depth_anything_ros.cli_types import add_camera_arguments, image_size, port_number, positive, positive_int

ROS_ARGS = "--ros-args"
ROS_HELP = f"{ROS_ARGS} and what follows is ROS's own, as for any node: -r image:=/camera/image_raw -r __ns:=/front"


def split_ros_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return a command's own arguments and ROS's: everything from each --ros-args up to a ``--``, or to the end."""
    own: list[str] = []
    ros: list[str] = []
    is_ros = False
    for word in arguments:
        is_ros = is_ros or word == ROS_ARGS
        (ros if is_ros else own).append(word)
        is_ros = is_ros and word != "--"
    return own, ros


def node(arguments: Sequence[str]) -> int:
    """Run the node with all that follows the command's name, as its executable under ROS does."""
    from depth_anything_ros.node import main

    return int(main(list(arguments)))


def play(args: argparse.Namespace) -> int:
    """Run ``play`` with parsed arguments."""
    from depth_anything_ros.play.command import PlayOptions, play

    return play(PlayOptions(**_given(args, PlayOptions)))


def watch(args: argparse.Namespace) -> int:
    """Run ``watch`` with parsed arguments."""
    from depth_anything_ros.watch.command import WatchOptions, watch

    return watch(WatchOptions(**_given(args, WatchOptions)))


def add_play_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``play``."""
    parser.epilog = f"{ROS_HELP}. Ctrl-C ends with exit code 0."
    parser.add_argument(
        "source", metavar="SOURCE", help="ROS 2 bag, ROS 1 bag, video, image, folder of images, or camera (/dev/videoN)"
    )
    source = parser.add_argument_group("source")
    add_camera_arguments(source, holder="FILE.yaml")
    source.add_argument("--size", metavar="WxH", type=image_size, help="what to ask a camera for [px]")

    timing = parser.add_argument_group("timing")
    timing.add_argument("--rate", metavar="F", type=positive, default=1.0, help="factor on the speed (default: 1)")
    timing.add_argument(
        "--fps", metavar="F", type=positive, help="frames a second (default: the recording's stamps; the camera's own)"
    )
    timing.add_argument("--loop", action="store_true", help="begin again at the end")
    timing.add_argument("--frames", metavar="N", type=positive_int, help="end after N frames (default: at the end)")
    timing.add_argument(
        "--wait", metavar="N", type=positive_int, default=0, help="wait for N subscribers before the first frame"
    )

    output = parser.add_argument_group("what is published")
    output.add_argument(
        "--keep-stamps",
        action="store_true",
        help="stamps as recorded (default: the time of publishing, as the recording stands for a camera)",
    )
    output.add_argument(
        "--compressed", action="store_true", help="JPEG on image/compressed (default: sensor_msgs/Image on image)"
    )
    output.add_argument(
        "--qos",
        choices=("reliable", "sensor_data"),
        default="reliable",
        help="reliable, or best effort as most drivers (default: reliable)",
    )


def add_watch_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``watch``."""
    parser.epilog = f"{ROS_HELP}. Ctrl-C ends with exit code 0."
    topics = parser.add_argument_group("topics", "default: found by their types and names")
    topics.add_argument("--image", metavar="TOPIC", help="the camera's Image or CompressedImage")
    topics.add_argument("--depth", metavar="TOPIC", help="depth Image, 32FC1 or 16UC1")
    topics.add_argument("--points", metavar="TOPIC", help="PointCloud2")

    ending = parser.add_argument_group("ending", "default: Ctrl-C")
    ending.add_argument("--seconds", metavar="S", type=positive, help="end after S seconds")
    ending.add_argument("--frames", metavar="N", type=positive_int, help="end after N depth images")
    ending.add_argument(
        "--timeout",
        metavar="S",
        type=positive,
        default=60.0,
        help="with --frames: exit code 2 if fewer came within S seconds (default: 60)",
    )

    output = parser.add_argument_group("output")
    output.add_argument(
        "--save", metavar="DIR", type=Path, help="at the end write live.png, cloud.png and watch.json to DIR"
    )
    output.add_argument(
        "--no-picture", dest="picture", action="store_false", help="text only (default in what is no colour terminal)"
    )
    output.add_argument(
        "--foxglove", action="store_true", help="serve the topics to the Foxglove viewer instead of drawing them"
    )
    output.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="where to serve (default: 127.0.0.1, this machine only)"
    )
    output.add_argument("--port", metavar="N", type=port_number, default=8765, help="0: any free one (default: 8765)")


def _given(args: argparse.Namespace, options: type) -> dict[str, Any]:
    names = options.__dataclass_fields__  # type: ignore[attr-defined]
    return {name: value for name, value in vars(args).items() if name in names}
