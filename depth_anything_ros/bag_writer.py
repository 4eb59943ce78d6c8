"""BagWriter: depth, camera and cloud as a rosbag2 that ``ros2 bag play`` plays, written without ROS.

The bag appears under its name only when it is whole, and it always becomes whole: after an error, Ctrl-C or a full disk
it holds all frames up to the last megabyte, or up to the last frame where one is longer.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin

from .bag.messages import DISTRIBUTION, MESSAGES, pack
from .bag.reader import message_types
from .bag.safe_mcap import SafeWriter
from .depth_frame import DepthFrame
from .errors import OutputError
from .outputs import os_errors
from .point_cloud import PointCloudData

DEPTH_TOPIC = "/depth/image"
CAMERA_INFO_TOPIC = "/depth/camera_info"
POINTS_TOPIC = "/points"
IMAGE_TOPIC = "/image"

# Version 9 writes QoS as a list, which Humble and Iron do not read; later distributions read version 8.
_METADATA_VERSION: Literal[8] = 8
_FOREVER = QosTime(9_223_372_036, 854_775_807)
_RELIABLE = Qos(
    QosHistory.KEEP_LAST,
    10,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)
# Kept free for the index, which a full disk would otherwise have no room for: enough for 10 GB of messages.
_RESERVE_BYTES = 1 << 20
_MAX_STAMP_NS = (1 << 31) * 1_000_000_000
_BAG_SUFFIXES = frozenset({".mcap", ".db3", ".yaml"})


class BagWriter:
    """A rosbag2 (MCAP) folder with depth/image (32FC1), depth/camera_info, points and, on request, image (rgb8).

    Messages carry the stamps and frame ids of their frames, and the stamp is the time of recording too. A context
    manager; leaving it in whatever way, or ``close``, finishes the bag. A writer that was given nothing leaves nothing.

    Parameters
    ----------
    path: the bag's folder, made at the end; its parent folders are made at once.
    overwrite: whether a bag that is there is replaced, at the end.

    ``num_frames`` is the number of frames written, after a failure of those that the bag holds.

    Raises OutputError if it exists and is not to be replaced or is no bag, or if the place cannot be written to.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.num_frames = self._num_settled = 0
        self._overwrite = overwrite
        self._refuse_existing()
        self._work = self.path.absolute().with_name(f".{self.path.name}.{os.getpid()}.part")
        self._reserve = self._work / "reserve"
        self._connections: dict[str, Connection] = {}
        self._failure: OutputError | None = None
        self._writer: SafeWriter | None = None
        with os_errors(self.path):
            shutil.rmtree(self._work, ignore_errors=True)
            self._work.mkdir(parents=True)
            try:
                self._reserve.write_bytes(bytes(_RESERVE_BYTES))
                writer = SafeWriter(
                    self._work / self.path.name, version=_METADATA_VERSION, storage_plugin=StoragePlugin.MCAP
                )
                writer.open()
            except BaseException:
                shutil.rmtree(self._work, ignore_errors=True)
                raise
        self._writer = writer

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        if exc_type is None:
            self.close()
            return
        with contextlib.suppress(OutputError):  # the first error counts
            self.close()

    def write(self, frame: DepthFrame, cloud: PointCloudData | None = None, *, with_image: bool = False) -> None:
        """Append one frame: its depth, its camera if known, and, where given, its cloud and its image.

        `cloud` is a PointCloudData of the same frame. Raises OutputError if the disk is full, after this or an earlier
        call, or if the stamp is none that ROS can hold.
        """
        if self._failure is not None:
            raise self._failure
        if self._writer is None:
            raise OutputError(f"{self.path} was closed; a frame came after that")
        if not 0 <= frame.stamp_ns < _MAX_STAMP_NS:
            raise OutputError(f"stamp {frame.stamp_ns} ns does not fit into a ROS message; accepted: 0 to 2^31 s")
        header = MESSAGES.header_of(frame)
        messages = [(DEPTH_TOPIC, MESSAGES.depth(header, frame))]
        if frame.camera is not None:
            messages.append((CAMERA_INFO_TOPIC, MESSAGES.camera_info(header, frame.camera)))
        if cloud is not None:
            messages.append((POINTS_TOPIC, MESSAGES.cloud(header, cloud)))
        if with_image:
            messages.append((IMAGE_TOPIC, MESSAGES.image(header, frame.image_HW3)))
        packed = [(self._connection(topic, message), frame.stamp_ns, pack(message)) for topic, message in messages]
        with _uninterrupted():
            self.num_frames += 1
            try:
                with os_errors(self.path):
                    if self._writer.write_together(packed):
                        self._num_settled = self.num_frames
            except OutputError as error:
                self._fail(error)
                raise

    def close(self) -> None:
        """Finish the bag and give it its name. Raises OutputError if anything of it was lost; the rest is there."""
        if self._writer is None:
            return
        with _uninterrupted():
            writer, self._writer = self._writer, None
            try:
                with os_errors(self.path):
                    self._reserve.unlink(missing_ok=True)
                    writer.settle()
            except OutputError as error:
                self._fail(error)
            try:
                with os_errors(self.path):
                    if self.num_frames:
                        writer.close()
                        self._give_name()
                    else:
                        writer.abort()
                    shutil.rmtree(self._work)
            except OutputError as error:
                writer.abort()
                where = f"; what was written is in {self._work}" if self._work.exists() else ""
                raise OutputError(f"{error}{where}") from error
        if self._failure is not None:
            raise OutputError(f"{self._failure}; the bag ends after {self.num_frames} frames") from self._failure

    def _refuse_existing(self) -> None:
        if not self.path.exists() and not self.path.is_symlink():
            return
        if not self._overwrite:
            raise OutputError(f"{self.path} already exists; choose another name or allow overwriting")
        with os_errors(self.path):
            is_bag = self.path.is_dir() and all(file.suffix in _BAG_SUFFIXES for file in self.path.iterdir())
        if not is_bag:
            raise OutputError(f"{self.path} is not a bag folder and is not overwritten")

    def _give_name(self) -> None:
        self._refuse_existing()
        if self.path.exists():
            self.path.rename(self._work / "replaced")
        (self._work / self.path.name).rename(self.path)

    def _fail(self, error: OutputError) -> None:
        """Remember the first failure; frames that were not yet in the file are lost with it."""
        if self._failure is None:
            self._failure, self.num_frames = error, self._num_settled

    def _connection(self, topic: str, message: Any) -> Connection:
        assert self._writer is not None
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, message.__msgtype__, typestore=message_types(DISTRIBUTION), offered_qos_profiles=[_RELIABLE]
            )
        return self._connections[topic]


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until a write is whole. Only the main thread receives it, so elsewhere nothing is to do."""
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield
        return
    received: list[tuple[Any, ...]] = []
    signal.signal(signal.SIGINT, lambda *arguments: received.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if received:
        previous(*received[0])
