"""A parameter: its name, its type, its value, and the messages that carry it."""

from __future__ import annotations

import array
from enum import Enum
from typing import Any

from .messages import message


class Parameter:
    """A name, a type and a value that fit; ``type_`` is taken from the value by default.

    Raises TypeError for a value of no parameter type, ValueError where type and value disagree.
    """

    class Type(Enum):
        """The numbers of ``rcl_interfaces/msg/ParameterType``."""

        NOT_SET = 0
        BOOL = 1
        INTEGER = 2
        DOUBLE = 3
        STRING = 4
        BYTE_ARRAY = 5
        BOOL_ARRAY = 6
        INTEGER_ARRAY = 7
        DOUBLE_ARRAY = 8
        STRING_ARRAY = 9

        @classmethod
        def from_parameter_value(cls, parameter_value: Any) -> Parameter.Type:
            """The type of a Python value; an empty list is a BYTE_ARRAY. Raises TypeError if it has none."""
            found = next((kind for kind in cls if kind.check(parameter_value)), None)
            if found is None:
                raise TypeError(
                    f"{parameter_value!r} is no parameter value: accepted are None, bool, int, float, str "
                    "and lists of one of bytes, bool, int, float, str"
                )
            return found

        def check(self, parameter_value: Any) -> bool:
            """Whether a value is of this type."""
            if self is Parameter.Type.NOT_SET:
                return parameter_value is None
            item = _ITEMS[self]
            if not self.name.endswith("_ARRAY"):
                return _is(parameter_value, item)
            return isinstance(parameter_value, (list, tuple, array.array)) and all(
                _is(element, item) for element in parameter_value
            )

    def __init__(self, name: str, type_: Parameter.Type | None = None, value: Any = None) -> None:
        if type_ is None:
            type_ = Parameter.Type.from_parameter_value(value)
        if not type_.check(value):
            raise ValueError(f"parameter {name!r}: {value!r} is not of type {type_.name}")
        self._name, self._type, self._value = name, type_, value

    @property
    def name(self) -> str:
        """The name, parts joined by dots."""
        return self._name

    @property
    def type_(self) -> Parameter.Type:
        """The type of the value."""
        return self._type

    @property
    def value(self) -> Any:
        """None, bool, int, float, str, or a list of bytes, bool, int, float or str."""
        return self._value

    @classmethod
    def from_parameter_msg(cls, param_msg: Any) -> Parameter:
        """Read a ``rcl_interfaces/msg/Parameter``. Raises ValueError if its type number is unknown."""
        kind = cls.Type(param_msg.value.type)
        if kind is cls.Type.NOT_SET:
            return cls(param_msg.name, kind, None)
        value = getattr(param_msg.value, f"{kind.name.lower()}_value")
        if kind is cls.Type.BYTE_ARRAY:
            # Whole numbers, negative ones too: CDR codecs take ROS's byte for a signed one.
            value = [element if isinstance(element, bytes) else bytes([int(element) & 0xFF]) for element in value]
        elif kind.name.endswith("_ARRAY"):
            value = [_ITEMS[kind](element) for element in value]
        return cls(param_msg.name, kind, value)

    def get_parameter_value(self) -> Any:
        """The value as a ``rcl_interfaces/msg/ParameterValue``."""
        if self._type is Parameter.Type.NOT_SET:
            return message("rcl_interfaces/msg/ParameterValue")()
        value = self._value
        if self._type is Parameter.Type.BYTE_ARRAY:
            value = b"".join(value)
        elif self._type.name.endswith("_ARRAY"):
            value = list(value)
        field = f"{self._type.name.lower()}_value"
        return message("rcl_interfaces/msg/ParameterValue")(**{"type": self._type.value, field: value})

    def to_parameter_msg(self) -> Any:
        """The parameter as a ``rcl_interfaces/msg/Parameter``."""
        return message("rcl_interfaces/msg/Parameter")(name=self._name, value=self.get_parameter_value())


_ITEMS: dict[Parameter.Type, type] = {
    kind: {"BOOL": bool, "INTEGER": int, "DOUBLE": float, "STRING": str, "BYTE": bytes}[
        kind.name.removesuffix("_ARRAY")
    ]
    for kind in Parameter.Type
    if kind is not Parameter.Type.NOT_SET
}


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))
