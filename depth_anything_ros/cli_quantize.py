"""Options of ``quantize``. Options only, as in ``cli``."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_anything_ros.cli_network import add_licence_argument
from depth_anything_ros.cli_types import positive, positive_int

MAX_ERROR = 0.05


def add_quantize_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``quantize``."""
    parser.epilog = (
        "The images decide where the int8 steps lie: take them from the robot's own camera, from everywhere it goes."
        " A quarter of them is kept back to measure the error with."
    )
    parser.add_argument(
        "model", metavar="MODEL", help="an .onnx file with its spec beside it, its folder, or a fetched model's name"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to make, with the int8 network")
    images = parser.add_argument_group("images")
    images.add_argument(
        "--images", metavar="SOURCE", required=True, help="ROS 2 bag, ROS 1 bag, video, or folder of images"
    )
    images.add_argument("--image-topic", metavar="TOPIC", help="of a bag (default: found by type)")
    images.add_argument(
        "--max-images", metavar="N", type=positive_int, default=64, help="taken evenly from the source (default: 64)"
    )
    images.add_argument(
        "--resize",
        metavar="KIND:N",
        default="",
        help="the input size it will run at: short_side:392, long_side:518 [px] (default: the network's own)",
    )
    accuracy = parser.add_argument_group("accuracy")
    accuracy.add_argument(
        "--max-error",
        metavar="E",
        type=positive,
        default=MAX_ERROR,
        help=f"largest accepted mean relative difference of depth from fp32 (default: {MAX_ERROR:g})",
    )
    accuracy.add_argument(
        "--all-layers",
        action="store_true",
        help="convolutions too: a little faster on CPUs with VNNI, with two to three times the error, on others more"
        " (default: the transformer only)",
    )
    add_licence_argument(parser)


def quantize(args: argparse.Namespace) -> int:
    """Run ``quantize`` with parsed arguments."""
    from depth_anything_ros.quantize.command import QuantizeOptions, quantize

    names = QuantizeOptions.__dataclass_fields__
    values = {name: value for name, value in vars(args).items() if name in names}
    values["accept_license"] = tuple(args.accept_license)
    return quantize(QuantizeOptions(**values))
