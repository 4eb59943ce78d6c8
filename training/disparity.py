"""What teacher and student share: a network with a ReLU head whose outputs are disparity up to scale and shift."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from depth_anything_ros.networks import DepthNetwork

from .held_out import HeldOut, side_by_side
from .objective import Objective

FIGURE = "affine_abs_rel"
NEGATIVE_WEIGHT = 0.1
_PICTURES = 2


class DisparityObjective(Objective):
    """Base of both: the best checkpoint has the smallest affine-aligned abs_rel on the held-out samples."""

    network: DepthNetwork

    def __init__(self, network: DepthNetwork, held_out: HeldOut) -> None:
        super().__init__()
        self.network = network
        self._held_out = held_out
        self.best = FIGURE if held_out else ""

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        """See ``Objective``."""
        assert isinstance(network, DepthNetwork)
        return self._held_out.figures(network, (FIGURE, "affine_delta1")) if self._held_out else {}

    def pictures(self, network: torch.nn.Module, batch: Any) -> dict[str, NDArray[np.uint8]]:
        """Image, label and prediction of the first samples."""
        count = min(_PICTURES, len(batch.image_nhw3))
        with torch.inference_mode():
            found = network(batch.image_nhw3[:count])[0]
        true = batch.disparity_nhw[:count].masked_fill(~batch.disparity_valid_nhw[:count], float("nan"))
        return {
            f"image, label, prediction {index}": side_by_side(batch.image_nhw3[index], true[index], found[index])
            for index in range(count)
        }


def disparity_of(logit_nhw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The ReLU head's disparity (n, h, w), and how far its logits are below zero on average (n,).

    The second belongs into the loss with ``NEGATIVE_WEIGHT``. The papers end the network in a ReLU and do not say how
    it stays alive; an affine-invariant loss does not care about a shift, so that from random an image can fall below
    zero as a whole, where no gradient is. This pulls it back, and is nothing where all logits are above zero.
    """
    logit = logit_nhw.float()
    return F.relu(logit), F.relu(-logit).mean(dim=(1, 2))
