"""ScaleCalibration: its file, what it refuses, what it says, and what it makes of a relative network's output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.engines.plane_engine import PlaneEngine
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.scale_calibration import calibration_to_yaml, load_calibration
from tests.sample_calibrations import make_calibration
from tests.tiny_networks import make_spec

RELATIVE: dict[str, Any] = {"quantity": "disparity", "scale": 0.5, "shift": -0.25, "abs_rel_before": None}


def written(folder: Path, text: str) -> Path:
    path = folder / "scale.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("changes", [{}, RELATIVE, {"artifact_sha256": ""}])
def test_a_file_says_what_was_written(tmp_path: Path, changes: dict[str, Any]) -> None:
    calibration = make_calibration(**changes)
    assert load_calibration(written(tmp_path, calibration_to_yaml(calibration))) == calibration


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    text = calibration_to_yaml(make_calibration()).replace("scale: 1.5", "scale: 2")
    assert load_calibration(written(tmp_path, text)).scale == 2.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format_version: 1", "format_version: 2", "format_version is 2; accepted: 1"),
        ("scale: 1.5", "scale: -1.5", "scale is -1.5; accepted: a positive number"),
        ("scale: 1.5", "scale: .nan", "scale is nan"),
        ("scale: 1.5", "scale: large", "scale is 'large'; accepted: a number"),
        ("shift: 0.0", "shift: 0.1", "shift is 0.1; accepted: .*0 for a metric network"),
        ("quantity: metres", "quantity: feet", "quantity is 'feet'; accepted: metres, depth, disparity"),
        ("scale: 1.5", "sclae: 1.5", "unknown key sclae"),
        ("scale: 1.5\n", "", "the key scale is missing"),
        ("num_frames: 12", "num_frames: 1.5", "num_frames is 1.5; accepted: a whole number"),
        ("camera_fx: 600.0", "camera_fx: 0", "camera_fx is 0.0; accepted: a positive number of pixels"),
        ("scale: 1.5", f"scale: 1{'0' * 400}", "scale has more than 308 digits"),
        ("abs_rel_before: 0", "abs_rel_before: -0", "abs_rel_before is -0"),
        ("artifact_sha256: '0", "artifact_sha256: 'x", "artifact_sha256 is .*64 hexadecimal"),
    ],
)
def test_a_file_that_is_not_understood_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = calibration_to_yaml(make_calibration())
    assert old in text
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(ConfigError, match=f"scale.yaml: {message}"):
        load_calibration(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "no mapping"),
        ("a: [", "is not YAML"),
        ("!!python/object:x {}", "is not YAML"),
        ("[" * 20_000, "is not YAML"),
    ],
)
def test_what_is_no_calibration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_calibration(written(tmp_path, text))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml cannot be read: No such file"):
        load_calibration(tmp_path / "none.yaml")


def test_another_network_is_refused() -> None:
    calibration = make_calibration()
    calibration.require_network(make_spec(name="a copy of it"))
    with pytest.raises(ConfigError, match=r"of the network 'tiny' \(000000000000\), this one is .*\(111111111111\)"):
        calibration.require_network(make_spec(artifact_sha256="1" * 64))
    with pytest.raises(ConfigError, match="accepted: a calibration of this network"):
        calibration.require_network(make_spec(meaning="relative"))
    with pytest.raises(ConfigError):
        make_calibration(**RELATIVE).require_network(make_spec(meaning="relative", quantity="depth"))
    make_calibration(**RELATIVE).require_network(make_spec(meaning="relative", quantity="disparity"))


def test_engines_without_a_file_are_told_by_their_name() -> None:
    spec = PlaneEngine().spec
    make_calibration(network=spec.name, artifact_sha256="").require_network(spec)
    with pytest.raises(ConfigError, match="no file"):
        make_calibration(network="another", artifact_sha256="").require_network(spec)


@pytest.mark.parametrize(("focal_px", "is_said"), [(600.0, False), (611.0, False), (613.0, True), (587.0, True)])
def test_another_focal_length_is_said_from_two_percent_on(focal_px: float, is_said: bool) -> None:
    camera = CameraModel(640, 480, focal_px, focal_px, 319.5, 239.5)
    note = make_calibration().camera_note(camera, (240, 320))
    assert bool(note) is is_said
    if is_said:
        assert f"300.0 px at the network (640x480 images), now it is {focal_px / 2:.1f} px" in note


def test_the_same_camera_at_another_network_size_is_another_focal_length() -> None:
    camera = CameraModel(640, 480, 600.0, 600.0, 319.5, 239.5)
    assert "now it is 450.0 px" in make_calibration().camera_note(camera, (360, 480))
    half = camera.scaled_to(width=320, height=240)
    assert make_calibration().camera_note(half, (240, 320)) == ""


def test_disparity_becomes_metres_by_hand() -> None:
    """1 / (0.5 x - 0.25): 0.75 -> 1.333, 0.5 and less beyond any range; sky stays."""
    output = np.array([[2.0, 1.0, 0.5, 0.25, 0.0, np.inf]], np.float32)
    make_calibration(**RELATIVE).to_metres(output)
    np.testing.assert_allclose(output[0, :2], [4.0 / 3.0, 4.0], rtol=1e-6)
    assert np.all(output[0, 2:] > 1e9)
    assert np.isposinf(output[0, 5])


def test_depth_becomes_metres_by_hand() -> None:
    output = np.array([[1.0, 0.5, 0.25, np.inf]], np.float32)
    make_calibration(**{**RELATIVE, "quantity": "depth", "scale": 2.0, "shift": -0.75}).to_metres(output)
    assert output[0].tolist() == [1.25, 0.25, -0.25, np.inf]


def test_one_line_says_all() -> None:
    assert make_calibration().describe() == (
        "scale 1.5, calibrated 2026-01-31 against depth on /depth (bag), 12 frames, which differ by 3.4%; abs_rel 0.071"
        " (before: 0.250)"
    )
    text = make_calibration(**RELATIVE, num_frames=1).describe()
    assert text.startswith("disparity = 0.5 x - 0.25, calibrated") and text.endswith(" 1 frame; abs_rel 0.071")
