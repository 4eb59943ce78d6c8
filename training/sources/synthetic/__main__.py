"""``python -m training.sources.synthetic``: render training views into shards."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import FIRST_TRAINING_SEED, STYLES
from .shards import ShardPlan, write_shards


def main(arguments: list[str] | None = None) -> int:
    """Parse arguments and write the shards; 0 on success, 2 for a mistake, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="training.sources.synthetic", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--start-seed", type=int, default=FIRST_TRAINING_SEED, help="first seed (default %(default)s)")
    parser.add_argument("--count", type=int, default=4000, help="number of views (default %(default)s)")
    parser.add_argument("--shard", type=int, default=100, help="views per file (default %(default)s)")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("--workers", type=int, default=1, help="processes, one core each (default %(default)s)")
    parser.add_argument("--style", choices=STYLES, default="full", help="how scenes look (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="torch device (default %(default)s)")
    given = parser.parse_args(arguments)
    try:
        plan = ShardPlan(
            given.out, given.start_seed, given.count, given.shard, given.width, given.height, given.device, given.style
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        print(write_shards(plan, workers=given.workers))
    except OSError as error:
        print(f"{parser.prog}: error: cannot write {given.out}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
