"""RGB-D frames listed by an index.json: image, depth PNG with its own scale, intrinsics and distortion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import SourceError
from depth_anything_ros.rectify import Rectifier

from ..samples import DepthSample


@dataclass(frozen=True)
class FrameEntry:
    """One line of the index: where a frame is and where it came from."""

    root: Path
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """``data set/id``."""
        return f"{self.fields['dataset']}/{self.fields['id']}"

    @property
    def camera(self) -> CameraModel:
        """The camera of the stored image, distortion included."""
        k, d = self.fields["K"], tuple(float(value) for value in self.fields.get("D") or ())
        model = self.fields.get("distortion_model", "none") if any(d) else "none"
        return CameraModel(
            width=self.fields["width"], height=self.fields["height"], fx=k[0], fy=k[4], cx=k[2], cy=k[5],
            distortion_model=model, D=d if model != "none" else (),
        )  # fmt: skip

    def read_rgb(self) -> NDArray[np.uint8]:
        """The stored image (H, W, 3), RGB, not rectified."""
        image = cv2.imread(str(self.root / self.fields["rgb"]), cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f"{self.root / self.fields['rgb']}: the image cannot be read")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def read_depth(self) -> NDArray[np.float32]:
        """The stored depth (H, W) in metres, NaN where the file says 0, not rectified."""
        raw = cv2.imread(str(self.root / self.fields["depth"]), cv2.IMREAD_UNCHANGED)
        if raw is None or raw.ndim != 2:
            raise SourceError(f"{self.root / self.fields['depth']}: one-channel depth cannot be read")
        depth = raw.astype(np.float32) * np.float32(self.fields["depth_scale_m"])
        depth[raw == 0] = np.nan
        return depth

    def sample(self) -> DepthSample:
        """The rectified sample. Sky is not known: a sensor that returns nothing does not say why."""
        image, depth, camera = self.read_rgb(), self.read_depth(), self.camera
        if camera.is_distorted:
            rectifier = Rectifier(camera)
            image, depth, camera = rectifier(image), rectifier.nearest(depth), rectifier.camera
        return DepthSample(image, depth, camera, self.name, sky_known=False)


def list_frames(index: Path, dataset: str = "", first: int = 0, last: int = -1) -> list[FrameEntry]:
    """Entries ``first`` to ``last`` (included, by order) of ``dataset``, or of all data sets; ``SourceError`` if
    there are none.
    """
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))["frames"]
    except OSError:
        raise SourceError(f"{index}: no such index of frames; an index.json is accepted") from None
    except (ValueError, KeyError, TypeError):
        raise SourceError(f"{index}: not an index of frames (a JSON object with a list 'frames' is accepted)") from None
    chosen = [FrameEntry(index.parent, entry) for entry in entries if dataset in ("", entry["dataset"])]
    chosen = chosen[first : None if last < 0 else last + 1]
    if not chosen:
        raise SourceError(f"{index}: no frames {first} to {last} of data set {dataset!r}")
    return chosen


class FrameSamples:
    """Rectified frames, each read when it is first asked for and then kept: they are few."""

    def __init__(self, entries: list[FrameEntry]) -> None:
        self._entries = entries
        self._samples: dict[int, DepthSample] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> DepthSample:
        if index not in self._samples:
            self._samples[index] = self._entries[index].sample()
        return self._samples[index]


def open_samples(path: Path, *, dataset: str = "") -> FrameSamples:
    """The frames of the index ``path`` (a JSON object with a list ``frames``), of one ``dataset`` or of all."""
    return FrameSamples(list_frames(path, dataset))
