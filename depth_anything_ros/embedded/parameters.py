"""A node's parameters: rclpy's methods on them, and the services that other nodes reach them by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from ..errors import ConfigError
from .messages import message, service
from .parameter import Parameter
from .parameter_store import ParameterStore
from .qos import QoSProfile


class ParameterMethods:
    """The part of a node that holds its parameters; ``_init_parameters`` comes first."""

    _parameters: ParameterStore

    def _init_parameters(
        self, overrides: Mapping[str, Any], allow_undeclared: bool = False, declare_overrides: bool = False
    ) -> None:
        """Set up the store and declare ``use_sim_time``, with ``declare_overrides`` every override too.

        ``overrides``: values by name. Raises ConfigError for one that is not accepted.
        """
        self._parameters = ParameterStore(overrides, allow_undeclared)
        self._parameters.guard = _refuse_sim_time
        self.declare_parameter("use_sim_time", False)
        if declare_overrides:
            for name, value in overrides.items():
                if name not in self._parameters:
                    self.declare_parameter(name, value)

    def declare_parameter(
        self, name: str, value: Any = None, descriptor: Any = None, ignore_override: bool = False
    ) -> Parameter:
        """Declare a parameter with a default value, or a Parameter.Type; an override takes the default's place.

        Its type is fixed unless ``descriptor.dynamic_typing``. Raises ConfigError if the name is taken or the value is
        of another type, out of the descriptor's range, or refused by a callback.
        """
        if descriptor is None:
            descriptor = message("rcl_interfaces/msg/ParameterDescriptor")()
        return self._parameters.declare(name, value, descriptor, ignore_override)

    def undeclare_parameter(self, name: str) -> None:
        """Raises ConfigError if the parameter is not declared or read-only."""
        self._parameters.undeclare(name)

    def has_parameter(self, name: str) -> bool:
        """Whether the parameter is declared."""
        return name in self._parameters

    def get_parameter(self, name: str) -> Parameter:
        """Raises ConfigError if the parameter is not declared, or was declared by its type and has no value yet."""
        parameter = self._parameters.get(name)
        if name in self._parameters and parameter.value is None and not self._parameters.describe(name).dynamic_typing:
            raise ConfigError(f"parameter {name!r} has no value yet")
        return parameter

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """All parameters below ``prefix.``, by the rest of their names; with an empty prefix all there are."""
        start = len(prefix) + 1 if prefix else 0
        found = self._parameters.names([prefix] if prefix else [])
        return {name[start:]: self._parameters.get(name) for name in found if name != prefix}

    def set_parameters(self, parameter_list: list[Parameter]) -> list[Any]:
        """Set one after the other; one ``rcl_interfaces/msg/SetParametersResult`` each, with the reason of a refusal.

        Raises ConfigError at the first that is not declared.
        """
        for parameter in parameter_list:
            self._parameters.get(parameter.name)
        return [_result(self._parameters.set([parameter])) for parameter in parameter_list]

    def add_on_set_parameters_callback(self, callback: Callable[[list[Parameter]], Any]) -> None:
        """Ask ``callback`` before every change: it gets the new Parameters and returns a SetParametersResult.

        The one that was added last is asked first; one that refuses ends the matter.
        """
        self._parameters.callbacks.insert(0, callback)


def serve_parameters(node: Any) -> None:
    """Offer the node's parameters to others: the six services of ROS under its name, and /parameter_events."""
    store: ParameterStore = node._parameters
    events = node.create_publisher(
        message("rcl_interfaces/msg/ParameterEvent"), "/parameter_events", QoSProfile(depth=1000)
    )

    def publish(new: list[Parameter], changed: list[Parameter], deleted: list[Parameter]) -> None:
        event = message("rcl_interfaces/msg/ParameterEvent")(
            stamp=node.get_clock().now().to_msg(),
            node=node.get_fully_qualified_name(),
            new_parameters=[parameter.to_parameter_msg() for parameter in new],
            changed_parameters=[parameter.to_parameter_msg() for parameter in changed],
            deleted_parameters=[parameter.to_parameter_msg() for parameter in deleted],
        )
        events.publish(event)

    def set_all(parameters: list[Any]) -> Any:
        try:
            return _result(store.set([Parameter.from_parameter_msg(parameter) for parameter in parameters]))
        except Exception as error:  # a callback's mistake must not end the node because a peer set a parameter
            node.get_logger().error(f"setting a parameter failed: {type(error).__name__}: {error}")
            return _result(f"{type(error).__name__}: {error}")

    def known(names: list[str]) -> list[str]:
        # As in ROS: one unknown name, and the answer is empty.
        return list(names) if all(name in store for name in names) else []

    def listed(request: Any) -> Any:
        names = store.names(request.prefixes, request.depth)
        prefixes = list(dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name))
        return message("rcl_interfaces/msg/ListParametersResult")(names=names, prefixes=prefixes)

    answers: dict[str, Callable[[Any], dict[str, Any]]] = {
        "GetParameters": lambda request: {
            "values": [store.get(name).get_parameter_value() for name in known(request.names)]
        },
        "GetParameterTypes": lambda request: {"types": [store.get(name).type_.value for name in known(request.names)]},
        "SetParameters": lambda request: {"results": [set_all([parameter]) for parameter in request.parameters]},
        "SetParametersAtomically": lambda request: {"result": set_all(request.parameters)},
        "DescribeParameters": lambda request: {"descriptors": [store.describe(name) for name in known(request.names)]},
        "ListParameters": lambda request: {"result": listed(request)},
    }
    names = ("get_parameters", "get_parameter_types", "set_parameters", "set_parameters_atomically")
    for (kind, answer), name in zip(answers.items(), (*names, "describe_parameters", "list_parameters"), strict=True):
        _serve(node, f"rcl_interfaces/srv/{kind}", f"~/{name}", answer)
    store.on_change = publish


def _serve(node: Any, kind: str, name: str, answer: Callable[[Any], dict[str, Any]]) -> None:
    _, response = service(kind)
    node._create_service(kind, name, lambda request: response(**answer(request)), depth=1000)


def _result(reason: str) -> Any:
    return message("rcl_interfaces/msg/SetParametersResult")(successful=not reason, reason=reason)


def _refuse_sim_time(parameters: list[Parameter]) -> Any:
    is_refused = any(parameter.name == "use_sim_time" and parameter.value for parameter in parameters)
    reason = "parameter 'use_sim_time': the embedded runtime has no simulated time; only false is accepted"
    return SimpleNamespace(successful=not is_refused, reason=reason if is_refused else "")
