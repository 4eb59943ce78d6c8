#!/usr/bin/env python3
"""Operations of the known networks at some inputs, counted by PyTorch: ``python benchmarks/flops.py``.

Two operations for a multiplication with an addition, one image; the table of docs/DEPLOY.md. Needs the extra convert.
"""

from __future__ import annotations

import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

from depth_anything_ros.models import SIZES, get_model
from depth_anything_ros.networks import DepthNetwork
from depth_anything_ros.networks.known import config_of

INPUTS = ((518, 924), (518, 686), (518, 518), (392, 518), (294, 518))


def gigaflops(size: str, input_hw: tuple[int, int]) -> float:
    """Operations of the V2 network of a size, in 10^9; nothing is computed, as its tensors have no memory."""
    with torch.device("meta"):
        network = DepthNetwork(config_of(get_model(f"v2-{size}"), transformers_layout=True)).eval()
        image = torch.zeros((1, *input_hw, 3), dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(image)
    return counter.get_total_flops() / 1e9


def main() -> int:
    """Print the table."""
    print("| network | " + " | ".join(f"{h}x{w}" for h, w in INPUTS) + " |")
    print("|---" * (len(INPUTS) + 1) + "|")
    for size in SIZES:
        print(f"| {size} | " + " | ".join(f"{gigaflops(size, input_hw):.0f}" for input_hw in INPUTS) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
