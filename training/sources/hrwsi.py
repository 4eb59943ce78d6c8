"""HR-WSI (High-Resolution Web Stereo Images): relative disparity by optical flow between the views of web stereo pairs.

Layout (the set's archive; Xian et al., CVPR 2020): ``train`` (20,378) and ``val`` (400), each with ``imgs/NAME.jpg``,
``gts/NAME.png`` (8 bit, disparity: larger is nearer, up to scale and shift; neither focal length nor baseline is known)
and ``valid_masks/NAME.png`` (0 where the flow there and back disagree). Sky already has the least disparity of its
image where the authors' segmenter found it and the mask keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError

from ..samples import DepthSample
from .file_lists import ListedSamples, require_folder, require_names
from .images import read_map, read_rgb

SPLITS = ("train", "val")
EXPECTED = "imgs/*.jpg, gts/*.png and valid_masks/*.png"


def open_samples(path: Path, *, split: str = "train") -> ListedSamples:
    """The images of ``path/<split>``, train or val (see the module's text)."""
    if split not in SPLITS:
        raise ConfigError(f"split {split!r}: train or val is accepted")
    folder = require_folder(path / split, f"HR-WSI's {EXPECTED} in it")
    for part in ("imgs", "gts", "valid_masks"):
        require_folder(folder / part, f"HR-WSI's {EXPECTED}")
    names = [image.stem for image in (folder / "imgs").glob("*.jpg")]
    return ListedSamples(require_names(names, folder / "imgs", EXPECTED), _Image(folder))


@dataclass(frozen=True)
class _Image:
    folder: Path

    def __call__(self, name: str) -> DepthSample:
        image = read_rgb(self.folder / "imgs" / f"{name}.jpg")
        disparity = read_map(self.folder / "gts" / f"{name}.png", channel=0)
        valid = read_map(self.folder / "valid_masks" / f"{name}.png", channel=0)
        if not disparity.shape == valid.shape == image.shape[:2]:
            raise SourceError(
                f"{self.folder}/imgs/{name}.jpg: image {image.shape[:2]}, disparity {disparity.shape} and mask "
                f"{valid.shape} differ in size"
            )
        return DepthSample(
            image,
            np.where(valid > 0, disparity, np.nan).astype(np.float32),
            CameraModel.with_assumed_fov(image.shape[1], image.shape[0]),
            f"hrwsi/{self.folder.name}/{name}",
            sky_known=False,
            is_metric=False,
            quantity="disparity",
            camera_known=False,
        )
