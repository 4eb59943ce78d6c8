"""The commands about networks: ``fetch`` and ``spec``. Options only, as in ``cli``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from depth_anything_ros.cli_network import ProgressLine, add_licence_argument
from depth_anything_ros.cli_types import positive, positive_int
from depth_anything_ros.models import BY_NAME


def add_fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``fetch``."""
    parser.epilog = (
        f"Known models: {', '.join(BY_NAME)}. The folder that is made holds all a robot needs: copy it there, and give"
        " its path as --model. Terms other than permissive ones must be accepted by name before anything is downloaded."
    )
    parser.add_argument(
        "what",
        metavar="NAME|ID|PATH",
        help="a known model's name or hub id; or official weights (.pth, .bin, .safetensors), a folder of transformers"
        " (-hf), or the hub's ready .onnx, on this machine",
    )
    parser.add_argument("--like", metavar="NAME", help="which known model a file is, where it does not tell")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder to make (default: where --model NAME finds it)")
    add_licence_argument(parser)
    parser.add_argument("--force", action="store_true", help="make a network again that is there already")
    parser.add_argument(
        "--ready-onnx",
        action="store_true",
        help="take the hub's ready ONNX, as is done where torch is not installed (default: convert the weights)",
    )
    parser.add_argument(
        "--no-torch-weights", dest="torch_weights", action="store_false", help="leave out the torch engine's weights"
    )


def fetch(args: argparse.Namespace) -> int:
    """Run ``fetch`` with parsed arguments."""
    from depth_anything_ros.fetch.command import FetchOptions, fetch

    with ProgressLine() as progress:
        fetched = fetch(FetchOptions(**_given(args, FetchOptions)), progress)
    if not fetched.is_new:
        print(f"{fetched.spec.name} is there already, made from {fetched.spec.provenance.get('source', 'unknown')}")
    _print_network(fetched.path, fetched.spec)
    return 0


def add_spec_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options of ``spec``."""
    parser.epilog = f"Known models: {', '.join(BY_NAME)}."
    parser.add_argument("file", metavar="FILE.onnx", type=Path, help="the network")
    parser.add_argument("--like", metavar="NAME", required=True, help="known model that it is, or was made from")
    parser.add_argument(
        "--out", metavar="FILE.onnx", type=Path, help="where it goes if it must be wrapped (default: *_engine.onnx)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there already")
    add_licence_argument(parser)
    parser.add_argument("--license", metavar="ID", help="licence of your own weights, instead of the model's")

    graph = parser.add_argument_group("the graph, where it does not tell")
    graph.add_argument("--input", metavar="NAME", dest="input_name", default="", help="input that takes the image")
    graph.add_argument("--output", metavar="NAME", dest="depth_output", default="", help="output that is the depth")
    graph.add_argument("--sky-output", metavar="NAME", default="", help="output that is greater where sky is")
    graph.add_argument(
        "--input-range",
        choices=("normalised", "0..1", "0..255"),
        default="normalised",
        help="what a float input holds: normalised by ImageNet's mean and deviation, or plain (default: normalised)",
    )

    promise = parser.add_argument_group("what differs from the known model")
    promise.add_argument("--name", help="name of the network (default: the file's)")
    promise.add_argument("--description", metavar="TEXT")
    promise.add_argument("--resize", metavar="KIND:N", default="", help="short_side:518, long_side:518 or closest_side")
    promise.add_argument("--max-batch", metavar="N", type=positive_int, help="images at once")
    promise.add_argument("--min-depth", metavar="M", dest="min_depth_m", type=positive, help="nearest output [m]")
    promise.add_argument("--max-depth", metavar="M", dest="max_depth_m", type=positive, help="farthest output [m]")
    promise.add_argument(
        "--canonical-focal",
        metavar="PX",
        dest="canonical_focal_px",
        type=positive,
        help="focal length at which the output is in metres [px of the input]",
    )
    promise.add_argument(
        "--training-focal",
        metavar="PX",
        dest="training_focal_px",
        type=positive,
        help="focal length of the training camera [px of the input]",
    )
    promise.add_argument("--sky-threshold", metavar="T", type=float, help="sky is where that output is greater")


def spec(args: argparse.Namespace) -> int:
    """Run ``spec`` with parsed arguments."""
    from depth_anything_ros.spec_command import SpecOptions, write_spec

    with ProgressLine() as progress:
        path, written = write_spec(SpecOptions(**_given(args, SpecOptions)), progress)
    _print_network(path, written)
    return 0


def _print_network(path: Path, written: Any) -> None:
    rule, licence = written.resize, written.licence
    size = f"{'square' if rule.kind == 'fixed' else rule.kind.replace('_', ' ')} {rule.side} px"
    print(f"{path}: {written.description}")
    print(f"  {written.meaning}, up to {written.max_depth_m:g} m; input: {size}, {written.max_batch} images at most")
    print(f"  licence: {licence.id} ({licence.category}), {licence.source}")
    if written.licence_accepted:
        print(f"  accepted: {written.licence_accepted}")


def _given(args: argparse.Namespace, options: Any) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(options)}
    return {name: value for name, value in vars(args).items() if name in names}
