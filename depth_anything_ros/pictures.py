"""The pictures of a run, made while frames come by and with flat memory: video, contact sheet, picture of the cloud."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.depth_frame import DepthFrame
from depth_anything_ros.outputs import VideoWriter, write_picture
from depth_anything_ros.point_cloud import CloudBuilder, finite_points
from depth_anything_ros.render import DepthScale, Picture, contact_sheet, side_by_side
from depth_anything_ros.splat import picture_of_cloud

_SHEET_PICTURES = 8
_FRAMES_BEFORE_SCALE = 8
_HEADROOM = 1.15
_CLOUD_POINTS = 400_000
_FALLBACK_FRAMES_PER_S = 5.0


class Pictures:
    """Collects frames of a run and writes their pictures into ``folder``.

    The first frames fix the metres of the video's colours, as colours that change from frame to frame compare nothing;
    the contact sheet, which is made at the end, has a scale of its own. The sheet keeps frames evenly spaced over the
    run; the cloud is that of a frame in its second half.
    """

    def __init__(self, folder: Path, *, video: bool, stills: bool) -> None:
        self.folder = folder
        self.written: dict[str, str] = {}
        self.notes: list[str] = []
        self._wants_video = video
        self._wants_stills = stills
        self._early: list[tuple[Picture, int]] = []
        self._video: VideoWriter | None = None
        self._scale: DepthScale | None = None
        self._sheet: list[Picture] = []
        self._sheet_step = 1
        self._num_frames = 0
        self._cloud_frame: tuple[str, DepthFrame] | None = None

    def add(self, title: str, result: DepthFrame, reference_HW: NDArray[np.float32] | None) -> None:
        """Take one frame: its depth, and the reference depth on the same view if there is one."""
        title = title.encode("ascii", "replace").decode()
        picture = Picture.shrink(title, result.image_HW3, result.depth_HW, reference_HW)
        if self._wants_video:
            self._add_to_video(picture, result.stamp_ns)
        if self._wants_stills:
            if self._num_frames % self._sheet_step == 0:
                self._sheet.append(picture)
            if len(self._sheet) > _SHEET_PICTURES:
                del self._sheet[1::2]
                self._sheet_step *= 2
            is_power_of_two = (self._num_frames + 1) & self._num_frames == 0
            has_cloud = result.camera is not None and not result.assumed_camera
            if has_cloud and (is_power_of_two or self._cloud_frame is None):
                self._cloud_frame = (title, result)
        self._num_frames += 1

    def close(self, title: str) -> None:
        """Write what is not written yet. Raises OutputError where the file system refuses."""
        if self._wants_video and self._num_frames > 1:
            self._start_video()
        if self._video is not None:
            self._video.close()
            if self._video.problem:
                self.notes.append(f"no video: {self._video.problem}; see contact_sheet.png")
            elif self._video.path is not None:
                self.written[self._video.path.name] = f"{self._video.num_frames} frames, camera beside depth"
        if self._sheet:
            write_picture(self.folder / "contact_sheet.png", contact_sheet(self._sheet, _scale_of(self._sheet), title))
            self.written["contact_sheet.png"] = "frames spread over the recording, on one page"
        if self._cloud_frame is not None:
            self._write_cloud(*self._cloud_frame)

    def _add_to_video(self, picture: Picture, stamp_ns: int) -> None:
        if self._video is not None and self._scale is not None:
            self._video.add(side_by_side(picture, self._scale))
            return
        self._early.append((picture, stamp_ns))
        if len(self._early) >= _FRAMES_BEFORE_SCALE:
            self._start_video()

    def _start_video(self) -> None:
        if self._video is not None:
            return
        self._scale = _scale_of([picture for picture, _ in self._early], headroom=_HEADROOM)
        self._video = VideoWriter(self.folder, frames_per_s=frames_per_s([stamp for _, stamp in self._early]))
        for picture, _ in self._early:
            self._video.add(side_by_side(picture, self._scale))
        self._early.clear()

    def _write_cloud(self, title: str, result: DepthFrame) -> None:
        assert result.camera is not None
        stride = max(1, math.ceil(math.sqrt(result.depth_HW.size / _CLOUD_POINTS)))
        points_N3, rgb_N3 = finite_points(
            CloudBuilder(result.camera, stride=stride).build(result.depth_HW, result.image_HW3)
        )
        if rgb_N3 is None or len(points_N3) == 0:
            self.notes.append(f"no picture of the cloud: {title} has no finite depth")
            return
        image = picture_of_cloud(
            points_N3,
            rgb_N3,
            focal_px=result.camera.focal_px / stride,
            title=f"{title}: {len(points_N3):,} points in metres",
        )
        write_picture(self.folder / "cloud.png", image)
        self.written["cloud.png"] = f"point cloud of {title}, from behind and from the top"


def frames_per_s(stamps_ns: list[int]) -> float:
    """Rate of a video from the median step of its stamps [ns], 1 to 60; 5 where stamps do not advance."""
    steps_ns = np.diff(np.asarray(stamps_ns, dtype=np.float64))
    step_ns = float(np.median(steps_ns)) if steps_ns.size else 0.0
    return min(max(1e9 / step_ns, 1.0), 60.0) if step_ns > 0 else _FALLBACK_FRAMES_PER_S


def _scale_of(pictures: list[Picture], *, headroom: float = 1.0) -> DepthScale:
    """One scale for prediction and reference of all pictures."""
    depths = [picture.depth_hw for picture in pictures]
    references = [picture.reference_hw for picture in pictures if picture.reference_hw is not None]
    return DepthScale.of([*depths, *references], headroom=headroom)
