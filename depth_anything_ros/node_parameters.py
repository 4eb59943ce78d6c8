"""The table of parameters as parameters of a ROS node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .parameter_spec import ParameterSpec
from .params import BY_NAME, PARAMETERS, check_names, check_values
from .pipeline import PipelineOptions
from .ros import Node, message
from .scale_calibration import ScaleCalibration


def declare_parameters(node: Node) -> dict[str, Any]:
    """Declare all parameters of the node with what it was started with, and return their values.

    The node must have been made with ``automatically_declare_parameters_from_overrides``: that is how rclpy shows what
    was given, names that nobody declares included. Raises ConfigError for an unknown name or a value not accepted.
    """
    given = node.get_parameters_by_prefix("")
    check_names(given)
    for name in given.keys() & BY_NAME.keys():
        node.undeclare_parameter(name)
    # An empty list in a file comes without a value.
    known = {name: parameter.value for name, parameter in given.items() if name in BY_NAME}
    values = check_values({name: value for name, value in known.items() if value is not None})
    for spec in PARAMETERS:
        value = values[spec.name]
        ros_value = (list(value) or [""]) if isinstance(value, tuple) else value
        node.declare_parameter(spec.name, ros_value, descriptor_of(spec), ignore_override=True)
    return values


def pipeline_options(values: Mapping[str, Any], calibration: ScaleCalibration | None = None) -> PipelineOptions:
    """The pipeline's options that the node's parameters ask for, with the calibration of ``scale_file``."""
    return PipelineOptions(
        min_depth_m=values["min_depth"] or None,
        max_depth_m=values["max_depth"] or None,
        edge_ratio=values["edge_ratio"] or None,
        depth_size=values["depth_size"],
        scale=values["scale"],
        calibration=calibration,
    )


def descriptor_of(spec: ParameterSpec) -> Any:
    """The parameter as a rcl_interfaces/ParameterDescriptor."""
    ranges: dict[str, Any] = {}
    if spec.low is not None and spec.high is not None:
        is_whole = isinstance(spec.default, int)
        kind = "IntegerRange" if is_whole else "FloatingPointRange"
        number = int if is_whole else float
        limits = message(f"rcl_interfaces/msg/{kind}")(
            from_value=number(spec.low), to_value=number(spec.high), step=number(0)
        )
        ranges["integer_range" if is_whole else "floating_point_range"] = [limits]
    return message("rcl_interfaces/msg/ParameterDescriptor")(
        name=spec.name,
        description=spec.description,
        additional_constraints=f"accepted: {spec.accepted}",
        read_only=spec.change == "never",
        **ranges,
    )
