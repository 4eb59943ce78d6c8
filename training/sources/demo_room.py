"""``python -m training.sources.demo_room --out DIR``: the demonstration recording.

A short drive through the room of ``demo_scene``, written as a rosbag2 MCAP recording: JPEG pictures, calibration and
the exact depth registered to the pictures. Everything follows from the code: the same machine writes the same messages.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from tqdm import tqdm

from .demo_scene import CAMERA, FRAMES, demo_pose, demo_scene
from .synthetic import Pinhole, RenderedView, Scene, Sensor, render_view

START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
FRAME_ID = "camera_optical_frame"
IMAGE_TOPIC = "/camera/image_raw/compressed"
INFO_TOPIC = "/camera/camera_info"
DEPTH_TOPIC = "/camera/depth/image_raw/compressedDepth"
JPEG_QUALITY = 90
OVERSAMPLE = 2
SENSOR = Sensor(exposure=0.75, blur=0.6, vignette=0.12, read_noise=0.003, shot_noise=0.006)


def render_frame(scene: Scene, step: int, camera: Pinhole = CAMERA) -> RenderedView:
    """Frame ``step``: the picture is averaged from a finer render, the depth is exact at each pixel's centre."""
    fine = Pinhole(
        camera.width * OVERSAMPLE,
        camera.height * OVERSAMPLE,
        camera.fx * OVERSAMPLE,
        camera.fy * OVERSAMPLE,
        (camera.cx + 0.5) * OVERSAMPLE - 0.5,
        (camera.cy + 0.5) * OVERSAMPLE - 0.5,
    )
    pose = demo_pose(step)
    exact = render_view(scene, pose, camera, sensor=SENSOR, seed=step)
    picture = render_view(scene, pose, fine, sensor=SENSOR, seed=step).image_HW3
    picture = cv2.resize(picture, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    return RenderedView(picture, exact.depth_HW, exact.sky_HW, exact.fx, exact.fy, exact.cx, exact.cy, exact.kind)


def _encoded(extension: str, image: np.ndarray, options: list[int]) -> bytes:
    done, data = cv2.imencode(extension, image, options)
    if not done:
        raise RuntimeError(f"OpenCV cannot write {extension} pictures")
    return data.tobytes()


def frame_payloads(view: RenderedView) -> tuple[bytes, bytes]:
    """The JPEG of the picture and the compressedDepth payload (12-byte header, then a PNG of uint16 millimetres)."""
    jpeg = _encoded(".jpg", view.image_HW3[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    millimetres = np.rint(view.depth_HW * 1000.0).astype(np.uint16)
    return jpeg, bytes(12) + _encoded(".png", millimetres, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def messages(frames: int = FRAMES, camera: Pinhole = CAMERA) -> Iterator[tuple[str, int, object]]:
    """(topic, stamp [ns], message) of the first ``frames`` frames in order."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    kinds = store.types
    scene = demo_scene()
    K = np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1], dtype=np.float64)
    P = np.hstack([K.reshape(3, 3), np.zeros((3, 1))]).reshape(-1)
    for step in range(frames):
        stamp = START_NS + step * STEP_NS
        time = kinds["builtin_interfaces/msg/Time"](stamp // 10**9, stamp % 10**9)
        header = kinds["std_msgs/msg/Header"](time, FRAME_ID)
        compressed = kinds["sensor_msgs/msg/CompressedImage"]
        jpeg, depth = frame_payloads(render_frame(scene, step, camera))
        roi = kinds["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        info = kinds["sensor_msgs/msg/CameraInfo"](
            header, camera.height, camera.width, "plumb_bob", np.zeros(5), K, np.eye(3).reshape(-1), P, 0, 0, roi
        )
        yield INFO_TOPIC, stamp, info
        yield IMAGE_TOPIC, stamp, compressed(header, "rgb8; jpeg compressed bgr8", np.frombuffer(jpeg, np.uint8))
        yield DEPTH_TOPIC, stamp, compressed(header, "16UC1; compressedDepth png", np.frombuffer(depth, np.uint8))


def write_demo(out: Path, frames: int = FRAMES, camera: Pinhole = CAMERA) -> Path:
    """Write the recording as the directory ``out``; refuses a directory that is no recording. Returns ``out``."""
    if out.exists() and any(out.iterdir()) and not (out / "metadata.yaml").exists():
        raise FileExistsError(f"{out} holds files but no recording: name a new directory")
    store = get_typestore(Stores.ROS2_HUMBLE)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        fresh = Path(scratch) / out.name
        with Writer(fresh, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
            connections = {
                topic: writer.add_connection(topic, kind, typestore=store)
                for topic, kind in (
                    (INFO_TOPIC, "sensor_msgs/msg/CameraInfo"),
                    (IMAGE_TOPIC, "sensor_msgs/msg/CompressedImage"),
                    (DEPTH_TOPIC, "sensor_msgs/msg/CompressedImage"),
                )
            }
            for topic, stamp, message in tqdm(messages(frames, camera), total=3 * frames, unit="message"):
                data = store.serialize_cdr(message, connections[topic].msgtype)
                writer.write(connections[topic], stamp, data)
        if out.exists():
            shutil.rmtree(out)
        fresh.rename(out)
    return out


def main(arguments: list[str] | None = None) -> int:
    """Parse arguments and write the recording; 0 on success."""
    parser = argparse.ArgumentParser(prog="training.sources.demo_room", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="directory of the recording")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    written = write_demo(given.out)
    size = sum(item.stat().st_size for item in written.iterdir())
    print(f"{written}: {FRAMES} frames, {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
