"""``ImageReader``: the pixels of an ``ImageReference``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import DepthAnythingError, ImageError
from depth_anything_ros.media import decode_image, read_image
from depth_anything_ros.rectify import Rectifier
from depth_anything_ros.source import open_source
from depth_anything_ros.source_frame import DroppedFrame, Source, SourceFrame

from .references import ImageReference


class ImageReader:
    """Reads images in any order; frames of a recording in ascending order, or it is read again from its start.

    A recording has no other way to its frames that all formats and decoders keep to, so the last one stays open, and a
    frame further on is reached by reading on. Files and members of a .tar may be read from several threads, frames
    from one.
    """

    def __init__(self) -> None:
        self._recording: tuple[str, str] = ("", "")
        self._source: Source | None = None
        self._frames: Iterator[SourceFrame | DroppedFrame] = iter(())
        self._next = 0

    def read(self, reference: ImageReference) -> NDArray[np.uint8]:
        """RGB (H, W, 3), upright, rectified where a recording knows its camera's distortion. Raises ImageError for what
        cannot be read or decoded.
        """
        if reference.frame >= 0:
            return self._read_frame(reference)
        if not reference.member:
            return read_image(Path(reference.path), upright=True)
        try:
            with open(reference.path, "rb") as file:
                file.seek(reference.offset)
                data = file.read(reference.size)
        except OSError as error:
            raise ImageError(f"{reference} cannot be read: {error.strerror or error}") from error
        return decode_image(data, str(reference), upright=True)

    def close(self) -> None:
        """Close the recording that is open, if any."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def _read_frame(self, reference: ImageReference) -> NDArray[np.uint8]:
        recording = (reference.path, reference.topic)
        try:
            if self._source is None or recording != self._recording or reference.frame < self._next:
                self.close()
                self._source = open_source(reference.path, image_topic=reference.topic or None)
                self._recording, self._frames, self._next = recording, iter(self._source), 0
            while True:
                frame = next(self._frames, None)
                self._next += 1
                if frame is None:
                    raise ImageError(f"{reference}: the recording ends before it")
                if frame.index == reference.frame:
                    break
        except DepthAnythingError as error:
            raise error if isinstance(error, ImageError) else ImageError(f"{reference}: {error}") from None
        if isinstance(frame, DroppedFrame):
            raise ImageError(f"{reference}: {frame.cause} ({frame.detail})")
        camera = frame.frame.camera
        if camera is None or not camera.is_distorted:
            return frame.frame.image_HW3
        return np.asarray(Rectifier(camera)(frame.frame.image_HW3), np.uint8)
