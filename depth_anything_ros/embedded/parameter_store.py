"""The declared parameters of a node and the rules by which they change: type, range, read-only, callbacks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import ConfigError
from .messages import message
from .parameter import Parameter

_WHOLE_DOUBLE = (Parameter.Type.INTEGER, Parameter.Type.DOUBLE)


class ParameterStore:
    """The declared parameters of one node.

    ``overrides``: values by name that declarations take instead of their defaults. ``callbacks`` may refuse a change:
    each gets the list of new Parameters and returns an object with ``successful`` and ``reason``; ``guard`` is asked
    before them, as a callback may act on what it accepts. ``on_change`` hears
    of every change: lists of new, changed and deleted Parameters.
    """

    def __init__(self, overrides: Mapping[str, Any] | None = None, allow_undeclared: bool = False) -> None:
        self.overrides = dict(overrides or {})
        self.allow_undeclared = allow_undeclared
        self.callbacks: list[Callable[[list[Parameter]], Any]] = []
        self.guard: Callable[[list[Parameter]], Any] | None = None
        self.on_change: Callable[[list[Parameter], list[Parameter], list[Parameter]], None] = lambda *_: None
        self._parameters: dict[str, Parameter] = {}
        self._descriptors: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._parameters

    def declare(self, name: str, value: Any, descriptor: Any, ignore_override: bool = False) -> Parameter:
        """Add a parameter; ``value`` is its default or, without one, a Parameter.Type. Returns it with its value.

        Raises ConfigError if the name is empty or taken, or the override is of another type, out of range or refused;
        TypeError if the default is no parameter value.
        """
        if not name:
            raise ConfigError("a parameter needs a name")
        if name in self._parameters:
            raise ConfigError(f"parameter {name!r} is already declared")
        kind = value if isinstance(value, Parameter.Type) else Parameter.Type.from_parameter_value(value)
        value = None if value is kind else value
        # The caller may use one descriptor for several parameters.
        descriptor = copy.copy(descriptor)
        descriptor.dynamic_typing = descriptor.dynamic_typing or kind is Parameter.Type.NOT_SET
        if name in self.overrides and not ignore_override:
            value = self.overrides[name]
        if value == [] and kind is not Parameter.Type.BYTE_ARRAY and not descriptor.dynamic_typing:
            raise ConfigError(f"parameter {name!r}: an empty list has no type in ROS; give at least one element")
        parameter = Parameter(name, value=value)
        descriptor.name = name
        descriptor.type = (parameter.type_ if descriptor.dynamic_typing else kind).value
        if value is not None and (reason := self._objection([parameter], {name: descriptor})):
            raise ConfigError(reason)
        self._parameters[name] = parameter
        self._descriptors[name] = descriptor
        self.on_change([parameter], [], [])
        return parameter

    def undeclare(self, name: str) -> None:
        """Remove a parameter. Raises ConfigError if it is not declared or read-only."""
        parameter = self.get(name)
        if self._descriptors[name].read_only:
            raise ConfigError(f"parameter {name!r} is read-only")
        self._remove(name)
        self.on_change([], [], [Parameter(parameter.name)])

    def get(self, name: str) -> Parameter:
        """Raises ConfigError if it is not declared; where undeclared ones are allowed it is then NOT_SET."""
        if name not in self._parameters:
            if self.allow_undeclared:
                return Parameter(name)
            raise ConfigError(f"parameter {name!r} is not declared")
        return self._parameters[name]

    def describe(self, name: str) -> Any:
        """The descriptor. Raises ConfigError if the parameter is not declared."""
        self.get(name)
        return self._descriptors[name]

    def set(self, parameters: list[Parameter]) -> str:
        """Change all of them or, if one is refused, none; returns the reason of a refusal, else ``""``."""
        for parameter in parameters:
            if parameter.name not in self._parameters:
                if not self.allow_undeclared:
                    return f"parameter {parameter.name!r} is not declared"
            elif self._descriptors[parameter.name].read_only:
                return f"parameter {parameter.name!r} is read-only"
        if reason := self._objection(parameters, self._descriptors):
            return reason
        new: list[Parameter] = []
        changed: list[Parameter] = []
        deleted: list[Parameter] = []
        for parameter in parameters:
            if parameter.type_ is Parameter.Type.NOT_SET:
                self._remove(parameter.name)
                deleted.append(parameter)
                continue
            known = self._parameters.get(parameter.name, Parameter(parameter.name))
            (new if known.type_ is Parameter.Type.NOT_SET else changed).append(parameter)
            self._keep(parameter)
        self.on_change(new, changed, deleted)
        return ""

    def names(self, prefixes: Iterable[str] = (), depth: int = 0) -> list[str]:
        """Declared names that are, or are below, one of the prefixes (default: any), up to ``depth`` parts (0: any)."""
        heads = [f"{prefix}." for prefix in prefixes] or [""]
        return [
            name
            for name in self._parameters
            if any(
                f"{name}." == head or (name.startswith(head) and (not depth or name[len(head) :].count(".") < depth))
                for head in heads
            )
        ]

    def _keep(self, parameter: Parameter) -> None:
        self._parameters[parameter.name] = parameter
        if parameter.name not in self._descriptors:
            self._descriptors[parameter.name] = message("rcl_interfaces/msg/ParameterDescriptor")(
                name=parameter.name, dynamic_typing=True
            )
        if self._descriptors[parameter.name].dynamic_typing:
            self._descriptors[parameter.name].type = parameter.type_.value

    def _remove(self, name: str) -> None:
        self._parameters.pop(name, None)
        self._descriptors.pop(name, None)

    def _objection(self, parameters: list[Parameter], descriptors: Mapping[str, Any]) -> str:
        for parameter in parameters:
            descriptor = descriptors.get(parameter.name)
            if descriptor is not None and (reason := _misfit(parameter, descriptor)):
                return reason
        for callback in [*([self.guard] if self.guard else []), *self.callbacks]:
            result = callback(parameters)
            if not result.successful:
                return str(result.reason) or f"{', '.join(parameter.name for parameter in parameters)}: refused"
        return ""


def _misfit(parameter: Parameter, descriptor: Any) -> str:
    """Why a value does not fit a descriptor, or ``""``."""
    kind = Parameter.Type(descriptor.type)
    if not descriptor.dynamic_typing and parameter.type_ is not kind:
        shown = "no value" if parameter.value is None else f"{parameter.value!r} ({parameter.type_.name})"
        hint = f" (write {float(parameter.value)})" if (parameter.type_, kind) == _WHOLE_DOUBLE else ""
        return f"parameter {parameter.name!r} is of type {kind.name}; {shown} is not accepted{hint}"
    ranges = {
        Parameter.Type.INTEGER: descriptor.integer_range,
        Parameter.Type.DOUBLE: descriptor.floating_point_range,
    }.get(parameter.type_, ())
    for limits in ranges:
        low, high, step = limits.from_value, limits.to_value, limits.step
        # NaN is in no range.
        inside = low <= parameter.value <= high
        steps = (parameter.value - low) / step if inside and step else 0
        # The upper end is accepted even where the steps do not meet it; a double may miss its step by rounding.
        if not inside or (parameter.value != high and abs(steps - round(steps)) > 1e-6):
            of_step = f" in steps of {step}" if step else ""
            return f"parameter {parameter.name!r}: {parameter.value} is not accepted; it is {low} to {high}{of_step}"
    return ""
