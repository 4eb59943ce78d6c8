"""``depth_anything_ros calibrate-scale``: from a recording and something known to a calibration file."""

from __future__ import annotations

import contextlib
import datetime
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..engine import load_engine
from ..engine_options import EngineOptions
from ..errors import ConfigError, OutputError, SourceError
from ..outputs import write_bytes
from ..pipeline import DepthPipeline
from ..rigid_transform import RigidTransform
from ..scale_calibration import ScaleCalibration, calibration_to_yaml, quantity_of
from ..source import Source, open_clouds, open_source
from .cloud_files import read_cloud_file
from .fit import METHODS, ScaleFit, fit_scale
from .measure import Measurement, measure, measuring_options
from .references import CloudReference, FolderReference, RecordedReference, Reference, TapedDistance, TapedReference

AIM_FRAMES = 200
"""Frames that are measured where nothing else is asked for, spread over the recording."""
MAX_ABS_REL = 0.3
MAX_TAPED_SPREAD = 0.15
"""By more the frames of a scene in which nothing moves do not differ."""
NOTED_SPREAD = 0.15


@dataclass(frozen=True, kw_only=True)
class CalibrateOptions:
    """Everything ``calibrate-scale`` can be told; the fields are named as the command's options.

    Raises ConfigError unless there is one kind of reference, and for a transform without a cloud.
    """

    source: str
    out: Path = Path("scale.yaml")
    overwrite: bool = False
    image_topic: str | None = None
    camera_info_topic: str | None = None
    camera_info: Path | None = None
    rectified: bool = False
    assumed_fov: float | None = None
    distance: tuple[TapedDistance, ...] = ()
    depth_topic: str | None = None
    depth_folder: Path | None = None
    depth_unit: float | None = None
    """What 1 of a PNG image in ``depth_folder`` stands for [m]; None: a millimetre."""
    cloud_topic: str | None = None
    cloud: Path | None = None
    transform: tuple[float, ...] | None = None
    """x y z [m] and quaternion x y z w: pose of the cloud's frame in the camera's optical frame."""
    min_depth: float | None = None
    max_depth: float | None = None
    """Reference depths that count [m]; None: the network's limits."""
    every: int | None = None
    """None: so that about AIM_FRAMES are spread over the recording."""
    max_frames: int = AIM_FRAMES
    max_error: float = MAX_ABS_REL
    model: str | None = None
    engine_options: EngineOptions = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        given = {
            "--distance": bool(self.distance),
            "--depth-topic": self.depth_topic is not None,
            "--depth-folder": self.depth_folder is not None,
            "--cloud-topic": self.cloud_topic is not None,
            "--cloud": self.cloud is not None,
        }
        names = [name for name, is_given in given.items() if is_given]
        if len(names) != 1:
            found = " and ".join(names) if names else "no reference"
            raise ConfigError(f"{found} given; accepted: one of {', '.join(given)}")
        if self.transform is not None and self.cloud_topic is None and self.cloud is None:
            raise ConfigError(f"--transform is of a cloud, not of {names[0]}; accepted: with --cloud or --cloud-topic")
        if self.depth_unit is not None and self.depth_folder is None:
            raise ConfigError(f"--depth-unit is of PNG images, not of {names[0]}; accepted: with --depth-folder")


def calibrate_scale(options: CalibrateOptions) -> int:
    """Measure, fit, print, write the file. Returns the exit code 0.

    Raises a DepthAnythingError, and writes nothing, where the reference is too little or does not fit.
    """
    if options.out.is_dir() or not options.out.absolute().parent.is_dir():
        raise OutputError(f"cannot write {options.out}; accepted: the name of a file in a folder that exists")
    if options.out.exists() and not options.overwrite:
        raise OutputError(f"{options.out} exists; accepted: another name, or --overwrite")
    pose = RigidTransform.from_pose(options.transform[:3], options.transform[3:]) if options.transform else None
    with _open_source(options) as source, _reference(options, source, pose) as reference:
        with load_engine(options.model, options.engine_options) as engine:
            spec = engine.spec
            print(
                f"source:    {source.description}\nnetwork:   {spec.name}\nreference: {reference.description}",
                flush=True,
            )
            pipeline = DepthPipeline(engine, measuring_options(spec, options.assumed_fov))
            low, high = options.min_depth or spec.min_depth_m, options.max_depth or spec.max_depth_m
            if not low < high:
                raise ConfigError(f"reference depths from {low} m to {high} m; accepted: min-depth < max-depth")
            every = options.every or max(1, (source.num_frames or 1) // options.max_frames)
            found = measure(
                source, pipeline, reference, every=every, max_frames=options.max_frames, range_m=(low, high)
            )
        if not found.frames or found.camera is None:
            raise SourceError(
                f"no frame of {source.description} can be compared with {reference.description}:"
                f" {found.reasons() or 'it gave no frames'}"
            )
        fit = fit_scale(found.frames, quantity_of(spec), max_abs_rel=options.max_error)
        if options.distance and fit.frame_spread > MAX_TAPED_SPREAD:
            raise SourceError(
                f"the frames differ by {fit.frame_spread:.0%}; accepted for taped distances: {MAX_TAPED_SPREAD:.0%}, as"
                " nothing may move. Take the part that shows it, or --max-frames 1"
            )
        where = f"{reference.description} ({Path(options.source).resolve().name})"
        camera, (h, w) = found.camera, found.network_size_hw
        calibration = ScaleCalibration(
            network=spec.name,
            artifact_sha256=spec.artifact_sha256,
            quantity=quantity_of(spec),
            camera_width=camera.width,
            camera_height=camera.height,
            camera_fx=camera.fx,
            camera_fy=camera.fy,
            network_width=w,
            network_height=h,
            reference=where,
            method=METHODS[quantity_of(spec)],
            date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
            **vars(fit),
        )
        write_bytes(options.out, calibration_to_yaml(calibration).encode())
        print("\n".join(_report(calibration, found, fit, source, options.out)))
    return 0


def _report(
    calibration: ScaleCalibration, found: Measurement, fit: ScaleFit, source: Source, out: Path
) -> Iterator[str]:
    yield f"frames:    {fit.num_frames} used of {found.num_read} read, {fit.num_pixels} pixels"
    if found.left_out:
        yield f"left out:  {found.reasons()}"
    yield f"result:    {calibration.describe()}"
    for note in _notes(found, fit, source):
        yield f"note:      {note}"
    yield f"written:   {out}"
    name, full = shlex.quote(str(out)), shlex.quote(str(out.absolute()))
    yield f"use it:    depth_anything_ros run SOURCE --out DIR --scale-file {name}; of the node: scale_file:={full}"


def _notes(found: Measurement, fit: ScaleFit, source: Source) -> Iterator[str]:
    if found.assumed_camera:
        reason = source.camera_note.removeprefix("none: ")
        yield f"the camera's intrinsics are assumed ({reason}); the scale holds with that assumption only"
    if found.num_trained:
        yield f"the network was trained on {found.num_trained} of these frames: on others it will be less exact"
    if fit.num_frames == 1:
        yield "one frame says nothing of how much the scale varies; a recording with several places is better"
    elif fit.frame_spread > NOTED_SPREAD:
        yield "the frames disagree on the scale; it holds on average, not in every place"
    yield from source.notes


@contextlib.contextmanager
def _reference(options: CalibrateOptions, source: Source, pose: RigidTransform | None) -> Iterator[Reference]:
    with contextlib.ExitStack() as stack:
        if options.distance:
            yield TapedReference(options.distance)
        elif options.depth_topic is not None:
            yield RecordedReference(options.depth_topic)
        elif options.depth_folder is not None:
            yield FolderReference(options.depth_folder, options.depth_unit or 0.001, images=Path(options.source))
        elif options.cloud is not None:
            points_N3 = (pose or RigidTransform.identity())(read_cloud_file(options.cloud))
            where = "placed by --transform" if pose else "taken to be in the camera's optical frame"
            yield CloudReference(lambda item: points_N3, f"the cloud {options.cloud.name}, {where}")
        else:
            clouds = stack.enter_context(contextlib.closing(open_clouds(options.source, options.cloud_topic or "")))
            where = "--transform" if pose else "tf_static"
            yield CloudReference(
                lambda item: clouds.points_at(item.frame.stamp_ns, item.frame.frame_id, pose),
                f"clouds on {clouds.topic}, placed by {where}",
            )


def _open_source(options: CalibrateOptions) -> Source:
    return open_source(
        options.source,
        image_topic=options.image_topic,
        camera_info_topic=options.camera_info_topic,
        depth_topic=options.depth_topic,
        camera_info=options.camera_info,
        rectified=options.rectified,
    )


def taped_distances(given: Sequence[Sequence[float]]) -> tuple[TapedDistance, ...]:
    """The distances of the command line: METRES, or U V METRES, each. Raises ConfigError for another number of them."""
    found = []
    for values in given:
        if len(values) not in (1, 3) or not 0.0 < values[-1] < np.inf:
            words = " ".join(f"{value:g}" for value in values)
            raise ConfigError(f"--distance {words}; accepted: METRES, or U V METRES, metres above 0")
        found.append(TapedDistance(values[-1], *values[:-1]))
    return tuple(found)
