"""A robot's recording unpacked once into rectified frames: PNG images, 16-bit depth, and an index that is written last.

A bag can only be read from front to back; training asks for frames in any order, from several processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError, ConfigError, ImageError, OutputError, SourceError
from depth_anything_ros.fingerprint import image_dhash
from depth_anything_ros.folders import bag_frames_folder
from depth_anything_ros.geometry import depth_of_points
from depth_anything_ros.rectify import Rectifier
from depth_anything_ros.rigid_transform import RigidTransform
from depth_anything_ros.source import Source, SourceFrame, describe_bag, open_clouds, open_source

from .depth_png import STEP_M, encode_depth
from .frame_selection import sharpness

FORMAT_VERSION = 1
INDEX = "index.json"
MIN_PIXELS = 50
"""A frame with fewer measured pixels counts as one without depth."""
UNUSABLE = "unusable"
_CLOUDS = "sensor_msgs/msg/PointCloud2"


@dataclass(frozen=True, kw_only=True)
class BagOptions:
    """What of a recording counts; empty texts are found by type, as ``depth_anything_ros run`` does."""

    image_topic: str = ""
    camera_info_topic: str = ""
    depth_topic: str = ""
    cloud_topic: str = ""
    """Clouds of a LiDAR; taken without being named where there is one such topic and no registered depth."""
    cloud_pose: tuple[float, ...] = ()
    """x y z [m] and quaternion x y z w: pose of the cloud's frame in the camera's optical frame; empty: tf_static."""
    camera_info: str = ""
    """Calibration file (YAML of camera_calibration); goes before what the bag says."""
    rectified: bool = False
    """The images are rectified: P holds."""
    hfov_deg: float = 0.0
    """Horizontal field of view [deg] of a camera without CameraInfo; 0: such a bag is refused."""
    every: int = 1
    """Every Nth image is taken."""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"every {self.every}: a whole number from 1 is accepted")
        if self.hfov_deg and not 0 < self.hfov_deg < 180:
            raise ConfigError(f"hfov_deg {self.hfov_deg}: above 0, below 180 is accepted")
        if self.depth_topic and self.cloud_topic:
            raise ConfigError(
                f"depth_topic {self.depth_topic} and cloud_topic {self.cloud_topic}: one of them is accepted"
            )
        if self.cloud_pose:
            RigidTransform.from_pose(self.cloud_pose[:3], self.cloud_pose[3:])


def unpack(path: Path, options: BagOptions, cache: Path | None = None) -> Path:
    """The index.json of the frames of the bag ``path``, unpacked into a folder of ``cache`` unless they are there.

    The format is that of the source kind ``frames``, with null for depth where a frame has none, the image's
    ``stamp_ns``, ``sharpness`` and ``dhash``, and beside the frames ``image_topic``, ``camera`` and ``truth`` (where
    intrinsics and depth come from), ``left_out`` (numbers by cause) and ``notes``. Raises SourceError for a bag that
    cannot be read or lacks intrinsics, CameraError for an unusable calibration, OutputError where the frames cannot be
    written.
    """
    folder = (cache or bag_frames_folder()) / f"{bag_name(path)}-{_key(path, options)[:16]}"
    if (folder / INDEX).is_file():
        return folder / INDEX
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write_frames(path, options, made)
            # Of two processes that unpack at once the second finds the first one's frames, which are the same.
            with contextlib.suppress(FileExistsError):
                os.rename(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        if not (folder / INDEX).is_file():
            raise OutputError(f"{folder}: frames of {path} cannot be written: {error.strerror or error}") from error
    return folder / INDEX


def bag_name(path: Path) -> str:
    """What frames of a recording are called after."""
    return path.absolute().stem


def count_images(path: Path, options: BagOptions) -> int:
    """How many images the recording says it has. Raises as ``unpack``."""
    with _open(path, options) as source:
        return source.num_frames or 0


def _write_frames(path: Path, options: BagOptions, folder: Path) -> None:
    from tqdm import tqdm

    frames: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    notes: list[str] = []
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_open(path, options))
        truth = _Truth(path, options, source, stack)
        total = source.num_frames
        for item in tqdm(
            source, total=total, unit="frame", desc=f"unpacking {path.name}", file=sys.stderr, disable=None
        ):
            if item.index % options.every:
                continue
            if not isinstance(item, SourceFrame):
                left_out[item.cause] += 1
                continue
            try:
                frames.append(_write_frame(folder, path, item, options, truth))
            except (ImageError, CameraError) as error:
                left_out[UNUSABLE] += 1
                if left_out[UNUSABLE] == 1:
                    notes.append(f"frame {item.name}: {error}")
        if not frames:
            causes = ", ".join(f"{number} {cause}" for cause, number in left_out.items())
            raise SourceError(f"{path}: no frame of it can be used: {causes or 'it has none'}")
        frames.sort(key=lambda fields: fields["stamp_ns"])
        index = {
            "format_version": FORMAT_VERSION, "bag": str(path), "image_topic": getattr(source, "image_topic", ""),
            "camera": source.camera_note, "truth": truth.description, "left_out": dict(left_out),
            "notes": [*notes, *source.notes, *truth.notes], "frames": frames,
        }  # fmt: skip
    (folder / f"{INDEX}.part").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    os.replace(folder / f"{INDEX}.part", folder / INDEX)


def _write_frame(folder: Path, bag: Path, item: SourceFrame, options: BagOptions, truth: _Truth) -> dict[str, Any]:
    image_HW3, camera = item.frame.image_HW3, item.frame.camera
    if camera is None:
        camera = CameraModel.with_assumed_fov(image_HW3.shape[1], image_HW3.shape[0], options.hfov_deg)
    depth_HW = truth.depth_of(item, camera)
    if camera.is_distorted:
        rectifier = Rectifier(camera)
        image_HW3, camera = rectifier(image_HW3), rectifier.camera
    _write(folder / f"{item.name}.png", cv2.imencode(".png", np.ascontiguousarray(image_HW3[..., ::-1]))[1].tobytes())
    scale_m = STEP_M
    if depth_HW is not None:
        png, scale_m = encode_depth(depth_HW)
        _write(folder / f"{item.name}.depth.png", png)
    return {
        "dataset": bag_name(bag), "id": item.name, "rgb": f"{item.name}.png",
        "depth": None if depth_HW is None else f"{item.name}.depth.png", "depth_scale_m": scale_m,
        "width": camera.width, "height": camera.height, "K": camera.K.ravel().tolist(),
        "stamp_ns": item.frame.stamp_ns, "sharpness": sharpness(image_HW3), "dhash": image_dhash(image_HW3),
    }  # fmt: skip


class _Truth:
    """Depth of the frames of a bag: images that are registered to them, or the points of a LiDAR."""

    def __init__(self, path: Path, options: BagOptions, source: Source, stack: contextlib.ExitStack) -> None:
        self._pose = (
            RigidTransform.from_pose(options.cloud_pose[:3], options.cloud_pose[3:]) if options.cloud_pose else None
        )
        self._clouds: Any = None
        self.notes: list[str] = []
        topic = getattr(source, "reference_topic", None)
        self.description = "" if topic is None else f"depth images on {topic.name}"
        cloud_topic = options.cloud_topic or ("" if topic is not None else _only_clouds(path))
        if cloud_topic:
            self._clouds = stack.enter_context(open_clouds(path, cloud_topic))
            self.notes = self._clouds.notes
            placed = "cloud_pose" if self._pose else "tf_static"
            self.description = f"clouds on {self._clouds.topic}, placed by {placed}"

        elif options.cloud_pose:
            held = self.description or "no clouds"
            raise ConfigError(f"cloud_pose is given, and {path} has {held}; accepted: with clouds, or cloud_topic")

    def depth_of(self, item: SourceFrame, camera: CameraModel) -> NDArray[np.float32] | None:
        """Planar depth (H, W) [m] on the rectified image, NaN unknown; None where (almost) nothing is known."""
        if self._clouds is not None:
            points_N3 = self._clouds.points_at(item.frame.stamp_ns, item.frame.frame_id, self._pose)
            depth_HW = None if isinstance(points_N3, str) else depth_of_points(points_N3, camera.undistorted())
        else:
            depth_HW = item.reference_HW
            if depth_HW is not None and camera.is_distorted:
                depth_HW = Rectifier(camera).nearest(depth_HW)
        if depth_HW is None or np.count_nonzero(np.isfinite(depth_HW) & (depth_HW > 0)) < MIN_PIXELS:
            return None
        return depth_HW


def _only_clouds(path: Path) -> str:
    topics = [topic.name for topic in describe_bag(path).topics if topic.type == _CLOUDS and topic.count]
    if len(topics) > 1:
        raise SourceError(f"{path} has {len(topics)} topics of clouds: {', '.join(topics)}; choose one as cloud_topic")
    return topics[0] if topics else ""


def _open(path: Path, options: BagOptions) -> Source:
    source = open_source(
        path,
        image_topic=options.image_topic or None,
        camera_info_topic=options.camera_info_topic or None,
        depth_topic=options.depth_topic or None,
        camera_info=options.camera_info or None,
        rectified=options.rectified,
    )
    has_camera = not source.camera_note.startswith("none")
    if has_camera != bool(options.hfov_deg):
        return source
    source.close()
    if has_camera:
        raise ConfigError(
            f"hfov_deg {options.hfov_deg:g}: {path} has intrinsics ({source.camera_note}); accepted: only where there"
            " are none"
        )
    raise SourceError(
        f"{path}: no intrinsics ({source.camera_note.removeprefix('none: ')}), without which metres mean nothing;"
        " a calibration file (camera_info) or the field of view (hfov_deg) is accepted"
    )


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _key(path: Path, options: BagOptions) -> str:
    """Changes with the recording, the options and the calibration file."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    held = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
    file = Path(options.camera_info)
    calibration = file.read_bytes().hex() if options.camera_info and file.is_file() else ""
    text = json.dumps([FORMAT_VERSION, str(path.resolve()), held, asdict(options), calibration])
    return hashlib.sha256(text.encode()).hexdigest()
