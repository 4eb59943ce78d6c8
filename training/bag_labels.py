"""Labels of a recording's frames, in metres, on disk: made of the shards of the stage ``pseudo_label``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from depth_anything_ros.errors import SourceError

from .metric_labels import Labeller
from .run_dir import atomic_path, write_json
from .samples import DepthSample, SampleSource
from .sources.depth_png import encode_depth
from .sources.frames import FrameEntry

INDEX = "index.json"


def image_sample(entry: FrameEntry) -> DepthSample:
    """A rectified frame without depth."""
    unknown_HW = np.full((entry.camera.height, entry.camera.width), np.nan, np.float32)
    return DepthSample(entry.read_rgb(), unknown_HW, entry.camera, entry.name, sky_known=False)


def write_labels(
    folder: Path, shards: SampleSource, entries: Mapping[str, FrameEntry], label: Labeller, description: str
) -> Path:
    """Write the depth of every frame that ``shards`` speak of, and the index of them last; returns the index.

    ``entries``: frames by the path of their image, which is what the shards name them by. Raises SourceError where no
    frame gets a label, OutputError where the disk does not take them.
    """
    labels = {}
    folder.mkdir(parents=True, exist_ok=True)
    for number in tqdm(range(len(shards)), desc="labels in metres", unit="frame", disable=None):
        labelled = shards[number]
        entry = entries[labelled.source]
        depth_HW = label(labelled.depth_HW, image_sample(entry))
        if depth_HW is None or not np.isfinite(depth_HW).any():
            continue
        png, scale_m = encode_depth(depth_HW)
        path = folder / f"{entry.name.replace('/', '_')}.png"
        with atomic_path(path) as temporary:
            temporary.write_bytes(png)
        labels[entry.name] = {"depth": str(path.resolve()), "depth_scale_m": scale_m}
    if not labels:
        raise SourceError(f"{folder}: none of {len(shards)} frames got a label that agrees with the scale it was given")
    write_json(folder / INDEX, {"description": description, "labels": labels})
    return folder / INDEX
