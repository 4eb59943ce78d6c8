"""The command ``calibrate-scale``. Options only, as in ``cli``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from depth_anything_ros.cli_network import add_network_arguments, engine_options
from depth_anything_ros.cli_types import add_camera_arguments, number, positive, positive_int

_part_of_distance = number(float, math.isfinite, "METRES, or U V METRES, in numbers, and SOURCE before it")


def calibrate_scale(args: argparse.Namespace) -> int:
    """Run ``calibrate-scale`` with parsed arguments."""
    from depth_anything_ros.calibrate.command import CalibrateOptions, calibrate_scale, taped_distances

    given = {name: value for name, value in vars(args).items() if name in CalibrateOptions.__dataclass_fields__}
    given["engine_options"] = engine_options(args)
    given["distance"] = taped_distances(args.distance)
    given["transform"] = None if args.transform is None else tuple(args.transform)
    return calibrate_scale(CalibrateOptions(**given))


def add_calibrate_scale_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``calibrate-scale``."""
    parser.description = (
        "Measures what a network's output is in true metres of your camera, and writes it to a file that run"
        " (--scale-file) and the node (scale_file) take. Give one reference."
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="ROS 2 bag, ROS 1 bag, video, image, or folder of images of the camera"
    )
    parser.add_argument(
        "--out", metavar="FILE.yaml", type=Path, default=Path("scale.yaml"), help="what to write (default: scale.yaml)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE.yaml (default: refuse)")

    reference = parser.add_argument_group("reference", "one kind of")
    reference.add_argument(
        "--distance",
        metavar="N",
        nargs="+",
        type=_part_of_distance,
        action="append",
        default=[],
        help="METRES, or U V METRES: taped in a straight line from the camera to what is at pixel U V (default: the"
        " centre) while nothing moves; may be given several times",
    )
    reference.add_argument("--depth-topic", metavar="TOPIC", help="the bag's depth, registered to the images")
    reference.add_argument(
        "--depth-folder", metavar="DIR", type=Path, help="16-bit PNG or .npy [m], registered and named as the frames"
    )
    reference.add_argument(
        "--depth-unit", metavar="M", type=positive, help="1 in a PNG is so many metres (default: 0.001)"
    )
    reference.add_argument("--cloud-topic", metavar="TOPIC", help="the bag's PointCloud2 of a LiDAR")
    reference.add_argument("--cloud", metavar="FILE", type=Path, help="a PLY or PCD of what all frames see")
    reference.add_argument(
        "--transform",
        metavar=("X", "Y", "Z", "QX", "QY", "QZ", "QW"),
        nargs=7,
        type=float,
        help="pose of the cloud's frame in the camera's optical frame, as tf2_echo OPTICAL CLOUD prints it [m]"
        " (default: the bag's tf_static; a file: none)",
    )
    reference.add_argument("--min-depth", metavar="M", type=positive, help="nearer ones do not count [m]")
    reference.add_argument("--max-depth", metavar="M", type=positive, help="farther ones do not count [m]")

    source = parser.add_argument_group("source")
    add_camera_arguments(source, holder="the CameraInfo")
    source.add_argument(
        "--assumed-fov", metavar="DEG", type=positive, help="horizontal field of view without intrinsics (default: 60)"
    )
    source.add_argument(
        "--every", metavar="N", type=positive_int, help="take every Nth frame (default: spread over the recording)"
    )
    source.add_argument(
        "--max-frames", metavar="N", type=positive_int, default=200, help="stop after N frames (default: 200)"
    )

    fit = parser.add_argument_group("network and fit")
    add_network_arguments(fit)
    fit.add_argument(
        "--max-error",
        metavar="R",
        type=positive,
        default=0.3,
        help="refuse to write where abs_rel after the fit is more (default: 0.3)",
    )
