"""Scale calibrations for tests."""

from __future__ import annotations

from typing import Any

from depth_anything_ros.scale_calibration import ScaleCalibration


def make_calibration(**changes: Any) -> ScaleCalibration:
    """A calibration of the network of ``tiny_networks.make_spec``: 300 px at the network."""
    values: dict[str, Any] = {
        "network": "tiny",
        "artifact_sha256": "0" * 64,
        "quantity": "metres",
        "scale": 1.5,
        "camera_width": 640,
        "camera_height": 480,
        "camera_fx": 600.0,
        "camera_fy": 600.0,
        "network_width": 320,
        "network_height": 240,
        "reference": "depth on /depth (bag)",
        "method": "by hand",
        "num_frames": 12,
        "num_pixels": 4000,
        "abs_rel": 0.0712,
        "abs_rel_before": 0.25,
        "frame_spread": 0.034,
        "date": "2026-01-31",
    }
    return ScaleCalibration(**{**values, **changes})
