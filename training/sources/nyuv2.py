"""NYU Depth V2: 640x480 Kinect frames of rooms, from the labelled .mat file or from extracted folders.

Layouts (the set's own page and toolbox; BTS's and ZoeDepth's lists for the folders):

- ``nyu_depth_v2_labeled.mat`` (MATLAB 7.3, which is HDF5) with ``images`` (h, w, 3, n) and ``rawDepths`` or ``depths``
  (h, w, n) in metres; HDF5 shows them with their axes in reverse order. ``splits.mat`` beside it has ``trainNdxs``
  (795) and ``testNdxs`` (654), counted from 1.
- folders: ``<scene>/rgb_00045.jpg`` and ``<scene>/sync_depth_00045.png`` (16 bit, millimetres), found in
  ``<path>/<split>``, or listed: a text file with image and depth on each line (a focal length may follow).

0 is no measurement. ``rawDepths`` is what the sensor measured; in ``depths`` its holes are painted in. The intrinsics
are the toolbox's ``camera_params.m``; the images are rectified already, and sky is not known (there are windows).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import ConfigError, SourceError

from ..samples import DepthSample
from .arrays import read_hdf5
from .crops import NYU_FRAME, NYU_SIZE, check_crop, keep_nyu_eigen
from .file_lists import ListedSamples, read_lines, require_folder, require_names
from .images import read_map, read_rgb
from .mat5 import read_mat

LABELLED = "nyu_depth_v2_labeled.mat"
SPLITS = {"train": "trainNdxs", "test": "testNdxs"}
DEPTHS = {"raw": "rawDepths", "filled": "depths"}
CAMERA = CameraModel(width=640, height=480, fx=518.857901, fy=519.469611, cx=325.582449, cy=253.736166)
METRES_PER_UNIT = 0.001
EXPECTED = f"{LABELLED} with splits.mat, or folders of rgb_*.jpg and sync_depth_*.png"


def open_samples(
    path: Path, *, split: str = "train", depth: str = "raw", crop: str = "none", files: str = ""
) -> ListedSamples:
    """The frames of the .mat file, or of the folder, ``path`` (see the module's text).

    ``split``: train, test or all. ``depth``: raw or filled, of the .mat file. ``crop``: none; frame (the image without
    its blank frame: 625x467); eigen (the whole image, depth outside Eigen's evaluation crop unknown). ``files``: a list
    of extracted frames, which then takes the place of ``split``.
    """
    if split not in (*SPLITS, "all"):
        raise ConfigError(f"split {split!r}: train, test or all is accepted")
    if depth not in DEPTHS:
        raise ConfigError(f"depth {depth!r}: raw or filled is accepted")
    check_crop(crop, ("none", "frame", "eigen"))
    labelled = path if path.suffix == ".mat" else path / LABELLED
    if labelled.is_file() and not files:
        return ListedSamples(_labelled_names(labelled, split), _Labelled(labelled, DEPTHS[depth], crop))
    require_folder(path, EXPECTED)
    if depth != "raw":
        raise ConfigError(f"depth {depth!r}: extracted frames are raw; filled is in {LABELLED}")
    root = path if files or split == "all" else require_folder(path / split, f"the split's folder, or {EXPECTED}")
    return ListedSamples(_listed(Path(files)) if files else _found(root), _Extracted(root, crop))


def _labelled_names(labelled: Path, split: str) -> list[str]:
    count = read_hdf5(labelled, "images", np.s_[:, 0, 0, 0]).shape[0]
    if split == "all":
        return [str(index) for index in range(count)]
    numbers = read_mat(labelled.with_name("splits.mat"), SPLITS[split]).astype(int)
    if len(numbers) == 0 or numbers.min() < 1 or numbers.max() > count:
        raise SourceError(f"{labelled.with_name('splits.mat')}: {SPLITS[split]} is not of 1 to {count}")
    return [str(number - 1) for number in numbers]


def _listed(files: Path) -> list[str]:
    pairs = [line.split() for line in read_lines(files)]
    for number, pair in enumerate(pairs, 1):
        if len(pair) < 2:
            raise SourceError(f"{files}:{number}: {' '.join(pair)!r}; image and depth are expected on each line")
    return ["\t".join(name.lstrip("/") for name in pair[:2]) for pair in pairs if "None" not in pair]


def _found(root: Path) -> list[str]:
    names = [str(image.relative_to(root)) for image in root.rglob("rgb_*.jpg")]
    pairs = [f"{name}\t{_depth_name(name)}" for name in names]
    return require_names(pairs, root, "<scene>/rgb_*.jpg with sync_depth_*.png")


def _depth_name(image: str) -> str:
    folder, _, name = image.rpartition("/")
    stem = name.removeprefix("rgb_").rpartition(".")[0]
    return f"{folder}/sync_depth_{stem}.png".lstrip("/")


@dataclass(frozen=True)
class _Labelled:
    file: Path
    data_set: str
    crop: str

    def __call__(self, name: str) -> DepthSample:
        index = int(name)
        image = read_hdf5(self.file, "images", index).transpose(2, 1, 0)
        depth = read_hdf5(self.file, self.data_set, index).T
        return _sample(np.ascontiguousarray(image), depth, f"nyuv2/{index:04d}", self.crop)


@dataclass(frozen=True)
class _Extracted:
    root: Path
    crop: str

    def __call__(self, name: str) -> DepthSample:
        image, depth = name.split("\t")
        metres = read_map(self.root / depth) * np.float32(METRES_PER_UNIT)
        return _sample(read_rgb(self.root / image), metres, f"nyuv2/{image.rpartition('.')[0]}", self.crop)


def _sample(image: NDArray[np.uint8], depth: NDArray[np.float32], source: str, crop: str) -> DepthSample:
    if image.shape != (*NYU_SIZE, 3):
        raise SourceError(f"{source}: image {image.shape}; the intrinsics are of {(*NYU_SIZE, 3)}")
    metres = np.where(depth > 0, depth, np.nan).astype(np.float32)
    if crop == "eigen":
        metres = keep_nyu_eigen(metres, source)
    sample = DepthSample(image, metres, CAMERA, source, sky_known=False)
    if crop != "frame":
        return sample
    rows, columns = NYU_FRAME
    camera = CAMERA.cropped(
        x=columns.start, y=rows.start, width=columns.stop - columns.start, height=rows.stop - rows.start
    )
    part = (rows, columns)
    return dataclasses.replace(
        sample,
        image_HW3=np.ascontiguousarray(image[part]),
        depth_HW=np.ascontiguousarray(metres[part]),
        camera=camera,
    )
