"""The commands about TensorRT plans and engines: ``build-engine`` and ``selftest``. Options only, as in ``cli``."""

from __future__ import annotations

import argparse
from pathlib import Path

from depth_anything_ros.cli_network import add_licence_argument, add_network_arguments, engine_options
from depth_anything_ros.cli_types import device_number, image_size, positive, positive_int

DEFAULT_SIZE = (640, 480)


def add_build_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``build-engine``."""
    parser.epilog = (
        "A plan is built for one size of image, on the machine that runs it; run and the node build theirs by"
        " themselves, and find what was built here. Plans are kept in the user's cache folder."
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="an .onnx file with its spec beside it, its folder, or a fetched model's name (default: the starter)",
    )
    _add_camera_size(parser)
    parser.add_argument(
        "--resize",
        metavar="KIND:N",
        default="",
        help="another input size: short_side:392, long_side:518 [px] (default: the network's own)",
    )
    parser.add_argument(
        "--batch",
        metavar="N",
        dest="max_batch",
        type=positive_int,
        default=1,
        help="images at once: as many as the node has cameras (default: 1)",
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp16", "fp32"),
        default="auto",
        help="auto: the fastest form that passes its check (default: auto)",
    )
    parser.add_argument("--device", metavar="N", type=device_number, default=0, help="CUDA device (default: 0)")
    parser.add_argument(
        "--workspace-mb",
        metavar="MB",
        type=positive_int,
        default=0,
        help="device memory for building; run and the node need the same value to find the plan (default: TensorRT's)",
    )
    add_licence_argument(parser)
    parser.set_defaults(engine="tensorrt")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--force", action="store_true", help="forget earlier plans and verdicts of this size first")
    action.add_argument("--list", dest="list_plans", action="store_true", help="show what is kept, and build nothing")
    action.add_argument("--clear", action="store_true", help="remove all that is kept, and build nothing")


def build_engine(args: argparse.Namespace) -> int:
    """Run ``build-engine`` with parsed arguments."""
    from depth_anything_ros import build_engine as command

    if args.list_plans:
        return command.list_plans()
    if args.clear:
        return command.clear_plans()
    return command.build_engine(args.model, engine_options(args), args.size, force=args.force)


def add_selftest_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``selftest``."""
    parser.epilog = "The report holds versions, the device, verdicts and times; no names, paths or images of yours."
    _add_camera_size(parser)
    add_network_arguments(parser.add_argument_group("network"))
    parser.add_argument("--seconds", metavar="S", type=positive, default=5.0, help="time for measuring (default: 5)")
    parser.add_argument(
        "--all-rungs",
        action="store_true",
        help="tensorrt: build and measure every form of the graph (default: until one passes its check)",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path(), help="where the report goes (default: the current folder)"
    )


def selftest(args: argparse.Namespace) -> int:
    """Run ``selftest`` with parsed arguments."""
    from depth_anything_ros.selftest import SelftestOptions, selftest

    options = SelftestOptions(
        model=args.model, size=args.size, seconds=args.seconds, all_rungs=args.all_rungs, out=args.out
    )
    return selftest(options, engine_options(args))


def _add_camera_size(parser: argparse.ArgumentParser) -> None:
    width, height = DEFAULT_SIZE
    parser.add_argument(
        "--size",
        metavar="WxH",
        type=image_size,
        default=DEFAULT_SIZE,
        help=f"the camera's images [px]; the network's input follows from it (default: {width}x{height})",
    )
