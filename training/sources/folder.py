"""Any images with depth: a folder of pairs, or a manifest that says for each image what there is.

- Pairs: ``<path>/images/**/NAME.jpg`` with ``<path>/depth/**/NAME.png`` (or .tif, .tiff, .npy, .exr, .pfm).
- Manifest: ``<path>`` itself, or ``<path>/manifest.jsonl`` (one JSON object on each line) or ``<path>/manifest.csv``
  (with a header), with the columns ``image`` and ``depth`` (relative to the manifest) and, where they differ from frame
  to frame, any of the options of ``open_samples`` and ``K`` (9 numbers), ``D``, ``distortion_model``, ``mask`` and
  ``sky_mask``. An empty value of a CSV file is none.

NaN, ``invalid`` and, for depth, what is not above 0 are unknown, as is what the picture ``mask`` leaves black; what
``sky_mask`` shows, +Inf, and depth from ``sky_from_m`` on is sky.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import DepthAnythingError, SourceError
from depth_anything_ros.rectify import Rectifier

from ..config_tree import nearest
from ..samples import DepthSample
from .arrays import read_npy
from .file_lists import ListedSamples, read_lines, require_folder, require_names
from .folder_row import Row, parse_row
from .images import read_map, read_rgb

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
MAP_READERS: dict[str, Callable[[Path], NDArray[Any]]] = {
    ".npy": read_npy, ".png": read_map, ".tif": read_map, ".tiff": read_map, ".exr": read_map, ".pfm": read_map,
}  # fmt: skip
MANIFESTS = ("manifest.jsonl", "manifest.csv")


def open_samples(
    path: Path,
    *,
    images: str = "images",
    depth: str = "depth",
    quantity: str = "depth",
    metric: bool = True,
    depth_scale: float = 0.0,
    invalid: float = 0.0,
    sky_from_m: float = 0.0,
    fx: float = 0.0,
    fy: float = 0.0,
    cx: float = -1.0,
    cy: float = -1.0,
    hfov_deg: float = 0.0,
) -> ListedSamples:
    """The images of ``path`` (see the module's text); a manifest's columns stand over the options.

    ``images``, ``depth``: the two folders of pairs. ``quantity``: depth or disparity (up to scale and shift).
    ``metric``: whether the depth is in metres once it is scaled. ``depth_scale``: metres of one unit; 0 takes 0.001 for
    whole numbers and 1 for others. ``invalid``: the stored value that means none. ``sky_from_m``: depth from which on
    everything is sky; 0 for none. ``fx``, ``fy``, ``cx``, ``cy`` [px] of the stored images (fy 0: as fx; cx, cy -1: the
    middle), or ``hfov_deg``; with neither the camera is unknown, and the samples are not metric.
    """
    options = {
        "quantity": quantity, "metric": metric, "depth_scale": depth_scale, "invalid": invalid,
        "sky_from_m": sky_from_m, "fx": fx, "fy": fy, "cx": cx, "cy": cy, "hfov_deg": hfov_deg,
    }  # fmt: skip
    parse_row({"image": "", "depth": "", **options}, f"source folder {path}")
    manifest = _manifest(path)
    if manifest is None:
        require_folder(path, f"{' or '.join(MANIFESTS)}, or the folders {images!r} and {depth!r},")
        return ListedSamples(_pairs(path, images, depth), _Frame(path, options, ""))
    rows = _json_rows(manifest) if manifest.suffix == ".jsonl" else _csv_rows(manifest)
    for number, row in enumerate(rows, 1):
        parse_row(json.loads(row), f"{manifest}, frame {number}", options)
    return ListedSamples(rows, _Frame(manifest.parent, options, str(manifest)))


def _manifest(path: Path) -> Path | None:
    if path.suffix in (".jsonl", ".csv"):
        return path
    return next((path / name for name in MANIFESTS if (path / name).is_file()), None)


def _json_rows(manifest: Path) -> list[str]:
    rows = read_lines(manifest)
    for number, row in enumerate(rows, 1):
        try:
            is_object = isinstance(json.loads(row), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise SourceError(f"{manifest}, frame {number}: {row[:60]!r}; a JSON object on each line is expected")
    return _some(rows, manifest)


def _csv_rows(manifest: Path) -> list[str]:
    rows = csv.DictReader(read_lines(manifest))
    return _some([json.dumps({key: value for key, value in row.items() if value}) for row in rows], manifest)


def _some(rows: list[str], manifest: Path) -> list[str]:
    if not rows:
        raise SourceError(f"{manifest}: no frames in it; one on each line is expected")
    return rows


def _pairs(root: Path, images: str, depth: str) -> list[str]:
    """One row for each image with depth of the same name, in order."""
    expected = f"{images}/NAME.jpg with {depth}/NAME.png"
    require_folder(root / images, expected)
    require_folder(root / depth, expected)
    found = {
        _without_suffix(file, root / depth): file for file in (root / depth).rglob("*") if file.suffix in MAP_READERS
    }
    pairs = [
        (str(image.relative_to(root)), str(found[name].relative_to(root)))
        for image in sorted((root / images).rglob("*"))
        if image.suffix.lower() in IMAGE_SUFFIXES and (name := _without_suffix(image, root / images)) in found
    ]
    return require_names([json.dumps({"image": image, "depth": file}) for image, file in pairs], root, expected)


def _without_suffix(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder).with_suffix(""))


@dataclass(frozen=True)
class _Frame:
    root: Path
    options: dict[str, Any]
    manifest: str

    def __call__(self, name: str) -> DepthSample:
        values = json.loads(name)
        row = parse_row(values, self.manifest or str(self.root), self.options)
        source = f"{self.root.name}/{row.image.rpartition('.')[0]}"
        image = read_rgb(self.root / row.image)
        stored, sky = self._depth(row, image.shape[:2])
        camera = row.camera(image.shape[1], image.shape[0])
        if camera.is_distorted:
            rectifier = Rectifier(camera)
            image, stored, camera = rectifier(image), rectifier.nearest(stored), rectifier.camera
        try:
            return DepthSample(
                image,
                stored,
                camera,
                source,
                sky_known=sky,
                is_metric=row.metric and row.camera_known and row.quantity == "depth",
                quantity=row.quantity,
                camera_known=row.camera_known,
            )
        except DepthAnythingError as error:
            raise SourceError(f"{self.root / row.image}: {error}") from None

    def _depth(self, row: Row, size: tuple[int, int]) -> tuple[NDArray[np.float32], bool]:
        """The depth or disparity as a sample has it, and whether sky is known."""
        file = self.root / row.depth
        reader = MAP_READERS.get(file.suffix.lower())
        if reader is None:
            raise SourceError(f"{file}: {nearest(file.suffix, list(MAP_READERS))}")
        stored = reader(file)
        self._same_size(file, stored.shape, size)
        scale = row.depth_scale or (0.001 if np.issubdtype(stored.dtype, np.integer) else 1.0)
        known = (stored != row.invalid) & ~np.isnan(stored)
        if row.quantity == "disparity":
            known &= np.isfinite(stored)
            return self._masked(row, np.where(known, stored, np.nan).astype(np.float32), size), False
        values = np.where(known & (stored > 0), stored * np.float32(scale), np.nan).astype(np.float32)
        if row.sky_from_m > 0:
            values[values >= row.sky_from_m] = np.inf
        values = self._masked(row, values, size)
        if row.sky_mask:
            values[self._picture(row.sky_mask, size)] = np.inf
        return values, bool(row.sky_mask) or row.sky_from_m > 0

    def _masked(self, row: Row, values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        if row.mask:
            values[~self._picture(row.mask, size)] = np.nan
        return values

    def _picture(self, name: str, size: tuple[int, int]) -> NDArray[np.bool_]:
        mask = read_map(self.root / name, channel=0) > 0
        self._same_size(self.root / name, mask.shape, size)
        return mask

    def _same_size(self, file: Path, shape: Sequence[int], size: tuple[int, int]) -> None:
        if tuple(shape) != size:
            raise SourceError(f"{file}: {tuple(shape)}; the image's size {size} is expected")
