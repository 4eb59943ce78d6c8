"""An engine whose depth is in the image itself, and frames for it: the pipeline without a network between."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import CameraFrame
from depth_anything_ros.engine import EngineInfo
from depth_anything_ros.engines.network_engine import CompiledShape, NetworkEngine
from depth_anything_ros.spec import EngineSpec, ResizeRule
from tests.tiny_networks import make_spec

PINHOLE = CameraModel(width=640, height=480, fx=500.0, fy=500.0, cx=319.5, cy=239.5)
DISTORTED = dataclasses.replace(PINHOLE, distortion_model="plumb_bob", D=(-0.3, 0.08, 0.001, -0.001, 0.0))
SMALL = ResizeRule(kind="long_side", side=140)


class ImageDepthEngine(NetworkEngine):
    """Depth is the red channel in decimetres; ``batches`` are the shapes that were asked for."""

    def __init__(self, spec: EngineSpec | None = None) -> None:
        self.batches: list[tuple[int, int, int]] = []
        spec = spec or make_spec(meaning="metric_fixed", resize=SMALL, max_batch=2)
        super().__init__(spec, EngineInfo("fake", "fp32", "CPU", "asked for", "1"), self._compile)

    def _compile(self, shape: tuple[int, int, int]) -> CompiledShape:
        def run(images_nhw3: NDArray[np.uint8]) -> tuple[NDArray[np.float32], None]:
            self.batches.append(shape)
            return images_nhw3[..., 0].astype(np.float32) / 10.0, None

        return run


def frame(camera: CameraModel | None = PINHOLE, level: int = 20, stamp_ns: int = 7, **size: int) -> CameraFrame:
    width = size.get("width", camera.width if camera else 64)
    height = size.get("height", camera.height if camera else 48)
    return CameraFrame(np.full((height, width, 3), level, np.uint8), camera, stamp_ns, "camera_optical")
