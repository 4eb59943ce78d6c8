"""CameraInfo and calibration files: which numbers are taken, in which order, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from depth_anything_ros.calibration import normalise_distortion
from depth_anything_ros.camera import CameraModel
from depth_anything_ros.errors import CameraError

K = [600.0, 0.0, 330.0, 0.0, 610.0, 250.0, 0.0, 0.0, 1.0]
P = [550.0, 0.0, 322.0, -55.0, 0.0, 552.0, 241.0, 0.0, 0.0, 0.0, 1.0, 0.0]
D = [-0.3, 0.12, 0.001, -0.002, 0.01]


def camera_info(**changes: Any) -> SimpleNamespace:
    fields = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": D,
        "k": K,
        "r": np.eye(3).ravel(),
        "p": P,
        "binning_x": 0,
        "binning_y": 0,
        "roi": region(0, 0, 0, 0),
    }
    return SimpleNamespace(**{**fields, **changes})


def region(x: int, y: int, width: int, height: int) -> SimpleNamespace:
    return SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height, do_rectify=False)


def test_raw_image_takes_K_and_D() -> None:
    camera = CameraModel.from_camera_info(camera_info())
    assert camera == CameraModel(640, 480, 600.0, 610.0, 330.0, 250.0, "plumb_bob", tuple(D))


def test_rectified_image_takes_P_and_no_distortion() -> None:
    camera = CameraModel.from_camera_info(camera_info(), rectified=True)
    assert camera == CameraModel(640, 480, 550.0, 552.0, 322.0, 241.0)


def test_roi_is_subtracted_before_binning_divides() -> None:
    info = camera_info(roi=region(100, 50, 401, 302), binning_x=2, binning_y=4)
    camera = CameraModel.from_camera_info(info)
    assert (camera.width, camera.height) == (200, 75)
    assert (camera.fx, camera.fy) == (300.0, 152.5)
    assert (camera.cx, camera.cy) == ((330.0 - 100) / 2, (250.0 - 50) / 4)
    assert camera.distortion_model == "plumb_bob" and list(camera.D) == D


def test_roi_and_binning_move_P_the_same_way() -> None:
    info = camera_info(roi=region(10, 20, 600, 400), binning_x=2, binning_y=2)
    camera = CameraModel.from_camera_info(info, rectified=True)
    assert camera == CameraModel(300, 200, 275.0, 276.0, 156.0, 110.5)


def test_binning_of_one_and_roi_of_the_whole_image_change_nothing() -> None:
    info = camera_info(roi=region(0, 0, 640, 480), binning_x=1, binning_y=1)
    assert CameraModel.from_camera_info(info) == CameraModel.from_camera_info(camera_info())


@pytest.mark.parametrize(("store", "upper"), [(Stores.ROS1_NOETIC, True), (Stores.ROS2_HUMBLE, False)])
def test_messages_of_both_ros_generations_are_read(store: Stores, upper: bool) -> None:
    types = get_typestore(store).types
    name = "sensor_msgs/msg/CameraInfo"
    time = types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    header = {"stamp": time, "frame_id": "optical", **({"seq": 0} if upper else {})}
    matrices = {"d": np.array(D), "k": np.array(K), "r": np.eye(3).ravel(), "p": np.array(P)}
    message = types[name](
        header=types["std_msgs/msg/Header"](**header),
        height=480,
        width=640,
        distortion_model="plumb_bob",
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
        **{key.upper() if upper else key: value for key, value in matrices.items()},
    )
    assert CameraModel.from_camera_info(message) == CameraModel.from_camera_info(camera_info())


@pytest.mark.parametrize("rectified", [False, True])
def test_uncalibrated_camera_is_said_to_be_so(rectified: bool) -> None:
    with pytest.raises(CameraError, match=r"uncalibrated: K\[0\] = 0"):
        CameraModel.from_camera_info(camera_info(k=[0.0] * 9, p=[0.0] * 12), rectified=rectified)


@pytest.mark.parametrize("index", range(9))
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_number_in_K_that_is_not_finite_is_refused(index: int, value: float) -> None:
    damaged = list(K)
    damaged[index] = value
    with pytest.raises(CameraError, match="K in camera_info holds a value that is not a finite number"):
        CameraModel.from_camera_info(camera_info(k=damaged))


def test_nan_in_P_matters_only_to_rectified_images() -> None:
    info = camera_info(p=[math.nan, *P[1:]])
    assert CameraModel.from_camera_info(info).fx == 600.0
    with pytest.raises(CameraError, match="P in camera_info"):
        CameraModel.from_camera_info(info, rectified=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"p": [0.0] * 12}, r"P\[0\] = 0"),
        ({"k": K[:8]}, "8 numbers, not 9"),
        ({"k": "uncalibrated"}, "not a list of numbers"),
        ({"k": None}, "no field 'k'"),
        ({"k": [600.0, 0.0, 0.0, 0.0, 610.0, 0.0, 330.0, 250.0, 1.0]}, "row-major"),
        ({"k": [600.0, 2.0, *K[2:]]}, "skew"),
        ({"k": [-600.0, *K[1:]]}, "must be positive"),
        ({"d": [math.nan, *D[1:]]}, "not all finite"),
        ({"d": D[:3]}, "D has 3"),
        ({"distortion_model": "thin_prism"}, "'thin_prism'.*plumb_bob, rational_polynomial, equidistant"),
        ({"distortion_model": ""}, "accepted: plumb_bob"),
        ({"distortion_model": "Inverse Brown Conrady"}, "unknown"),
        ({"distortion_model": "equidistant"}, "takes 4 coefficients, D has 5"),
        ({"width": 0}, "width is 0"),
        ({"width": -640}, "width in camera_info is -640"),
        ({"height": math.inf}, "height in camera_info is inf"),
        ({"binning_x": 641}, "width is 0"),
        ({"roi": region(400, 0, 300, 480)}, r"roi 300x480 at \(400, 0\)"),
        ({"roi": region(8, 8, 0, 0)}, "roi 0x0"),
    ],
)
def test_bad_camera_info_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CameraError, match=message) as caught:
        CameraModel.from_camera_info(camera_info(**changes), rectified="p" in changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["plumb_bob", "equidistant", "", "Inverse Brown Conrady", "something new"])
@pytest.mark.parametrize("d", [[], [0.0] * 4, [0.0] * 5])
def test_zeros_in_a_message_mean_no_distortion(model: str, d: list[float]) -> None:
    assert not CameraModel.from_camera_info(camera_info(distortion_model=model, d=d)).is_distorted


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        ("Brown Conrady", D, ("plumb_bob", tuple(D))),
        ("brown_conrady", D, ("plumb_bob", tuple(D))),
        ("Modified Brown-Conrady", D, ("plumb_bob", tuple(D))),
        ("plumb_bob", D[:4], ("plumb_bob", (*D[:4], 0.0))),
        ("plumb_bob", [*D, 0.0, 0.0, 0.0], ("plumb_bob", tuple(D))),
        ("plumb_bob", [*D, 0.0, 0.3, 0.0], ("rational_polynomial", (*D, 0.0, 0.3, 0.0))),
        ("rational_polynomial", [0.0] * 8, ("none", ())),
        ("rational_polynomial", [*D, 0.1, 0.2, 0.3], ("rational_polynomial", (*D, 0.1, 0.2, 0.3))),
        ("rational_polynomial", [*D, *[0.1] * 7], ("rational_polynomial", (*D, *[0.1] * 7))),
        ("fisheye", [0.1, 0.2, 0.3, 0.4], ("equidistant", (0.1, 0.2, 0.3, 0.4))),
        ("Kannala Brandt4", [0.1, 0.2, 0.3, 0.4, 0.0], ("equidistant", (0.1, 0.2, 0.3, 0.4))),
        ("equidistant", [0.0] * 4, ("equidistant", (0.0,) * 4)),
        ("none", [], ("none", ())),
    ],
)
def test_model_names_and_lengths_become_one_form(
    model: str, given: list[float], expected: tuple[str, tuple[float, ...]]
) -> None:
    assert normalise_distortion(model, given) == expected


CALIBRATION = """\
# written by hand, in the layout of ROS's camera_calibration
image_width: 640
image_height: 480
camera_name: head_camera
camera_matrix:
  rows: 3
  cols: 3
  data: [600.0,   0.0, 330.0,
           0.0, 610.0, 250.0,
           0.0,   0.0,   1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.3, 0.12, 1e-3, -0.002, 0.01]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [550.0, 0.0, 322.0, -55.0, 0.0, 552.0, 241.0, 0.0, 0.0, 0.0, 1.0, 0.0]
"""


def test_calibration_file_gives_what_the_message_gives(tmp_path: Path) -> None:
    path = tmp_path / "head.yaml"
    path.write_text(CALIBRATION)
    for rectified in (False, True):
        expected = CameraModel.from_camera_info(camera_info(), rectified=rectified)
        assert CameraModel.from_yaml(path, rectified=rectified) == expected


def test_calibration_file_without_optional_parts(tmp_path: Path) -> None:
    path = tmp_path / "head.yaml"
    path.write_text("{image_width: 640, image_height: 480, camera_matrix: {data: [600, 0, 330, 0, 610, 250, 0, 0, 1]}}")
    assert CameraModel.from_yaml(str(path)) == CameraModel(640, 480, 600.0, 610.0, 330.0, 250.0)
    with pytest.raises(CameraError, match=r"P\[0\] = 0"):
        CameraModel.from_yaml(path, rectified=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no camera_matrix"),
        ("just words", "no camera_matrix"),
        ("image_width: 640\nimage_height: 480\n", "no list camera_matrix.data"),
        ("camera_matrix: {data: [1, 2", "not YAML"),
        ("\tcamera_matrix: 1", "not YAML"),
        ("\x00\x01", "not YAML"),
        (CALIBRATION.replace("image_width: 640\n", ""), "width in camera_info is None"),
        (CALIBRATION.replace("600.0", ".nan"), "not a finite number"),
        (CALIBRATION.replace("plumb_bob", "omnidirectional"), "'omnidirectional'"),
        (CALIBRATION.replace("330.0", "[330.0]"), "not a list of numbers"),
    ],
)
def test_bad_calibration_file_is_refused_and_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "head.yaml"
    path.write_text(text)
    with pytest.raises(CameraError, match=message) as caught:
        CameraModel.from_yaml(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_calibration_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"none\.yaml cannot be read: No such file"):
        CameraModel.from_yaml(tmp_path / "none.yaml")
    with pytest.raises(CameraError, match="cannot be read"):
        CameraModel.from_yaml(tmp_path)
    (tmp_path / "image.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(CameraError, match="not YAML"):
        CameraModel.from_yaml(tmp_path / "image.yaml")
