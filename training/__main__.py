"""``python -m training STAGE --recipe FILE [key=value ...]``: files are the only interface between stages.

Stages: pretrain, teacher, pseudo_label, student, metric, evaluate, export; ``run`` does all that the recipe has.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from depth_anything_ros.errors import ConfigError, DepthAnythingError

from . import finetune_from_bag

STAGE_HELP = {
    "pretrain": "stage 0 where DINOv2's weights cannot be had: the encoder learns from images alone",
    "teacher": "encoder and decoder on labelled data, in disparity space",
    "pseudo_label": "the teacher labels images",
    "student": "a new network on pseudo-labels and perturbed images",
    "metric": "fine-tune to metres",
    "evaluate": "tables and pictures of a checkpoint or an exported engine",
    "export": "checkpoint to ONNX, spec and golden sample, with a parity check",
    "run": "all stages of the recipe; what is done is skipped",
}

FINETUNE = "finetune-from-bag"
FINETUNE_HELP = "a network for one's robot, from its own recordings"
CARD_HELP = "the model card's table: a network on real frames, beside answers that ignore the image"


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 on success, 2 for a user's mistake, 130 when interrupted (what was done is saved)."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for stage, text in STAGE_HELP.items():
        command = commands.add_parser(stage, help=text, description=text)
        command.add_argument(
            "--recipe", type=Path, required=stage != "export", help="a YAML file; see docs/TRAINING.md"
        )
        command.add_argument("overrides", nargs="*", metavar="key=value", help="replaces a value of the recipe")
        if stage == "export":
            command.add_argument("--checkpoint", type=Path, help="export this one, by the recipe that it holds")
            command.add_argument("--out", type=Path, help="with --checkpoint: the .onnx file to write")
            command.add_argument("--torch-weights", action="store_true", help="also write the torch engine's weights")
    card = commands.add_parser("card", help=CARD_HELP, description=CARD_HELP)
    card.add_argument("--engine", required=True, help="an exported .onnx file, a checkpoint, or a network's name")
    card.add_argument("--index", type=Path, required=True, help="index.json of the RGB-D frames")
    card.add_argument("--frames", choices=("validation", "test"), default="validation")
    card.add_argument("--out", type=Path, help="a .md file: the table, with its JSON beside it")
    card.add_argument("--record", action="store_true", help="store the figures in the spec, for run and info to show")
    finetune = commands.add_parser(FINETUNE, help=FINETUNE_HELP, description=FINETUNE_HELP)
    finetune_from_bag.add_arguments(finetune)
    options, rest = parser.parse_known_args(argv)
    # argparse takes the positional arguments of one place only: key=value may follow the options.
    if rest and (options.command != FINETUNE or any(item.startswith("-") or "=" not in item for item in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.overrides = [*getattr(options, "overrides", []), *rest]
    try:
        return _run(options)
    except DepthAnythingError as error:
        print(f"training: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: interrupted; the same command continues", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.command == "card":
        from .card import write_card

        write_card(options.engine, options.index, which=options.frames, out=options.out, record=options.record)
        return 0
    if options.command == FINETUNE:
        return finetune_from_bag.run(options)
    if options.command == "export" and options.recipe is None:
        return _export_checkpoint(options)
    from .config import load_recipe
    from .run_dir import say
    from .stages import run_all, run_stage

    recipe = load_recipe(options.recipe, options.overrides)
    if options.command == "run":
        run_all(recipe)
    else:
        say(run_stage(recipe, options.command))
    return 0


def _export_checkpoint(options: argparse.Namespace) -> int:
    if options.checkpoint is None or options.out is None or options.overrides:
        raise ConfigError("export: --recipe FILE [key=value ...], or --checkpoint FILE --out FILE.onnx is accepted")
    from .export import export_checkpoint

    export_checkpoint(options.checkpoint, options.out, torch_weights=options.torch_weights)
    return 0


if __name__ == "__main__":
    sys.exit(main())
