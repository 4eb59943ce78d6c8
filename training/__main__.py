"""``python -m training STAGE ...``: one command per stage; files are the only interface between stages."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from depth_anything_ros.errors import DepthAnythingError


def main(argv: list[str] | None = None) -> int:
    """Run one stage; 0 on success, 2 for a user's mistake, 130 when interrupted (what was done is saved)."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True)
    metric = stages.add_parser("metric", help="train to metres by a recipe; continues an interrupted run")
    metric.add_argument("--recipe", type=Path, required=True)
    metric.add_argument("--out", type=Path, required=True)
    metric.add_argument("overrides", nargs="*", metavar="key=value")
    export = stages.add_parser("export", help="checkpoint to ONNX, spec and golden sample, with a parity check")
    export.add_argument("--checkpoint", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True, help="the .onnx file to write")
    export.add_argument("--torch-weights", action="store_true", help="also write the weights for the torch engine")
    evaluate = stages.add_parser("evaluate", help="the model card's tables for an exported engine")
    evaluate.add_argument("--engine", type=Path, required=True, help="an exported .onnx file")
    evaluate.add_argument("--index", type=Path, required=True, help="index.json of the RGB-D frames")
    evaluate.add_argument("--frames", choices=("validation", "test"), default="validation")
    evaluate.add_argument("--out", type=Path, help="write the tables as Markdown and JSON beside printing them")
    evaluate.add_argument(
        "--record", action="store_true", help="store the figures in the spec, for run and info to show"
    )
    options = parser.parse_args(argv)
    try:
        return _dispatch(options)
    except DepthAnythingError as error:
        print(f"training: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: interrupted; the same command continues", file=sys.stderr)
        return 130


def _dispatch(options: argparse.Namespace) -> int:
    if options.stage == "metric":
        from .config import load_recipe
        from .metric import run

        print(run(load_recipe(options.recipe, options.overrides), options.out))
    elif options.stage == "export":
        from .export import export_checkpoint

        export_checkpoint(options.checkpoint, options.out, torch_weights=options.torch_weights)
    else:
        from .model_card import write_card

        write_card(options.engine, options.index, which=options.frames, out=options.out, record=options.record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
