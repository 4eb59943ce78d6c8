"""What the network and a reference say of the same pixels, over the frames of a recording."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..camera import CameraModel
from ..depth_frame import DepthFrame
from ..errors import CameraError, ImageError
from ..filters import FLYING_RATIO
from ..fingerprint import TrainedFrames
from ..pipeline import DepthPipeline, PipelineOptions
from ..preprocess import network_size
from ..scale_calibration import METRES, quantity_of, unit_calibration
from ..source_frame import DroppedFrame, Source, SourceFrame
from ..spec import EngineSpec
from .fit import FrameSamples
from .references import Reference

MAX_PIXELS = 4096
"""Pixels of a frame that are kept, spread evenly, so that frames count alike and memory stays flat."""
# So wide that only what a network calls sky is beyond.
_MIN_M, _MAX_M = 1e-6, 1e6


@dataclass(eq=False)
class Measurement:
    """The samples of the frames that count, the camera (rectified) they have in common, and why others do not."""

    frames: list[FrameSamples] = field(default_factory=list)
    camera: CameraModel | None = None
    network_size_hw: tuple[int, int] = (0, 0)
    assumed_camera: bool = False
    num_read: int = 0
    num_trained: int = 0
    """Frames that the network was trained on."""
    left_out: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)
    """Of each reason to leave frames out, the first case."""

    def leave_out(self, cause: str, detail: str) -> None:
        """Count a frame that says nothing of the scale."""
        self.left_out[cause] += 1
        self.details.setdefault(cause, detail)

    def reasons(self) -> str:
        """Why frames were left out, in words; "" where none were."""
        return "; ".join(
            f"{number} {cause}" + (f" ({self.details[cause]})" if self.details[cause] else "")
            for cause, number in self.left_out.items()
        )


def measuring_options(spec: EngineSpec, assumed_hfov_deg: float | None = None) -> PipelineOptions:
    """The pipeline's options that leave a network's output as it is: metres, or the quantity of a relative network.

    Disparity comes out inverted. The filter of flying pixels is for metres: of other quantities its ratio means
    something else.
    """
    is_metric = quantity_of(spec) == METRES
    changes: dict[str, Any] = {} if assumed_hfov_deg is None else {"assumed_hfov_deg": assumed_hfov_deg}
    return PipelineOptions(
        min_depth_m=_MIN_M,
        max_depth_m=_MAX_M,
        edge_ratio=FLYING_RATIO if is_metric else None,
        calibration=unit_calibration(spec),
        **changes,
    )


def measure(
    source: Source,
    pipeline: DepthPipeline,
    reference: Reference,
    *,
    every: int,
    max_frames: int,
    range_m: tuple[float, float],
) -> Measurement:
    """Run up to ``max_frames`` frames that have a reference, ``every`` or more apart, and collect their samples.

    The pipeline has ``measuring_options``. Reference depths outside ``range_m`` [m] do not count. A frame that cannot
    be used is counted with its reason. Raises EngineError for a failing engine, and what the reference raises.
    """
    from tqdm import tqdm

    result = Measurement()
    trained = TrainedFrames(pipeline.engine.spec.trained_frames)
    is_disparity = quantity_of(pipeline.engine.spec) == "disparity"
    num_since = every
    total = min(filter(None, (max_frames, source.num_frames)))
    with tqdm(total=total, unit="frame", file=sys.stderr, disable=None, dynamic_ncols=True) as bar:
        for item in _frames(source, result):
            num_since += 1
            if num_since <= every:
                continue
            camera = _rectified(item, pipeline)
            known_HW = reference.depth_of(item, camera)
            if known_HW is None:
                result.leave_out("without a reference", reference.why_none)
                continue
            num_since = 1
            try:
                (depth,) = pipeline.run([item.frame])
            except (CameraError, ImageError) as error:
                result.leave_out("unusable", str(error))
                continue
            if result.camera is None:
                size_hw = network_size(camera.width, camera.height, pipeline.engine.spec.resize)
                result.camera, result.network_size_hw = depth.camera, size_hw
                result.assumed_camera = depth.assumed_camera
            if depth.camera != result.camera:
                result.leave_out("of another camera", "")
                continue
            samples = _samples(depth, known_HW, range_m, is_disparity=is_disparity)
            if samples.output_N.size < reference.min_pixels:
                result.leave_out(
                    f"with fewer than {reference.min_pixels} pixels to compare",
                    f"the first had {samples.output_N.size}",
                )
                continue
            result.frames.append(samples)
            result.num_trained += trained.contains(item.frame.image_HW3)
            bar.update()
            if len(result.frames) >= max_frames:
                break
    return result


def _frames(source: Source, result: Measurement) -> Iterator[SourceFrame]:
    for item in source:
        result.num_read += 1
        if isinstance(item, DroppedFrame):
            result.leave_out(item.cause, item.detail)
        else:
            yield item


def _rectified(item: SourceFrame, pipeline: DepthPipeline) -> CameraModel:
    height, width = item.frame.image_HW3.shape[:2]
    if item.frame.camera is None:
        return CameraModel.with_assumed_fov(width, height, pipeline.options.assumed_hfov_deg)
    return item.frame.camera.undistorted()


def _samples(
    depth: DepthFrame, known_HW: np.ndarray, range_m: tuple[float, float], *, is_disparity: bool
) -> FrameSamples:
    with np.errstate(invalid="ignore"):
        counts_HW = (known_HW >= range_m[0]) & (known_HW <= range_m[1])
        counts_HW &= (depth.depth_HW > 0.0) & (depth.depth_HW < np.inf)
    places = np.flatnonzero(counts_HW)
    if places.size > MAX_PIXELS:
        places = places[np.linspace(0, places.size - 1, MAX_PIXELS).astype(np.intp)]
    output_N = depth.depth_HW.ravel()[places].astype(np.float64)
    return FrameSamples(1.0 / output_N if is_disparity else output_N, known_HW.ravel()[places].astype(np.float64))
