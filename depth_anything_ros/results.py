"""Where a run's frames go: depth images, bag, PLY, pictures and the table of frames, each left out on request."""

from __future__ import annotations

import dataclasses
import importlib
import shlex
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.errors import OutputError
from depth_anything_ros.outputs import OutputFolder, atomic_path, write_depth
from depth_anything_ros.pictures import Pictures
from depth_anything_ros.ply import write_ply
from depth_anything_ros.point_cloud import CloudBuilder, PointCloudData, default_stride, finite_points, load_open3d
from depth_anything_ros.reference import FrameComparison
from depth_anything_ros.report import counted

_MAX_BUILDERS = 4
_COLUMNS = ("file", "name", "index", "stamp_ns", "trained_on", "abs_rel", "abs_rel_median_scaled")


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """What is written. ``stride`` None: as small as gives at most 80,000 points.

    ``voxel`` [m] and ``remove_outliers`` (statistical) need Open3D.
    """

    format: str = "png"
    depth: bool = True
    bag: bool = True
    points: bool = True
    video: bool = True
    pictures: bool = True
    ply: bool = False
    ply_every: int = 10
    stride: int | None = None
    voxel: float | None = None
    remove_outliers: bool = False


@dataclass(frozen=True)
class FrameRecord:
    """What is known of a frame besides its depth; ``comparison`` and ``reference_HW`` [m] if depth was measured."""

    name: str
    index: int
    trained: bool
    comparison: FrameComparison | None = None
    reference_HW: NDArray[np.float32] | None = None


class ResultWriter:
    """Writes each frame as it comes, and at the end what needs all of them.

    ``close`` finishes every output even where one of them fails, so what was written stays valid, and then raises the
    first failure. Raises MissingDependency where Open3D is needed and absent.
    """

    def __init__(self, folder: OutputFolder, options: ResultOptions) -> None:
        self.written: dict[str, str] = {}
        self.notes: list[str] = []
        self._folder = folder
        self._options = options
        self._pictures = Pictures(folder.path, video=options.video, stills=options.pictures)
        self._bag: Any = None
        self._builders: OrderedDict[CameraModel, CloudBuilder] = OrderedDict()
        self._num_frames = 0
        self._num_ply = 0
        self._open3d = load_open3d() if options.voxel is not None or options.remove_outliers else None

    @property
    def folders(self) -> list[str]:
        """The folders inside the output folder that frames are written to one by one."""
        return [name for name, wanted in (("depth", self._options.depth), ("ply", self._options.ply)) if wanted]

    def add(self, record: FrameRecord, result: DepthFrame) -> dict[str, float]:
        """Write one frame and return the time taken by stage [ms]: cloud, write, pictures."""
        options = self._options
        timings_ms: dict[str, float] = {}
        file = ""
        with _timed(timings_ms, "cloud"):
            cloud = self._cloud(result)
        with _timed(timings_ms, "write"):
            if options.depth:
                path = write_depth(self._folder.path / "depth", record.name, result.depth_HW, options.format)
                file = f"depth/{path.name}"
            if options.bag:
                # Intrinsics that were assumed are not passed on as if they had been measured.
                known = result if not result.assumed_camera else dataclasses.replace(result, camera=None)
                self._open_bag().write(known, cloud if options.points else None)
            if options.ply and cloud is not None and self._num_frames % options.ply_every == 0:
                with atomic_path(self._folder.path / "ply" / f"{record.name}.ply") as temporary:
                    write_ply(temporary, *finite_points(cloud))
                self._num_ply += 1
        with _timed(timings_ms, "pictures"):
            title = record.name + (" (trained on)" if record.trained else "")
            self._pictures.add(title, result, record.reference_HW)
        self._folder.add_row(
            file, record.name, record.index, result.stamp_ns, int(record.trained), *_errors(record.comparison)
        )
        self._num_frames += 1
        return timings_ms

    def close(self, title: str) -> None:
        """Finish all outputs; ``title`` heads the contact sheet. Raises OutputError where something could not be."""
        failures: list[OutputError] = []
        steps: list[Callable[[], object]] = []
        if self._bag is not None:
            steps.append(self._close_bag)
        if self._num_frames:
            steps += [lambda: self._pictures.close(title), lambda: self._folder.write_rows(_COLUMNS)]
        for step in steps:
            try:
                step()
            except OutputError as error:
                failures.append(error)
        if self._options.depth and self._num_frames:
            kind = "16UC1, millimetres, 0 = none" if self._options.format == "png" else "float32, metres"
            self.written["depth/"] = f"{self._num_frames} x .{self._options.format}: {kind}"
        if self._num_ply:
            self.written["ply/"] = counted(self._num_ply, "point cloud")
        self.written.update(self._pictures.written)
        self.notes += self._pictures.notes
        if self._num_frames and (self._folder.path / "frames.csv").exists():
            self.written["frames.csv"] = "stamp, name and file of each frame"
        if failures:
            raise failures[0]

    def _cloud(self, result: DepthFrame) -> PointCloudData | None:
        if result.camera is None or result.assumed_camera:
            return None
        due_for_ply = self._options.ply and self._num_frames % self._options.ply_every == 0
        if not due_for_ply and not (self._options.bag and self._options.points):
            return None
        cloud = self._builder(result.camera).build(result.depth_HW, result.image_HW3)
        if self._open3d is not None and self._options.voxel is not None:
            cloud = self._open3d.voxel_downsample(cloud, self._options.voxel)
        if self._open3d is not None and self._options.remove_outliers:
            cloud = self._open3d.remove_statistical_outliers(cloud)
        return cloud

    def _builder(self, camera: CameraModel) -> CloudBuilder:
        builder = self._builders.pop(camera, None)
        if builder is None:
            builder = CloudBuilder(camera, stride=self._options.stride or default_stride(camera))
        self._builders[camera] = builder
        while len(self._builders) > _MAX_BUILDERS:
            self._builders.popitem(last=False)
        return builder

    def _open_bag(self) -> Any:
        if self._bag is None:
            module = importlib.import_module("depth_anything_ros.bag_writer")
            self._bag = module.BagWriter(self._folder.path / "bag")
        return self._bag

    def _close_bag(self) -> None:
        bag, self._bag = self._bag, None
        try:
            bag.close()
        finally:
            if bag.path.exists():
                self.written["bag/"] = f"{counted(bag.num_frames, 'frame')}; ros2 bag play {shlex.quote(str(bag.path))}"


@contextmanager
def _timed(timings_ms: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings_ms[stage] = (time.perf_counter() - start) * 1e3


def _errors(comparison: FrameComparison | None) -> list[str]:
    if comparison is None:
        return ["", ""]
    found = [comparison.errors[alignment] for alignment in ("none", "median")]
    return [f"{metrics.abs_rel:.4f}" if metrics is not None and metrics.num_pixels else "" for metrics in found]
