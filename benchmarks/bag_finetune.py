#!/usr/bin/env python3
"""What finetune-from-bag brings on a recording that the start has never seen: with its depth, and with images alone.

    python -m training metric --recipe training/recipes/starter_without_hololens.yaml
    python benchmarks/bag_finetune.py [--start CHECKPOINT] [--bag BAG] [--out build/bag_finetune] [key=value ...]

The last quarter of the recording (HoloLens frames 60 to 79) is measured and never trained on nor chosen by. With images
alone the labels come from the start itself, because no better network can be had here: the student sees stronger
changes than the teacher, and whatever it gains comes from the images.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START = Path("build/starter_without_hololens/metric/last.safetensors")
FIGURES = (("unaligned", "abs_rel"), ("median", "abs_rel"), ("affine", "abs_rel"), ("unaligned", "delta1"))


def main() -> int:
    """Fine-tune both ways, going on where an earlier call stopped, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=Path, default=START)
    parser.add_argument("--bag", type=Path, default=Path("../shared/data/bags/hololens_mcap"))
    parser.add_argument("--out", type=Path, default=Path("build/bag_finetune"))
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    options = parser.parse_args()
    ways = {"its depth images": [], "images alone": ["--teacher", str(options.start)]}
    rows: list[tuple[str, dict[str, Any]]] = []
    for number, (name, extra) in enumerate(ways.items()):
        out = options.out / f"way_{number}"
        command = [
            sys.executable, "-m", "training", "finetune-from-bag", str(options.bag), "--start", str(options.start),
            "--out", str(out), *extra, *options.overrides,
        ]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True)
        report = json.loads((ROOT / out / "report.json").read_text())
        if not rows:
            rows.append(("before", report["before"]))
        rows.append((f"after, from {name}", report["after"]))
    print(table(rows))
    return 0


def table(rows: list[tuple[str, dict[str, Any]]]) -> str:
    """A Markdown table of the figures on the part that was never seen."""
    lines = [
        f"{rows[0][1]['frames']} frames",
        "| | abs_rel, unaligned | median-scaled | affine-aligned | delta1, unaligned |",
        "|---|---|---|---|---|",
    ]
    for name, group in rows:
        lines.append(f"| {name} | " + " | ".join(f"{group[part][key]:.3f}" for part, key in FIGURES) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
