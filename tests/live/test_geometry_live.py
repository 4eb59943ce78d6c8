"""A wall at a known distance, from the image of a camera process to depth and cloud at a consumer: within 1 cm.

The wall has red marks at known points. A cloud is right if its red points lie there: that holds lens, intrinsics,
stride, colours and layout together, and none of our own geometry is used to say where they must be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.live.actors import Actor, Camera, Consumer, Graph

WALL_M = 2.0
WITHIN_M = 0.01
MARKS = ((0.0, 0.0, WALL_M), (0.6, -0.4, WALL_M), (-0.7, 0.5, WALL_M))
LENSES: dict[str, dict[str, Any]] = {
    "pinhole": {"fx": 500.0, "fy": 510.0, "cx": 310.0, "cy": 250.0},
    "plumb_bob": {
        "fx": 600.0, "fy": 610.0, "cx": 330.0, "cy": 250.0,
        "distortion_model": "plumb_bob", "D": (-0.3, 0.1, 0.001, -0.001, 0.0),
    },
}  # fmt: skip


class Scene:
    """The three processes; each view is streamed until a frame of it has come back as depth and cloud."""

    def __init__(self, graph: Graph, keep: Path) -> None:
        self.camera: Camera = graph.camera()
        self.consumer: Consumer = graph.consumer("depth/image", "depth/camera_info", "points", keep=keep)
        self.node: Actor = graph.node(model=f"plane:z={WALL_M}")
        self.camera.wait_for_subscribers()

    def frame(self, **view: Any) -> dict[str, dict[str, Any]]:
        """Records of the first image of this view and these parameters, by topic."""
        # The intrinsics go ahead: an image that is there before them is taken with those of before.
        self.camera.stream(count=1, with_image=False, **view)
        mark = len(self.camera.records)
        self.camera.stream(rate=10.0, **view)
        stamp_ns = self.camera.wait_for("an image", lambda r: "sent" in r, since=mark)["sent"]
        newer = self.consumer.wait_for_message("points", lambda record: record["stamp_ns"] >= stamp_ns)["stamp_ns"]
        topics = ("depth/image", "depth/camera_info", "points")
        found = {t: self.consumer.wait_for_message(t, lambda record: record["stamp_ns"] == newer) for t in topics}
        self.camera.stop_stream()
        return found


@pytest.fixture(scope="module")
def scene(shared_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(shared_graph, tmp_path_factory.mktemp("frames"))


@pytest.fixture
def restored(scene: Scene) -> Any:
    """The parameters as they were, after a test that changes them."""
    yield
    values = {"depth_size": "camera", "depth_encoding": "32FC1", "points.stride": 0, "points.padded": False}
    assert all(result["successful"] for result in scene.node.ask("set", values=values))


def arrays_of(record: dict[str, Any]) -> dict[str, np.ndarray]:
    with np.load(record["file"], allow_pickle=False) as stored:
        return dict(stored)


def marks_of(points: dict[str, np.ndarray]) -> np.ndarray:
    """Centres (n, 3) of the red points around each of ``MARKS``."""
    colours = points["rgb"].view(np.uint32)
    red, green, blue = (colours >> 16) & 255, (colours >> 8) & 255, colours & 255
    is_red = (red > 200) & (green < 120) & (blue < 120)
    xyz = np.stack([points[axis][is_red] for axis in "xyz"], axis=-1)
    nearest = np.argmin(np.linalg.norm(xyz[:, None] - np.array(MARKS)[None], axis=-1), axis=1)
    return np.array([xyz[nearest == k].mean(axis=0) for k in range(len(MARKS))])


@pytest.mark.parametrize("lens", LENSES)
def test_depth_and_cloud_of_a_wall_are_within_a_centimetre(scene: Scene, lens: str) -> None:
    frame = scene.frame(marks=MARKS, **LENSES[lens])
    depth_HW, points = arrays_of(frame["depth/image"])["pixels"], arrays_of(frame["points"])
    assert depth_HW.shape == (480, 640)
    seen = np.isfinite(depth_HW)
    assert seen.mean() > 0.75
    np.testing.assert_allclose(depth_HW[seen], WALL_M, atol=WITHIN_M)
    np.testing.assert_allclose(points["z"][np.isfinite(points["z"])], WALL_M, atol=WITHIN_M)
    np.testing.assert_allclose(marks_of(points), MARKS, atol=WITHIN_M)


@pytest.mark.parametrize("encoding", ["bgr8", "bgra8"])
def test_colours_are_right_whatever_order_the_camera_has_them_in(scene: Scene, encoding: str) -> None:
    frame = scene.frame(marks=MARKS, encoding=encoding, **LENSES["pinhole"])
    np.testing.assert_allclose(marks_of(arrays_of(frame["points"])), MARKS, atol=WITHIN_M)


def test_a_grey_camera_gives_a_grey_cloud(scene: Scene) -> None:
    points = arrays_of(scene.frame(encoding="mono8", **LENSES["pinhole"])["points"])
    assert np.isfinite(points["z"]).all()
    colours = points["rgb"].view(np.uint32)
    np.testing.assert_array_equal(colours & 255, (colours >> 16) & 255)


def test_a_distorted_camera_gets_the_intrinsics_of_the_rectified_view(scene: Scene) -> None:
    frame = scene.frame(marks=MARKS, **LENSES["plumb_bob"])
    info = frame["depth/camera_info"]
    assert not any(info["d"]) and info["r"] == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    fx, _, cx, _, fy, cy = info["k"][:6]
    assert info["p"] == [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    # Whoever makes a cloud of depth and camera_info gets the same points.
    depth_HW, points = arrays_of(frame["depth/image"])["pixels"], arrays_of(frame["points"])
    stride = round(640 / frame["points"]["width"])
    v, u = np.mgrid[0:480:stride, 0:640:stride]
    z = depth_HW[::stride, ::stride]
    np.testing.assert_allclose(points["x"], np.where(np.isfinite(z), (u - cx) / fx * z, np.nan), atol=1e-4)
    np.testing.assert_allclose(points["y"], np.where(np.isfinite(z), (v - cy) / fy * z, np.nan), atol=1e-4)


def test_unknown_depth_is_never_a_point_at_the_camera(scene: Scene) -> None:
    """0.0 is a valid depth to depth_image_proc; what the lens does not show is NaN in depth and cloud alike."""
    frame = scene.frame(**{**LENSES["plumb_bob"], "D": (0.3, 0.1, 0.0, 0.0, 0.0)})
    depth_HW, points = arrays_of(frame["depth/image"])["pixels"], arrays_of(frame["points"])
    assert np.isnan(depth_HW).any()
    assert not (depth_HW == 0.0).any()
    assert frame["points"]["is_dense"] is False
    np.testing.assert_array_equal(np.isnan(points["x"]), np.isnan(points["z"]))
    assert frame["points"]["low"] == pytest.approx(WALL_M, abs=WITHIN_M)


def test_millimetres_on_request(scene: Scene, restored: None) -> None:
    scene.node.ask("set", values={"depth_encoding": "16UC1"})
    image = scene.frame(**{**LENSES["plumb_bob"], "D": (0.3, 0.1, 0.0, 0.0, 0.0)})["depth/image"]
    assert (image["encoding"], image["step"]) == ("16UC1", 2 * 640)
    assert set(np.unique(arrays_of(image)["pixels"])) == {0, round(WALL_M * 1000)}


def test_depth_of_the_networks_size_has_the_intrinsics_of_that_size(scene: Scene, restored: None) -> None:
    scene.node.ask("set", values={"depth_size": "network"})
    frame = scene.frame(marks=MARKS, **LENSES["pinhole"])
    image, info = frame["depth/image"], frame["depth/camera_info"]
    assert (image["width"], image["height"]) == (info["width"], info["height"]) == (518, 392)
    x, y = 518 / 640, 392 / 480
    # Pixel centres move by half a pixel when an image is resized.
    expected = [500.0 * x, 0.0, 310.5 * x - 0.5, 0.0, 510.0 * y, 250.5 * y - 0.5, 0.0, 0.0, 1.0]
    np.testing.assert_allclose(info["k"], expected, rtol=1e-9)
    np.testing.assert_allclose(marks_of(arrays_of(frame["points"])), MARKS, atol=WITHIN_M)


@pytest.mark.parametrize(("stride", "size"), [(0, (320, 240)), (1, (640, 480)), (4, (160, 120))])
def test_the_cloud_is_thinned_by_its_stride(scene: Scene, restored: None, stride: int, size: tuple[int, int]) -> None:
    scene.node.ask("set", values={"points.stride": stride})
    frame = scene.frame(marks=MARKS, **LENSES["pinhole"])["points"]
    assert (frame["width"], frame["height"], frame["row_step"]) == (*size, 16 * size[0])
    np.testing.assert_allclose(marks_of(arrays_of(frame)), MARKS, atol=WITHIN_M)


def test_the_padded_layout_holds_the_same_points(scene: Scene, restored: None) -> None:
    plain = arrays_of(scene.frame(marks=MARKS, **LENSES["pinhole"])["points"])
    scene.node.ask("set", values={"points.padded": True})
    padded = scene.frame(marks=MARKS, **LENSES["pinhole"])["points"]
    assert padded["point_step"] == 32
    for name, values in arrays_of(padded).items():
        np.testing.assert_array_equal(values.view(np.uint32), plain[name].view(np.uint32))


def test_the_clearing_cloud_reaches_as_far_as_the_view_is_free(graph: Graph, tmp_path: Path) -> None:
    """Level ground from 1 m: the upper half of the picture is sky, and only that clears."""
    camera, consumer = graph.camera(), graph.consumer("points", "points_clearing", "depth/image", keep=tmp_path)
    graph.node(
        model="plane:height=1.0,hfov=60", publish__points_clearing=True, points_clearing__range=6.0, points__stride=2
    )
    camera.wait_for_subscribers()
    camera.stream(cx=319.5, cy=239.5, fx=554.26, fy=554.26)
    clearing = consumer.wait_for_message("points_clearing")
    cloud = consumer.wait_for_message("points", lambda record: record["stamp_ns"] == clearing["stamp_ns"])
    depth = consumer.wait_for_message("depth/image", lambda record: record["stamp_ns"] == clearing["stamp_ns"])
    depth_HW, z = arrays_of(depth)["pixels"], arrays_of(clearing)["z"]
    assert (clearing["low"], clearing["high"]) == (6.0, 6.0)
    np.testing.assert_array_equal(np.isfinite(z), depth_HW[::2, ::2] == np.inf)
    assert np.isfinite(z)[:110].all() and not np.isfinite(z)[130:].any()
    assert not (np.isfinite(z) & np.isfinite(arrays_of(cloud)["z"])).any()
