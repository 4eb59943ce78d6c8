"""MegaDepth v1: internet photos of landmarks with depth from structure from motion, up to scale.

Layout (the set's own loader and page): ``0000/dense0/imgs/NAME.jpg`` with ``0000/dense0/depths/NAME.h5``, whose data
set ``depth`` has the image's size; below ``path``, ``path/MegaDepth_v1`` or the archive's own
``phoenix/S6/zl548/MegaDepth_v1``. 0 is no depth; the unit is another one in each reconstruction. Some files hold no
depth but an order of segments (foreground, background); their smallest value is below 0 (COTR's preparation of the set
finds them by it). They give no depth here: their samples are without valid pixels, and
``python -m training.sources.megadepth PATH LIST`` writes the list that leaves them out.

The intrinsics are not in this part of the set (they are in its SfM models), so the camera is not known. Sky has no
depth, and the set does not say where it is: give the source a segmenter (``sky``), as Depth Anything did.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import DepthAnythingError, SourceError

from ..run_dir import atomic_path
from ..samples import DepthSample
from .arrays import read_hdf5
from .file_lists import ListedSamples, chosen, read_lines, require_folder, require_names, subfolders
from .images import read_rgb

ROOTS = ("", "MegaDepth_v1", "phoenix/S6/zl548/MegaDepth_v1")
EXPECTED = "<scene>/dense0/imgs/*.jpg with <scene>/dense0/depths/*.h5"
SUFFIXES = (".jpg", ".jpeg", ".png")


def open_samples(path: Path, *, scenes: str = "", files: str = "") -> ListedSamples:
    """The photos below ``path`` (see the module's text): all, those of the comma-separated ``scenes``, or those that
    the list ``files`` names, one ``0000/dense0/imgs/NAME.jpg`` on each line.
    """
    root = _root(path)
    if files:
        return ListedSamples(require_names(read_lines(Path(files)), Path(files), EXPECTED), _Photo(root))
    names = [
        f"{scene}/{part}/imgs/{image.name}"
        for scene in chosen(scenes, subfolders(root), "scenes")
        for part in subfolders(root / scene)
        for image in sorted((root / scene / part / "imgs").glob("*"))
        if image.suffix.lower() in SUFFIXES and _depth_file(root, f"{scene}/{part}/imgs/{image.name}").is_file()
    ]
    return ListedSamples(require_names(names, root, EXPECTED), _Photo(root))


def write_list(path: Path, out: Path, *, scenes: str = "") -> int:
    """Write the list of photos with true depth below ``path`` for ``files``; return how many there are.

    Reads every depth file once. Raises SourceError as ``open_samples``.
    """
    root, samples = _root(path), open_samples(path, scenes=scenes)
    names = (samples.name(index) for index in range(len(samples)))
    kept = [name for name in names if not _is_order(read_hdf5(_depth_file(root, name), "depth"))]
    with atomic_path(out) as unfinished:
        unfinished.write_text("".join(f"{name}\n" for name in kept), encoding="utf-8")
    return len(kept)


def main(arguments: list[str] | None = None) -> int:
    """``python -m training.sources.megadepth PATH LIST``: write the list of photos with true depth; 0 on success."""
    parser = argparse.ArgumentParser(prog="training.sources.megadepth", description=main.__doc__)
    parser.add_argument("path", type=Path, help="folder of MegaDepth v1")
    parser.add_argument("list", type=Path, help="text file to write, for the option files of a source")
    parser.add_argument("--scenes", default="", help="which, separated by commas (default all)")
    given = parser.parse_args(arguments)
    try:
        count = write_list(given.path, given.list, scenes=given.scenes)
    except DepthAnythingError as error:
        parser.error(str(error))
    print(f"{given.list}: {count} photos with depth")
    return 0


def _root(path: Path) -> Path:
    require_folder(path, f"MegaDepth v1, {EXPECTED},")
    return next((path / root for root in reversed(ROOTS) if (path / root).is_dir()), path)


def _depth_file(root: Path, name: str) -> Path:
    image = root / name
    return image.parent.parent / "depths" / f"{image.stem}.h5"


def _is_order(depth: np.ndarray) -> bool:
    return bool(depth.size) and float(depth.min()) < 0


@dataclass(frozen=True)
class _Photo:
    root: Path

    def __call__(self, name: str) -> DepthSample:
        image = read_rgb(self.root / name)
        stored = read_hdf5(_depth_file(self.root, name), "depth")
        if stored.shape != image.shape[:2]:
            raise SourceError(f"{self.root / name}: image {image.shape[:2]} and depth {stored.shape} differ in size")
        known = (stored > 0) & np.isfinite(stored) & (not _is_order(stored))
        return DepthSample(
            image,
            np.where(known, stored, np.nan).astype(np.float32),
            CameraModel.with_assumed_fov(image.shape[1], image.shape[0]),
            f"megadepth/{name.rpartition('.')[0]}",
            sky_known=False,
            is_metric=False,
            camera_known=False,
        )


if __name__ == "__main__":
    raise SystemExit(main())
