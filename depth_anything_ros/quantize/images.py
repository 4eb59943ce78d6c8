"""The images that int8 is calibrated with, and those it is measured with: taken evenly from a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, SourceError
from ..preprocess import network_size, resize_to_network
from ..source import SourceFrame, open_source
from ..spec import ResizeRule

Image = NDArray[np.uint8]
HELD_OUT_EVERY = 4
"""One image of this many is kept back to measure with."""
MIN_IMAGES = 8


@dataclass(frozen=True)
class ImageSet:
    """RGB images (h, w, 3), each at the network's size for its camera."""

    calibration: list[Image]
    held_out: list[Image]
    description: str


def load_images(source: str | Path, rule: ResizeRule, *, max_images: int, image_topic: str | None = None) -> ImageSet:
    """Read up to ``max_images`` images, evenly spread over the whole recording.

    Raises SourceError for a recording that cannot be opened or holds fewer than 8 usable images, ConfigError for a
    ``max_images`` below that.
    """
    if max_images < MIN_IMAGES:
        raise ConfigError(f"--max-images {max_images}; accepted: at least {MIN_IMAGES}")
    kept: list[Image] = []
    step = 1
    with open_source(source, image_topic=image_topic) as opened:
        description = opened.description
        usable = (item for item in opened if isinstance(item, SourceFrame))
        for index, item in enumerate(usable):
            if index % step:
                continue
            height, width = item.frame.image_HW3.shape[:2]
            size_hw = network_size(width, height, rule)
            # A copy: at the network's own size the array is the source's, which may fill it anew.
            kept.append(resize_to_network(item.frame.image_HW3, size_hw, rule.interpolation).copy())
            if len(kept) == 2 * max_images:
                kept, step = kept[::2], 2 * step
    if len(kept) > max_images:
        kept = [kept[round(i)] for i in np.linspace(0, len(kept) - 1, max_images)]
    if len(kept) < MIN_IMAGES:
        raise SourceError(f"{source} gives {len(kept)} usable images; accepted: at least {MIN_IMAGES}")
    held_out = kept[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    calibration = [image for index, image in enumerate(kept) if (index + 1) % HELD_OUT_EVERY]
    return ImageSet(calibration, held_out, description)
