"""The command line. Options only; the work is in the module of each command.

Exit codes: 0 done, 2 a mistake of the user's or nothing could be made (one line says which), 130 interrupted. The live
commands (``cli_live``) run until they are interrupted, and end with 0 then.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from depth_anything_ros import __version__, cli_engine, cli_live, cli_models, cli_quantize, cli_scale
from depth_anything_ros.cli_network import add_network_arguments, engine_options
from depth_anything_ros.cli_types import add_camera_arguments, not_negative, positive, positive_int
from depth_anything_ros.errors import DepthAnythingError

PROG = "depth_anything_ros"
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse's own exits (help, mistakes) raise SystemExit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["node"]:
        return _guarded(lambda: cli_live.node(arguments[1:]), debug=False)
    parser, commands = _build_parser()
    ros_arguments: list[str] = []
    if arguments[:1] in (["play"], ["watch"]):
        arguments, ros_arguments = cli_live.split_ros_arguments(arguments)
    _refuse_unknown_options(arguments, parser, commands)
    args = parser.parse_args(arguments)
    args.ros_arguments = tuple(ros_arguments)
    return _guarded(lambda: args.command_function(args), debug=args.debug)


def _guarded(command: Callable[[], int], *, debug: bool) -> int:
    """The exit code of a command; errors of this package and interruptions are one line, `debug` shows where."""
    try:
        return int(command())
    except DepthAnythingError as error:
        if debug:
            traceback.print_exc()
        print(f"{PROG}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        if debug:
            traceback.print_exc()
        print(f"{PROG}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output (head, less) has gone; what Python still holds must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(args: argparse.Namespace) -> int:
    from depth_anything_ros.run import RunOptions, run

    given = {name: value for name, value in vars(args).items() if name in RunOptions.__dataclass_fields__}
    given["engine_options"] = engine_options(args)
    given["ply"] = args.ply or args.ply_every is not None
    given["ply_every"] = args.ply_every or RunOptions.ply_every
    return run(RunOptions(**given))


def _info(args: argparse.Namespace) -> int:
    from depth_anything_ros.info import print_info

    return print_info(args.path, as_json=args.json)


def _bench(args: argparse.Namespace) -> int:
    from depth_anything_ros.bench import print_bench

    return print_bench(args.model, engine_options(args), seconds=args.seconds, full=args.full)


class _Parser(argparse.ArgumentParser):
    """Mistakes are one line, as all errors of this package."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USER_ERROR, f"{PROG}: error: {message} (see {self.prog} --help)\n")


def _build_parser() -> tuple[_Parser, dict[str, _Parser]]:
    parser = _Parser(
        prog=PROG,
        description="Metric depth images and point clouds from camera recordings.",
        epilog="Exit codes: 0 done, 2 a mistake (one line says which) or nothing could be made, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    commands: dict[str, _Parser] = {}
    for name, help_text, add_arguments, function in (
        ("run", "depth, clouds, a bag and pictures from a recording", _add_run_arguments, _run),
        ("info", "what a bag or a network holds, or what this machine can do", _add_info_arguments, _info),
        ("bench", "how fast this machine is", _add_bench_arguments, _bench),
        ("fetch", "download or convert a known checkpoint", cli_models.add_fetch_arguments, cli_models.fetch),
        ("spec", "write and check the spec of your own ONNX", cli_models.add_spec_arguments, cli_models.spec),
        (
            "calibrate-scale",
            "the factor to true metres, from a known distance, depth or a LiDAR",
            cli_scale.add_calibrate_scale_arguments,
            cli_scale.calibrate_scale,
        ),
        (
            "quantize",
            "an int8 network for OpenVINO, calibrated on your images",
            cli_quantize.add_quantize_arguments,
            cli_quantize.quantize,
        ),
        (
            "build-engine",
            "build and check the TensorRT plan of a network",
            cli_engine.add_build_engine_arguments,
            cli_engine.build_engine,
        ),
        (
            "selftest",
            "build, check and measure an engine, and report it",
            cli_engine.add_selftest_arguments,
            cli_engine.selftest,
        ),
        ("play", "publish a recording or a camera as camera topics", cli_live.add_play_arguments, cli_live.play),
        ("watch", "rates, ages and a live picture of the topics", cli_live.add_watch_arguments, cli_live.watch),
    ):
        command = subparsers.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".", allow_abbrev=False
        )
        add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(command_function=function)
        commands[name] = command
    # Listed only: all that follows it goes to the node as it is.
    subparsers.add_parser("node", help="the ROS node: live depth of a camera's topics", add_help=False)
    return parser, commands


def _add_run_arguments(parser: _Parser) -> None:
    parser.add_argument(
        "source", metavar="SOURCE", help="ROS 2 bag (mcap, sqlite3), ROS 1 bag, video, image, or folder of images"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write to; made if absent")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the results of an earlier run in DIR (default: refuse)"
    )

    source = parser.add_argument_group("source")
    add_camera_arguments(source, holder="the CameraInfo")
    source.add_argument("--depth-topic", metavar="TOPIC", help="registered depth to compare with; default: by type")
    source.add_argument(
        "--every", metavar="N", type=positive_int, default=1, help="take every Nth frame (default: all)"
    )
    source.add_argument("--max-frames", metavar="N", type=positive_int, help="stop after N frames (default: all)")

    network = parser.add_argument_group("network and metres")
    add_network_arguments(network)
    network.add_argument(
        "--scale-file", metavar="FILE", type=Path, help="calibration of the metres, written by calibrate-scale"
    )
    network.add_argument("--scale", metavar="F", type=positive, default=1.0, help="multiply all depths (default: 1)")
    network.add_argument("--min-depth", metavar="M", type=positive, help="nearer is -Inf [m] (default: the network's)")
    network.add_argument("--max-depth", metavar="M", type=positive, help="farther is +Inf [m] (default: the network's)")
    network.add_argument(
        "--edge-ratio",
        metavar="R",
        type=not_negative,
        help="drop flying pixels whose neighbours jump by more than this ratio; 0 keeps all (default: 0.1)",
    )
    network.add_argument(
        "--assumed-fov",
        metavar="DEG",
        type=positive,
        help="horizontal field of view where nothing is known (default: 60)",
    )

    output = parser.add_argument_group("output")
    output.add_argument(
        "--format",
        choices=("png", "npy"),
        default="png",
        help="depth images: png = 16 bit, millimetres, 0 = none; npy = float32, metres, NaN and Inf (default: png)",
    )
    output.add_argument(
        "--stride",
        metavar="N",
        type=positive_int,
        help="points of every Nth pixel and row; 1 = all (default: at most 80,000 points)",
    )
    output.add_argument(
        "--voxel", metavar="M", type=positive, help="thin the clouds to one point a voxel [m]; needs Open3D"
    )
    output.add_argument(
        "--remove-outliers", action="store_true", help="drop points that are far from their neighbours; needs Open3D"
    )
    output.add_argument("--ply", action="store_true", help="also write clouds as PLY")
    output.add_argument(
        "--ply-every", metavar="N", type=positive_int, help="one PLY for N frames written; implies --ply (default: 10)"
    )
    for name, what in (
        ("depth", "depth images"),
        ("bag", "bag"),
        ("points", "point clouds in the bag"),
        ("video", "side-by-side video"),
        ("pictures", "contact sheet and picture of the cloud"),
    ):
        output.add_argument(f"--no-{name}", dest=name, action="store_false", help=f"leave out the {what}")


def _add_info_arguments(parser: _Parser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="a bag, a network (.onnx), its spec (.json), 'starter', a known model's name, or 'models' for all of them;"
        " default: this machine",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_bench_arguments(parser: _Parser) -> None:
    parser.description = (
        "Measures whole frames and everything around the network on this machine, with each engine installed."
        " The comparisons with other implementations need a checkout of the repository: --full."
    )
    add_network_arguments(parser)
    parser.add_argument("--seconds", metavar="S", type=positive, default=3.0, help="time for each row (default: 3)")
    parser.add_argument(
        "--full", action="store_true", help="then run benchmarks/overhead.py and benchmarks/engines.py of the checkout"
    )


def _refuse_unknown_options(arguments: list[str], parser: _Parser, commands: dict[str, _Parser]) -> None:
    """Name the nearest option instead of argparse's complaints about what an unknown one leaves missing."""
    command = commands.get(next((word for word in arguments if not word.startswith("-")), ""))
    if command is None:
        return
    known = [option for action in command._actions for option in action.option_strings if option.startswith("--")]
    for word in arguments:
        name = word.partition("=")[0]
        if word == "--":
            return
        if name.startswith("--") and name not in known and name not in ("--version",):
            nearest = difflib.get_close_matches(name[2:], [option[2:] for option in known], n=1, cutoff=0.5)
            command.error(f"unknown option {name}" + (f"; did you mean --{nearest[0]}?" if nearest else ""))
