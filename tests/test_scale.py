"""From the network's metres to the camera's: hand-computed."""

from __future__ import annotations

import pytest

from depth_anything_ros.camera import CameraModel
from depth_anything_ros.engines.plane_engine import PlaneEngine
from depth_anything_ros.errors import ConfigError
from depth_anything_ros.scale import FIXED_NOTE, focal_scale, scale_notes
from tests.sample_calibrations import make_calibration
from tests.tiny_networks import make_spec

CAMERA = CameraModel(width=640, height=480, fx=600.0, fy=500.0, cx=320.0, cy=240.0)


def test_canonical_by_hand() -> None:
    """At 320x240 the focal lengths are 300 and 250, their mean 275; the network answers for 550."""
    assert focal_scale(make_spec(canonical_focal_px=550.0), CAMERA, (240, 320)) == pytest.approx(0.5)


def test_both_axes_count_when_the_aspect_is_not_kept() -> None:
    """fx 600 * 320 / 640 = 300, fy 500 * 480 / 480 = 500."""
    assert focal_scale(make_spec(canonical_focal_px=100.0), CAMERA, (480, 320)) == pytest.approx(4.0)


def test_fixed_uses_the_training_focal_where_known() -> None:
    known = make_spec(meaning="metric_fixed", training_focal_px=1100.0)
    assert focal_scale(known, CAMERA, (480, 640)) == pytest.approx(0.5)
    assert focal_scale(make_spec(meaning="metric_fixed"), CAMERA, (480, 640)) == 1.0


def test_fixed_metres_are_said_to_be_a_starting_value() -> None:
    assert scale_notes(make_spec(meaning="metric_fixed")) == (FIXED_NOTE,)
    assert scale_notes(make_spec()) == ()
    assert scale_notes(PlaneEngine().spec) == ()


def test_a_calibration_takes_the_place_of_the_note() -> None:
    calibration = make_calibration()
    assert scale_notes(make_spec(meaning="metric_fixed"), calibration) == (calibration.describe(),)
    assert scale_notes(make_spec(), calibration) == (calibration.describe(),)


def test_relative_depth_has_no_metres() -> None:
    with pytest.raises(
        ConfigError, match=r"tiny gives relative disparity without a unit; accepted here: .*calibrate-scale"
    ):
        focal_scale(make_spec(meaning="relative", quantity="disparity"), CAMERA, (480, 640))
