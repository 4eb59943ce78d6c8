"""DepthPipeline: camera frames in, depth frames in metres out. It knows neither ROS nor files.

Order of the stages: rectify, resize, engine, metres (focal scale and range), filter (flying pixels), upsample (to the
camera's size, and the border that rectification leaves empty). Filters run on the network's own pixels, where they cost
least; nothing after them mixes two surfaces.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import ASSUMED_HFOV_DEG, CameraModel
from .depth_frame import CameraFrame, DepthFrame
from .engine import DepthEngine
from .errors import ConfigError
from .filters import FLYING_RATIO, limit_range, remove_flying_pixels, surroundings
from .preprocess import network_size, resize_to_network
from .rectify import Rectifier
from .resample import upsample_depth
from .scale import focal_scale, require_metric, scale_notes
from .scale_calibration import ScaleCalibration

DEPTH_SIZES = ("camera", "network")
STAGES = ("rectify", "resize", "engine", "metres", "filter", "upsample")
"""Keys of ``DepthFrame.timings_ms``, in order."""

_MAX_RECTIFIERS = 8


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """What a user may change about the metres. Raises ConfigError where a value is not acceptable."""

    min_depth_m: float | None = None
    """Nearer is -Inf [m]; None: the network's own limit."""
    max_depth_m: float | None = None
    """Farther is +Inf [m]; None: the network's own limit."""
    edge_ratio: float | None = FLYING_RATIO
    """A depth between a nearer and a farther neighbour, each by more than this ratio, is NaN; None keeps all."""
    depth_size: str = "camera"
    """camera: depth has the image's size; network: the network's, with its camera and image."""
    scale: float = 1.0
    """All depths are multiplied by this, before the range limits."""
    calibration: ScaleCalibration | None = None
    """What the network's output is in this camera's metres; a relative network runs with it only."""
    assumed_hfov_deg: float = ASSUMED_HFOV_DEG
    """Horizontal field of view for frames without a camera [deg]."""

    def __post_init__(self) -> None:
        if self.depth_size not in DEPTH_SIZES:
            raise ConfigError(f"depth_size is {self.depth_size!r}; accepted: {', '.join(DEPTH_SIZES)}")
        if not 0.0 < self.scale < math.inf:
            raise ConfigError(f"scale is {self.scale}; accepted: a positive number")
        if self.edge_ratio is not None and not 0.0 < self.edge_ratio < math.inf:
            raise ConfigError(f"edge_ratio is {self.edge_ratio}; accepted: a positive number, or none")
        if not 0.0 < self.assumed_hfov_deg < 180.0:
            raise ConfigError(f"assumed_hfov_deg is {self.assumed_hfov_deg}; accepted: between 0 and 180")


@dataclass
class _Job:
    """One frame on its way through the stages."""

    frame: CameraFrame
    camera: CameraModel
    image_HW3: NDArray[np.uint8]
    valid_HW: NDArray[np.bool_] | None
    network_image_hw3: NDArray[np.uint8]
    timings_ms: dict[str, float] = field(default_factory=dict)


class DepthPipeline:
    """Turns camera frames into depth frames with one engine, which it does not own. Not thread-safe.

    ``notes`` say what to know of its metres; they grow when a frame's camera is not the one of the calibration.
    Raises ConfigError for a network without metres, a calibration of another network, or an empty depth range.
    """

    def __init__(self, engine: DepthEngine, options: PipelineOptions | None = None) -> None:
        self.engine = engine
        self.options = options or PipelineOptions()
        spec = engine.spec
        self.min_depth_m = spec.min_depth_m if self.options.min_depth_m is None else self.options.min_depth_m
        self.max_depth_m = spec.max_depth_m if self.options.max_depth_m is None else self.options.max_depth_m
        if not 0.0 < self.min_depth_m < self.max_depth_m:
            raise ConfigError(f"depth range {self.min_depth_m} m to {self.max_depth_m} m; accepted: 0 < min < max")
        calibration = self.options.calibration
        if calibration is None:
            require_metric(spec)
        else:
            calibration.require_network(spec)
        self.notes = scale_notes(spec, calibration)
        self._rectifiers: OrderedDict[CameraModel, Rectifier] = OrderedDict()

    def run(self, frames: Sequence[CameraFrame]) -> list[DepthFrame]:
        """Depth of every frame, in the order of ``frames``; frames of one network size go through the engine together.

        All frames are checked before the engine runs. Raises CameraError or ImageError for a frame that cannot be
        processed, EngineError for a failing engine; no frame has a result then.
        """
        jobs = [self._prepare(frame) for frame in frames]
        results: dict[int, DepthFrame] = {}
        for batch in self._batches(jobs):
            start = time.perf_counter()
            images = [jobs[i].network_image_hw3 for i in batch]
            depth_nhw = self.engine.infer(images[0][None] if len(images) == 1 else np.stack(images))
            engine_ms = _ms_since(start)
            for i, depth_hw in zip(batch, depth_nhw, strict=True):
                jobs[i].timings_ms["engine"] = engine_ms  # each frame waited for the whole batch
                results[i] = self._finish(jobs[i], depth_hw)
        return [results[i] for i in range(len(jobs))]

    def _prepare(self, frame: CameraFrame) -> _Job:
        start = time.perf_counter()
        H, W = frame.image_HW3.shape[:2]
        size_hw = network_size(W, H, self.engine.spec.resize)
        camera = frame.camera
        if camera is None:
            camera = CameraModel.with_assumed_fov(W, H, self.options.assumed_hfov_deg)
        image_HW3, valid_HW = frame.image_HW3, None
        if camera.is_distorted:
            rectifier = self._rectifier(camera)
            image_HW3, camera, valid_HW = rectifier(image_HW3), rectifier.camera, rectifier.valid_HW
        rectify_ms = _ms_since(start)
        start = time.perf_counter()
        network_image_hw3 = resize_to_network(image_HW3, size_hw, self.engine.spec.resize.interpolation)
        timings_ms = {"rectify": rectify_ms, "resize": _ms_since(start)}
        return _Job(frame, camera, image_HW3, valid_HW, network_image_hw3, timings_ms)

    def _batches(self, jobs: list[_Job]) -> list[list[int]]:
        by_size: dict[tuple[int, ...], list[int]] = {}
        for i, job in enumerate(jobs):
            by_size.setdefault(job.network_image_hw3.shape, []).append(i)
        n = self.engine.spec.max_batch
        return [group[k : k + n] for group in by_size.values() for k in range(0, len(group), n)]

    def _finish(self, job: _Job, depth_hw: NDArray[np.float32]) -> DepthFrame:
        h, w = depth_hw.shape
        camera, image_HW3 = job.camera, job.image_HW3
        scale = self._scale(camera, (h, w))
        calibration = self.options.calibration
        if self.options.depth_size == "network":
            camera, image_HW3 = camera.scaled_to(width=w, height=h), job.network_image_hw3
        depth_HW = postprocess(
            depth_hw,
            (camera.height, camera.width),
            scale=scale,
            relative=calibration if calibration is not None and calibration.is_relative else None,
            min_depth_m=self.min_depth_m,
            max_depth_m=self.max_depth_m,
            edge_ratio=self.options.edge_ratio,
            valid_HW=job.valid_HW,
            timings_ms=job.timings_ms,
        )
        return DepthFrame(
            depth_HW=depth_HW,
            image_HW3=image_HW3,
            camera=camera,
            stamp_ns=job.frame.stamp_ns,
            frame_id=job.frame.frame_id,
            timings_ms=job.timings_ms,
            assumed_camera=job.frame.camera is None,
        )

    def _scale(self, camera: CameraModel, size_hw: tuple[int, int]) -> float:
        """The factor on the network's metres; on those of the calibration, where the network has none."""
        spec, calibration = self.engine.spec, self.options.calibration
        if calibration is None:
            return self.options.scale * focal_scale(spec, camera, size_hw)
        note = calibration.camera_note(camera, size_hw)
        if note and note not in self.notes:
            self.notes = (*self.notes, note)
        own = 1.0 if calibration.is_relative else calibration.scale * focal_scale(spec, camera, size_hw)
        return self.options.scale * own

    def _rectifier(self, camera: CameraModel) -> Rectifier:
        rectifier = self._rectifiers.pop(camera, None) or Rectifier(camera)
        self._rectifiers[camera] = rectifier
        while len(self._rectifiers) > _MAX_RECTIFIERS:
            self._rectifiers.popitem(last=False)
        return rectifier


def postprocess(
    depth_hw: NDArray[np.float32],
    size_HW: tuple[int, int],
    *,
    scale: float,
    min_depth_m: float,
    max_depth_m: float,
    relative: ScaleCalibration | None = None,
    edge_ratio: float | None = FLYING_RATIO,
    valid_HW: NDArray[np.bool_] | None = None,
    timings_ms: dict[str, float] | None = None,
) -> NDArray[np.float32]:
    """The network's depth (h, w) as metres of the camera (H, W), filtered; ``depth_hw`` is overwritten.

    Parameters
    ----------
    scale: factor to metres; of what ``relative`` makes of a relative network's output, where given.
    min_depth_m, max_depth_m: nearer is -Inf, farther +Inf [m].
    edge_ratio: see PipelineOptions.
    valid_HW: False where the image has no source; NaN there. It may have another size than the depth.
    timings_ms: receives the time of the stages metres, filter and upsample [ms].
    """
    timings_ms = {} if timings_ms is None else timings_ms
    start = time.perf_counter()
    if relative is not None:
        relative.to_metres(depth_hw)
    np.multiply(depth_hw, np.float32(scale), out=depth_hw)
    all_usable = limit_range(depth_hw, min_depth_m, max_depth_m)
    timings_ms["metres"] = _ms_since(start)
    start = time.perf_counter()
    around = None
    if edge_ratio is not None:
        around = surroundings(depth_hw, all_usable=all_usable)  # upsampling uses it again
        remove_flying_pixels(depth_hw, edge_ratio, around)
    timings_ms["filter"] = _ms_since(start)
    start = time.perf_counter()
    depth_HW = depth_hw if depth_hw.shape == size_HW else upsample_depth(depth_hw, size_HW, around)
    if valid_HW is not None:
        if valid_HW.shape != size_HW:
            small = cv2.resize(valid_HW.view(np.uint8), size_HW[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            valid_HW = small.view(np.bool_)
        np.copyto(depth_HW, np.float32(np.nan), where=~valid_HW)
    timings_ms["upsample"] = _ms_since(start)
    return depth_HW


def _ms_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
