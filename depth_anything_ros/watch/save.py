"""What ``watch --save`` leaves behind: the last frame, its cloud and the figures, each complete or not there at all."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cloud_codec import cloud_points
from ..errors import ImageError
from ..outputs import os_errors, write_json, write_picture
from ..render import DepthImage, DepthScale, Picture, RGBImage, side_by_side
from ..splat import picture_of_cloud


def save_watch(
    folder: Path,
    summary: dict[str, Any],
    *,
    image_HW3: RGBImage | None,
    depth_HW: DepthImage | None,
    cloud: Any,
    title: str,
) -> list[str]:
    """Write watch.json, and live.png and cloud.png where there is something to show; return the names written.

    Raises OutputError where the file system refuses.
    """
    with os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    if depth_HW is not None:
        if image_HW3 is None:
            image_HW3 = np.zeros((*depth_HW.shape, 3), np.uint8)
        picture = Picture.shrink(title, image_HW3, depth_HW)
        write_picture(folder / "live.png", side_by_side(picture, DepthScale.of([depth_HW])))
        written.append("live.png")
    elif image_HW3 is not None:
        write_picture(folder / "live.png", image_HW3)
        written.append("live.png")
    if cloud is not None and _write_cloud(folder / "cloud.png", cloud, title):
        written.append("cloud.png")
    write_json(folder / "watch.json", {**summary, "files": written})
    return [*written, "watch.json"]


def _write_cloud(path: Path, cloud: Any, title: str) -> bool:
    """Write the picture of a cloud; False, with the reason on stderr, where it cannot be drawn."""
    try:
        points_N3, rgb_N3 = cloud_points(cloud)
    except ImageError as error:
        print(f"no picture of the cloud: {error}", file=sys.stderr)
        return False
    if not len(points_N3):
        print("no picture of the cloud: it has no finite point", file=sys.stderr)
        return False
    picture = picture_of_cloud(points_N3, rgb_N3, focal_px=focal_of(cloud, points_N3), title=title)
    write_picture(path, picture)
    return True


def focal_of(cloud: Any, points_N3: npt.NDArray[np.float32]) -> float:
    """Return the focal length [px] at which the points are as dense as pixels; it sets how large they are drawn."""
    with np.errstate(divide="ignore", invalid="ignore"):
        tangents_N = points_N3[:, 0] / points_N3[:, 2]
    low, high = np.nanpercentile(tangents_N, (1.0, 99.0))
    columns = int(cloud.width) if int(cloud.height) > 1 else math.sqrt(len(points_N3))
    return max(1.0, 0.98 * columns / max(float(high - low), 1e-3))
