"""Message classes made from the type definitions, and their way to CDR bytes and back.

A class has the field names, defaults and constants of rclpy's. Every field has a slot ``_name`` that holds what goes
over the wire; ``name`` is that slot itself, or a property where the caller's value has another form.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys.store import Typestore

from . import types
from .fields import MessageError, accessor, describe, dtype_of, is_number, problem_of

# The one field, on the wire, of a type without fields.
_PLACEHOLDER = "structure_needs_at_least_one_member"

_lock = threading.RLock()
# Knows the types of this module under the names of their slots.
_codec = Typestore()


class Message:
    """Base of all message classes: keyword arguments, and no other attributes than the fields."""

    __slots__ = ()
    __msgtype__: ClassVar[str]
    __fields__: ClassVar[dict[str, Any]]
    __defaults__: ClassVar[tuple[tuple[str, Callable[[], Any]], ...]]

    def __init__(self, **fields: Any) -> None:
        for slot, default in self.__defaults__:
            setattr(self, slot, default())
        for name, value in fields.items():
            if name not in self.__fields__:
                raise TypeError(f"{self.__msgtype__} has no field {name!r}; it has {', '.join(self.__fields__)}")
            setattr(self, name, value)

    @classmethod
    def get_fields_and_field_types(cls) -> dict[str, str]:
        """Names and types of the fields, as rclpy writes them: ``{"data": "sequence<uint8>", ...}``."""
        return {name: describe(kind) for name, kind in cls.__fields__.items() if name != _PLACEHOLDER}

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__fields__)
        return f"{self.__msgtype__.replace('/', '.')}({values})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = [(getattr(self, f"_{name}"), getattr(other, f"_{name}")) for name in self.__fields__]
        return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]


@functools.cache
def message(name: str) -> Any:
    """The class of a message type such as ``sensor_msgs/msg/Image``. Raises ConfigError if it is unknown.

    Numeric sequences and arrays take bytes, lists, ``array.array`` and ndarrays, without a copy where the memory is
    of that type already, and read as flat ndarrays; those of received messages are read-only views of what came.
    """
    constants, fields = types.definition(name)
    attributes: dict[str, Any] = {
        "__slots__": tuple(f"_{field}" for field, _ in fields),
        "__msgtype__": name,
        "__doc__": f"A message of type {name}.",
        "__module__": __name__,
        "__fields__": dict(fields),
        "__defaults__": tuple((f"_{field}", _default(kind)) for field, kind in fields),
    }
    attributes.update((constant, bytes([value]) if kind == "byte" else value) for constant, kind, value in constants)
    cls = type(name.rpartition("/")[2], (Message,), attributes)
    for field, kind in fields:
        setattr(cls, field, accessor(cls.__dict__[f"_{field}"], f"{name}.{field}", kind))
    with _lock:
        _codec.fielddefs[name] = (constants, [(f"_{field}", kind) for field, kind in fields])
        _codec.types[name] = functools.partial(_from_wire, cls)  # type: ignore[assignment]
    return cls


def service(name: str) -> tuple[Any, Any]:
    """Request and response class of a service type such as ``lifecycle_msgs/srv/GetState``. Raises ConfigError."""
    return message(f"{name}_Request"), message(f"{name}_Response")


def serialize(msg: Any) -> bytearray:
    """CDR bytes of a message, header included, padded to a multiple of four as Cyclone DDS needs them.

    Raises MessageError, naming the field, if a value does not fit.
    """
    name = msg.__msgtype__
    definition = _codec.get_msgdef(name)
    try:
        size = 4 + definition.getsize_cdr(0, msg, _codec)
        data = bytearray(-(-size // 4) * 4)
        data[1] = 1  # little endian
        definition.serialize_cdr_le(memoryview(data)[4:], 0, msg, _codec)
    except Exception as error:
        problem = problem_of(msg, (Nodetype.NAME, name), name) or f"{name} cannot be written: {error}"
        raise MessageError(problem) from error
    return data


def deserialize(data: bytes | memoryview, name: str) -> Any:
    """The message in CDR bytes; its arrays are views of ``data``. Raises MessageError if they are not of that type."""
    message(name)
    try:
        return _codec.deserialize_cdr(memoryview(data), name)
    except SerdeError as error:
        raise MessageError(str(error)) from error


def _from_wire(cls: Any, *values: Any) -> Any:
    instance = cls.__new__(cls)
    for (slot, _), value in zip(cls.__defaults__, values, strict=True):
        setattr(instance, slot, value)
    return instance


def _default(kind: Any) -> Callable[[], Any]:
    node, detail = kind
    if node == Nodetype.BASE:
        value: Any = {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}.get(detail[0], 0)
        return lambda: value
    if node == Nodetype.NAME:
        return message(detail)  # type: ignore[no-any-return]
    inner, size = detail
    count = size if node == Nodetype.ARRAY else 0
    item = _default(inner)
    if is_number(inner):
        return functools.partial(np.zeros, count, dtype_of(inner[1][0]))
    return lambda: [item() for _ in range(count)]
