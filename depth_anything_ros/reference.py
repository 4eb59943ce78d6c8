"""Comparison with depth that a sensor measured; frames that the network was trained on are counted apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame, DepthFrame
from depth_anything_ros.metrics import Alignment, DepthMetrics, depth_metrics, mean_metrics
from depth_anything_ros.rectify import Rectifier

ALIGNMENTS: tuple[Alignment, ...] = ("none", "median")
GROUPS = ("unseen", "trained on")


@dataclass(frozen=True)
class FrameComparison:
    """One frame: its name, its group (unseen, trained on) and its errors by alignment (None without valid truth)."""

    name: str
    group: str
    errors: dict[str, DepthMetrics | None]


@dataclass
class ReferenceComparison:
    """Collects the errors of a run; ``min_depth_m``, ``max_depth_m``: the range of the reference that counts [m]."""

    min_depth_m: float
    max_depth_m: float
    frames: list[FrameComparison] = field(default_factory=list)
    _viewpoint: NearestRectifier | None = None

    def compare(
        self, name: str, seen: CameraFrame, result: DepthFrame, reference_HW: NDArray[np.float32], *, trained: bool
    ) -> tuple[FrameComparison, NDArray[np.float32]]:
        """Compare one result with the reference depth (H, W) [m] of the image as delivered, NaN unknown.

        ``trained``: the network was trained on this frame. Returns its errors, which count once they are appended
        to ``frames``, and the reference as it lies on the result: rectified with the image if the camera is distorted.
        Raises ImageError where the sizes differ.
        """
        if seen.camera is not None and seen.camera.is_distorted:
            if self._viewpoint is None or self._viewpoint.camera != seen.camera:
                self._viewpoint = NearestRectifier(seen.camera)
            reference_HW = self._viewpoint(reference_HW)
        errors: dict[str, DepthMetrics | None] = {
            alignment: depth_metrics(
                result.depth_HW,
                reference_HW,
                min_depth_m=self.min_depth_m,
                max_depth_m=self.max_depth_m,
                alignment=alignment,
            )
            for alignment in ALIGNMENTS
        }
        return FrameComparison(name, GROUPS[1 if trained else 0], errors), reference_HW

    def as_dict(self) -> dict[str, dict[str, object]]:
        """For each group that has frames: its number, its names if trained on, and the mean errors by alignment."""
        table: dict[str, dict[str, object]] = {}
        for group in GROUPS:
            members = [frame for frame in self.frames if frame.group == group]
            if not members:
                continue
            row: dict[str, object] = {"frames": len(members)}
            for alignment in ALIGNMENTS:
                mean = mean_metrics([frame.errors[alignment] for frame in members])
                has_figures = mean is not None and mean.num_images > mean.num_without_prediction
                row[_WORDS[alignment]] = mean.mean.as_dict() if mean is not None and has_figures else None
            if group == GROUPS[1]:
                row["names"] = [frame.name for frame in members]
            table[group] = row
        return table


_WORDS = {"none": "unaligned", "median": "median-scaled"}


class NearestRectifier:
    """Moves depth of a raw, distorted image to its rectified view; each pixel takes one measured value, never a mix."""

    def __init__(self, camera: CameraModel) -> None:
        self.camera = camera
        u_HW, v_HW = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
        # The maps interpolate linearly, so rectified coordinates say where each pixel comes from, save at the border,
        # where black is mixed in: the third channel tells.
        coordinates_HW3 = np.dstack([u_HW, v_HW, np.ones_like(u_HW)])
        rectifier = Rectifier(camera)
        source_HW3 = rectifier(coordinates_HW3)
        self._u_HW = np.clip(np.rint(source_HW3[..., 0]), 0, camera.width - 1).astype(np.intp)
        self._v_HW = np.clip(np.rint(source_HW3[..., 1]), 0, camera.height - 1).astype(np.intp)
        self._valid_HW = rectifier.valid_HW & (source_HW3[..., 2] > 0.999)

    def __call__(self, depth_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rectified copy of depth (H, W) [m]; NaN where the raw image has no source. Raises CameraError for a size."""
        self.camera.check_image(depth_HW.shape[1], depth_HW.shape[0])
        return np.where(self._valid_HW, depth_HW[self._v_HW, self._u_HW], np.float32(np.nan))
