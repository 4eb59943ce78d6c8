"""``python -m training finetune-from-bag BAG... --start MODEL --out DIR [key=value]``: a network for one's robot.

With depth images or a LiDAR in the recording it is trained on those; with images alone a ``--teacher`` labels them. The
last quarter of each recording is never seen, and measured before and after. It writes a recipe and runs its stages, so
the same command goes on where it stopped, and ``key=value`` replaces a value of the recipe.
"""

from __future__ import annotations

import argparse
from pathlib import Path

SCALES = ("start", "teacher")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the command's options."""
    parser.add_argument(
        "bags", nargs="+", metavar="BAG", type=Path, help="ROS 2 bag (folder, .mcap, .db3) or ROS 1 .bag"
    )
    parser.add_argument(
        "--start", required=True, metavar="MODEL",
        help="what to go on from: starter, a fetched network's name, an .onnx with torch weights, a checkpoint of"
        " training (.safetensors), or published weights (.pth, .bin, a folder of transformers)",
    )  # fmt: skip
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the run; made if absent")
    parser.add_argument(
        "--teacher", default="", metavar="MODEL", help="labels the images: a checkpoint, .onnx, or name"
    )
    parser.add_argument(
        "--scale", choices=SCALES, default="start", help="whose metres a teacher's labels get (default: start)"
    )
    parser.add_argument(
        "--scale-file", type=Path, metavar="FILE", help="the teacher's calibration, written by calibrate-scale"
    )
    parser.add_argument(
        "--image-topic", default="", metavar="TOPIC", help="which images, where there are several cameras"
    )
    parser.add_argument("--camera-info-topic", default="", metavar="TOPIC", help="default: beside the images")
    parser.add_argument("--depth-topic", default="", metavar="TOPIC", help="registered depth; default: by type")
    parser.add_argument("--cloud-topic", default="", metavar="TOPIC", help="clouds of a LiDAR; default: by type")
    parser.add_argument(
        "--cloud-pose", nargs=7, type=float, default=(), metavar=("X", "Y", "Z", "QX", "QY", "QZ", "QW"),
        help="pose of the cloud's frame in the camera's optical frame; default: tf_static",
    )  # fmt: skip
    parser.add_argument("--camera-info", default="", metavar="FILE.yaml", help="calibration; goes before the bag's")
    parser.add_argument("--rectified", action="store_true", help="the images are rectified: P holds")
    parser.add_argument(
        "--hfov", type=float, default=0.0, metavar="DEG", help="field of view, where there is no calibration"
    )
    parser.add_argument("--every", type=int, metavar="N", help="take every Nth image (default: at most 3000)")


def run(options: argparse.Namespace) -> int:
    """Fine-tune, and print the figures and the lines that start the node. Returns 0.

    Raises ConfigError for options that do not fit together, SourceError for recordings that hold too little, and what
    the stages raise.
    """
    # The options are known without torch.
    from .finetune import finetune

    print(finetune(options))
    return 0
