"""A tiny HR-WSI in its own layout, for the tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_hrwsi(folder: Path) -> Path:
    """One image, 20x30, in each split; its disparity grows to the right, and its column 5 is not valid."""
    for split in ("train", "val"):
        for part in ("imgs", "gts", "valid_masks"):
            (folder / split / part).mkdir(parents=True)
        cv2.imwrite(str(folder / split / "imgs" / "b.jpg"), np.full((30, 20, 3), 50, np.uint8))
        disparity = np.tile(np.arange(20, dtype=np.uint8), (30, 1))
        mask = np.full((30, 20), 255, np.uint8)
        mask[:, 5] = 0
        cv2.imwrite(str(folder / split / "gts" / "b.png"), disparity)
        cv2.imwrite(str(folder / split / "valid_masks" / "b.png"), mask)
    return folder
