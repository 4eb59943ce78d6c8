"""Parameters: fixed types, ranges, overrides, and refusals with their reason."""

from __future__ import annotations

import math
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("cyclonedds", reason="the embedded runtime needs cyclonedds")

from depth_anything_ros.embedded.messages import deserialize, message, serialize
from depth_anything_ros.embedded.parameters import Parameter, ParameterMethods
from depth_anything_ros.errors import ConfigError

VALUES = [True, 3, 2.5, "x", [b"a", b"\xff"], [True, False], [1, -(2**63)], [0.5, math.inf], ["a", ""], None]


class Parameters(ParameterMethods):
    """The parameters of a node, without the node."""

    def __init__(self, allow_undeclared: bool = False, **overrides: Any) -> None:
        self._init_parameters(overrides, allow_undeclared)


def descriptor(**fields: Any) -> Any:
    return message("rcl_interfaces/msg/ParameterDescriptor")(**fields)


def limits(kind: str, low: float, high: float, step: float = 0) -> list[Any]:
    return [message(f"rcl_interfaces/msg/{kind}Range")(from_value=low, to_value=high, step=step)]


def reason(parameters: ParameterMethods, name: str, value: Any) -> str:
    """Why a value is refused, ``""`` if it is not."""
    (result,) = parameters.set_parameters([Parameter(name, value=value)])
    assert result.successful == (not result.reason)
    return str(result.reason)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_parameter_goes_through_its_message(value: Any) -> None:
    parameter = Parameter("p", value=value)
    wire = serialize(parameter.to_parameter_msg())
    back = Parameter.from_parameter_msg(deserialize(wire, "rcl_interfaces/msg/Parameter"))
    assert (back.name, back.type_, repr(back.value)) == ("p", parameter.type_, repr(value))


def test_type_and_value_must_agree() -> None:
    with pytest.raises(ValueError, match=r"'p'.*INTEGER"):
        Parameter("p", Parameter.Type.INTEGER, True)
    with pytest.raises(TypeError, match=r"\[1, 2.0\]"):
        Parameter("p", value=[1, 2.0])
    assert Parameter("p", Parameter.Type.STRING_ARRAY, []).value == []


def test_the_type_is_fixed_by_the_declaration() -> None:
    parameters = Parameters()
    parameters.declare_parameter("i", 1)
    parameters.declare_parameter("d", 1.0)
    parameters.declare_parameter("any", 1, descriptor(dynamic_typing=True))
    assert reason(parameters, "i", 5) == ""
    assert "INTEGER" in reason(parameters, "i", 5.0) and "INTEGER" in reason(parameters, "i", True)
    assert "write 3.0" in reason(parameters, "d", 3)
    assert "no value" in reason(parameters, "i", None)
    assert reason(parameters, "any", "text") == ""
    assert [parameters.get_parameter(name).value for name in ("i", "d", "any")] == [5, 1.0, "text"]


def test_a_read_only_parameter_takes_its_override_and_no_more() -> None:
    parameters = Parameters(fixed=9)
    assert parameters.declare_parameter("fixed", 1, descriptor(read_only=True)).value == 9
    assert "read-only" in reason(parameters, "fixed", 2)
    with pytest.raises(ConfigError, match="read-only"):
        parameters.undeclare_parameter("fixed")
    assert parameters.get_parameter("fixed").value == 9


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (0.0, True),
        (2.0, True),
        (1.5, True),
        (1.5000001, True),
        (1.25, False),
        (2.5, False),
        (-1.0, False),
        (math.nan, False),
    ],
)
def test_doubles_stay_in_their_range(value: float, accepted: bool) -> None:
    parameters = Parameters()
    parameters.declare_parameter("x", 1.0, descriptor(floating_point_range=limits("FloatingPoint", 0.0, 2.0, 0.5)))
    found = reason(parameters, "x", value)
    assert (found == "") == accepted
    assert accepted or (str(value) in found and "0.0 to 2.0 in steps of 0.5" in found)


@pytest.mark.parametrize(("value", "accepted"), [(1, True), (3, True), (10, True), (2, False), (0, False), (11, False)])
def test_integers_stay_in_their_range(value: int, accepted: bool) -> None:
    parameters = Parameters()
    parameters.declare_parameter("x", 1, descriptor(integer_range=limits("Integer", 1, 10, 2)))
    assert (reason(parameters, "x", value) == "") == accepted


def test_a_default_out_of_range_is_not_declared() -> None:
    parameters = Parameters()
    with pytest.raises(ConfigError, match=r"3\.0"):
        parameters.declare_parameter("x", 3.0, descriptor(floating_point_range=limits("FloatingPoint", 0.0, 2.0)))
    assert not parameters.has_parameter("x")


def test_overrides_take_the_default_s_place_and_must_fit() -> None:
    parameters = Parameters(i=3, d=1, empty=[])
    assert parameters.declare_parameter("i", 1).value == 3
    with pytest.raises(ConfigError, match=r"'d' is of type DOUBLE; 1 \(INTEGER\).*write 1.0"):
        parameters.declare_parameter("d", 2.0)
    with pytest.raises(ConfigError, match=r"'empty'.*empty list"):
        parameters.declare_parameter("empty", ["a"])
    assert parameters.declare_parameter("d", 2.0, ignore_override=True).value == 2.0


def test_a_name_is_declared_once_and_known_by_has() -> None:
    parameters = Parameters()
    parameters.declare_parameter("x", 1)
    for name, text in (("x", "already"), ("", "name")):
        with pytest.raises(ConfigError, match=text):
            parameters.declare_parameter(name, 1)
    parameters.undeclare_parameter("x")
    assert not parameters.has_parameter("x")
    for act in (parameters.get_parameter, parameters.undeclare_parameter):
        with pytest.raises(ConfigError, match="'x' is not declared"):
            act("x")
    with pytest.raises(ConfigError, match="'x' is not declared"):
        parameters.set_parameters([Parameter("x", value=1)])


def test_a_parameter_may_be_declared_by_its_type() -> None:
    parameters = Parameters()
    parameters.declare_parameter("x", Parameter.Type.INTEGER)
    with pytest.raises(ConfigError, match="no value yet"):
        parameters.get_parameter("x")
    assert "INTEGER" in reason(parameters, "x", "text") and reason(parameters, "x", 4) == ""
    assert parameters.get_parameter("x").value == 4


def test_one_descriptor_serves_two_parameters() -> None:
    parameters, shared = Parameters(), descriptor(description="d")
    parameters.declare_parameter("x", 1, shared)
    parameters.declare_parameter("y", "text", shared)
    assert "INTEGER" in reason(parameters, "x", "text") and reason(parameters, "x", 2) == ""


def test_undeclared_ones_may_be_allowed() -> None:
    parameters = Parameters(allow_undeclared=True)
    assert parameters.get_parameter("x").type_ is Parameter.Type.NOT_SET
    assert reason(parameters, "x", 1) == "" and reason(parameters, "x", "text") == ""
    assert parameters.get_parameter("x").value == "text"


def test_prefixes_are_of_whole_parts() -> None:
    parameters = Parameters()
    for name in ("p", "p.a", "p.b.c", "pq"):
        parameters.declare_parameter(name, 1)
    assert list(parameters.get_parameters_by_prefix("p")) == ["a", "b.c"]
    assert set(parameters.get_parameters_by_prefix("")) == {"p", "p.a", "p.b.c", "pq", "use_sim_time"}
    assert parameters.get_parameters_by_prefix("z") == {}


def test_a_callback_refuses_with_its_reason() -> None:
    parameters, asked = Parameters(), []

    def callback(changes: list[Parameter]) -> Any:
        asked.append([(change.name, change.value) for change in changes])
        refused = any(change.value == 13 for change in changes)
        return SimpleNamespace(successful=not refused, reason="13 is unlucky" if refused else "")

    parameters.declare_parameter("x", 1)
    parameters.add_on_set_parameters_callback(callback)
    assert reason(parameters, "x", 13) == "13 is unlucky"
    assert "INTEGER" in reason(parameters, "x", "text")
    assert asked == [[("x", 13)]]  # not for what cannot be set anyway
    results = parameters.set_parameters([Parameter("x", value=value) for value in (2, 13, 3)])
    assert [result.successful for result in results] == [True, False, True]
    assert parameters.get_parameter("x").value == 3
    with pytest.raises(ConfigError, match="unlucky"):
        parameters.declare_parameter("y", 13)


def test_there_is_no_simulated_time() -> None:
    assert Parameters().get_parameter("use_sim_time").value is False
    assert "no simulated time" in reason(Parameters(), "use_sim_time", True)
    with pytest.raises(ConfigError, match="no simulated time"):
        Parameters(use_sim_time=True)


def test_a_node_takes_parameters_from_its_arguments(ros: ModuleType) -> None:
    node = ros.Node("n", cli_args=["--ros-args", "-p", "x:=5"], parameter_overrides=[ros.Parameter("y", value="b")])
    assert (node.declare_parameter("x", 1).value, node.declare_parameter("y", "a").value) == (5, "b")
    both = ros.Node("m", cli_args=["--ros-args", "-p", "x:=5"], parameter_overrides=[ros.Parameter("x", value=7)])
    assert both.declare_parameter("x", 1).value == 7
    node.destroy_node()
    both.destroy_node()


def test_what_the_runtime_refuses_is_refused_before_callbacks_are_asked() -> None:
    """A callback may act on what it accepts; DepthNode's does."""
    parameters = Parameters()
    parameters.declare_parameter("scale", 1.0)
    asked: list[str] = []

    def accept(changes: list[Parameter]) -> Any:
        asked.extend(parameter.name for parameter in changes)
        return SimpleNamespace(successful=True, reason="")

    parameters.add_on_set_parameters_callback(accept)
    together = [Parameter("scale", value=2.0), Parameter("use_sim_time", value=True)]
    assert "simulated time" in parameters._parameters.set(together)
    assert asked == []
    assert parameters.get_parameter("scale").value == 1.0
