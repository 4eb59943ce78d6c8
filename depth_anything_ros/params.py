"""Every parameter of the node, once: name, default, what it does, what is accepted, and when it may change.

``config/depth.yaml``, the README's table and the node are compared with this table by a test.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from .engine_params import ENGINE_PARAMETERS
from .errors import ConfigError
from .filters import FLYING_RATIO
from .parameter_spec import CHANGE_WORDS, ParameterSpec
from .pipeline import DEPTH_SIZES

INPUTS = ("image", "camera_info")
OUTPUTS = ("depth_image", "depth_camera_info", "points", "image_rect", "depth_colored", "points_clearing")
ON_REQUEST = ("image_rect", "depth_colored", "points_clearing")
"""Outputs that exist only if ``publish.<name>`` is true."""
PROFILES = ("default", "sensor_data", "system_default")
MAX_QUEUE = 100
# ROS's own parameters, which every node has.
_RESERVED = ("use_sim_time", "start_type_description_service", "qos_overrides.")


def _qos_specs() -> Iterable[ParameterSpec]:
    for topic in (*INPUTS, *OUTPUTS):
        is_input = topic in INPUTS
        yield ParameterSpec(
            name=f"qos.{topic}.profile",
            default="auto" if is_input else "default",
            choices=("auto", *PROFILES) if is_input else PROFILES,
            description="auto: what its publishers offer; default: reliable; sensor_data: best effort"
            if is_input
            else "default: reliable; sensor_data: best effort",
            change="unconfigured",
        )
        yield ParameterSpec(
            name=f"qos.{topic}.depth",
            default=1,
            low=1,
            high=MAX_QUEUE,
            description="messages kept for a slow reader; 1: the newest only",
            change="unconfigured",
        )


PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        name="autostart",
        default=True,
        description="configure and activate at the start; false under a lifecycle manager",
        change="never",
    ),
    ParameterSpec(
        name="cameras",
        default=(),
        description="names of several cameras, each with its topics below its name; empty: one camera, plain names",
        change="unconfigured",
    ),
    *ENGINE_PARAMETERS,
    ParameterSpec(
        name="image_transport",
        default="raw",
        choices=("raw", "compressed"),
        description="compressed: JPEG or PNG from <image>/compressed",
        change="unconfigured",
    ),
    *(
        ParameterSpec(
            name=f"publish.{name}",
            default=False,
            description=f"offer the topic {topic}: {what}",
            change="unconfigured",
        )
        for name, topic, what in (
            ("image_rect", "image_rect", "the image that the depth lies on"),
            ("depth_colored", "depth/colored", "depth as a picture for people"),
            ("points_clearing", "points_clearing", "points where the view is free up to points_clearing.range"),
        )
    ),
    ParameterSpec(
        name="rectified",
        default=False,
        description="the images are rectified: P of camera_info holds instead of K and D",
        change="live",
    ),
    ParameterSpec(
        name="scale", default=1.0, low=0.001, high=1000.0, description="multiplies all depths", change="live"
    ),
    ParameterSpec(
        name="min_depth",
        default=0.0,
        low=0.0,
        high=1000.0,
        description="nearer is -Inf [m]; 0: the network's own limit",
        change="live",
    ),
    ParameterSpec(
        name="max_depth",
        default=0.0,
        low=0.0,
        high=1000.0,
        description="farther is +Inf [m]; 0: the network's own limit",
        change="live",
    ),
    ParameterSpec(
        name="edge_ratio",
        default=FLYING_RATIO,
        low=0.0,
        high=10.0,
        description="drops flying pixels whose neighbours jump by more than this ratio; 0 keeps all",
        change="live",
    ),
    ParameterSpec(
        name="depth_size",
        default="camera",
        choices=DEPTH_SIZES,
        description="size of the depth image: the camera's or the network's",
        change="live",
    ),
    ParameterSpec(
        name="depth_encoding",
        default="32FC1",
        choices=("32FC1", "16UC1"),
        description="32FC1: metres, NaN and Inf; 16UC1: millimetres, 0 = none",
        change="live",
    ),
    ParameterSpec(
        name="max_rate",
        default=0.0,
        low=0.0,
        high=1000.0,
        description="process at most so many frames of each camera a second [Hz]; 0: as many as the engine can",
        change="live",
    ),
    ParameterSpec(
        name="points.stride",
        default=0,
        low=0,
        high=64,
        description="every Nth pixel of every Nth row; 1: all; 0: at most 80,000 points",
        change="live",
    ),
    ParameterSpec(
        name="points.voxel_size",
        default=0.0,
        low=0.0,
        high=10.0,
        description="one point per cube of this size [m], unorganised; needs Open3D; 0: off",
        change="live",
    ),
    ParameterSpec(
        name="points.padded",
        default=False,
        description="PCL's layout of 32 bytes a point instead of 16",
        change="live",
    ),
    ParameterSpec(name="points.rgb", default=True, description="points carry the colour of the image", change="live"),
    ParameterSpec(
        name="points_clearing.range",
        default=8.0,
        low=0.1,
        high=1000.0,
        description="distance of the clearing points [m], at most max_depth",
        change="live",
    ),
    ParameterSpec(
        name="max_failures",
        default=5,
        low=1,
        high=1000,
        description="engine errors in a row that end the active state",
        change="live",
    ),
    ParameterSpec(
        name="diagnostics_period",
        default=1.0,
        low=0.1,
        high=60.0,
        description="time between two messages on /diagnostics [s]",
        change="never",
    ),
    *_qos_specs(),
)
BY_NAME: Mapping[str, ParameterSpec] = {spec.name: spec for spec in PARAMETERS}


def check_names(names: Iterable[str]) -> None:
    """Raise ConfigError for a name that is no parameter of the node, with the nearest that is."""
    for name in names:
        if name in BY_NAME or name.startswith(_RESERVED):
            continue
        nearest = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0.4)
        hint = f"; did you mean {nearest[0]}?" if nearest else f"; accepted: {', '.join(BY_NAME)}"
        raise ConfigError(f"unknown parameter {name!r}{hint}")


def check_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all parameters' values, checked one by one and together; ConfigError names the first that is refused."""
    checked = {name: spec.check(values.get(name, spec.default)) for name, spec in BY_NAME.items()}
    low, high = checked["min_depth"], checked["max_depth"]
    if high and low >= high:
        raise ConfigError(f"parameter min_depth is {low} and max_depth {high}; accepted: min_depth below max_depth")
    return checked


def refuse_change(name: str, *, is_unconfigured: bool) -> str:
    """Why a parameter cannot change now; empty if it can."""
    change = BY_NAME[name].change
    if change == "live" or (change == "unconfigured" and is_unconfigured):
        return ""
    if change == "never":
        return f"{name} is read at the start only; start the node with another value"
    return f"{name} {CHANGE_WORDS[change]}; deactivate and clean up the node first, then set it and configure again"
