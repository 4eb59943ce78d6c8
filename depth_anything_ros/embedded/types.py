"""Message and service types: definitions, names and hashes on the wire, IDL classes for Cyclone DDS."""

from __future__ import annotations

import functools
import threading
from typing import Any

from cyclonedds.idl import make_idl_struct
from cyclonedds.idl import types as idl
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from ..errors import ConfigError

# Request and response of the services that a node serves; rosbags knows messages only.
_SERVICES: dict[str, tuple[str, str]] = {
    "rcl_interfaces/srv/GetParameters": ("string[] names", "rcl_interfaces/ParameterValue[] values"),
    "rcl_interfaces/srv/GetParameterTypes": ("string[] names", "uint8[] types"),
    "rcl_interfaces/srv/ListParameters": (
        "uint64 DEPTH_RECURSIVE=0\nstring[] prefixes\nuint64 depth",
        "rcl_interfaces/ListParametersResult result",
    ),
    "rcl_interfaces/srv/DescribeParameters": (
        "string[] names",
        "rcl_interfaces/ParameterDescriptor[] descriptors",
    ),
    "rcl_interfaces/srv/SetParameters": (
        "rcl_interfaces/Parameter[] parameters",
        "rcl_interfaces/SetParametersResult[] results",
    ),
    "rcl_interfaces/srv/SetParametersAtomically": (
        "rcl_interfaces/Parameter[] parameters",
        "rcl_interfaces/SetParametersResult result",
    ),
    "lifecycle_msgs/srv/ChangeState": ("lifecycle_msgs/Transition transition", "bool success"),
    "lifecycle_msgs/srv/GetState": ("", "lifecycle_msgs/State current_state"),
    "lifecycle_msgs/srv/GetAvailableStates": ("", "lifecycle_msgs/State[] available_states"),
    "lifecycle_msgs/srv/GetAvailableTransitions": (
        "",
        "lifecycle_msgs/TransitionDescription[] available_transitions",
    ),
}

_PRIMITIVES: dict[str, Any] = {
    "bool": bool,
    "byte": idl.byte,
    "int8": idl.int8,
    "uint8": idl.uint8,
    "int16": idl.int16,
    "uint16": idl.uint16,
    "int32": idl.int32,
    "uint32": idl.uint32,
    "int64": idl.int64,
    "uint64": idl.uint64,
    "float32": idl.float32,
    "float64": idl.float64,
}

_lock = threading.RLock()


@functools.cache
def _store() -> Any:
    """The typestore of ROS 2 Jazzy, with the services above."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, (constants, fields) in store.fielddefs.items():
        store.fielddefs[name] = (constants, [(field, _without_char(kind)) for field, kind in fields])
    for name, texts in _SERVICES.items():
        for text, suffix in zip(texts, ("_Request", "_Response"), strict=True):
            # The parser takes every definition for one of a message; the name decides over the hash.
            (definition,) = get_types_from_msg(text, f"{name}{suffix}").values()
            store.register({f"{name}{suffix}": definition})
    return store


def _without_char(kind: Any) -> Any:
    """The same field type, with ``char`` as what ROS makes of it on the wire and in hashes: ``uint8``."""
    if kind[0] == Nodetype.BASE:
        return (kind[0], ("uint8", 0)) if kind[1][0] == "char" else kind
    if kind[0] == Nodetype.NAME:
        return kind
    return (kind[0], (_without_char(kind[1][0]), kind[1][1]))


def definition(name: str) -> tuple[list[Any], list[Any]]:
    """Constants and fields of a type such as ``sensor_msgs/msg/Image``, as rosbags describes them.

    Raises ConfigError if it is unknown.
    """
    with _lock:
        found = _store().fielddefs.get(name)
    if found is None:
        raise ConfigError(
            f"message type {name!r} is unknown; a type of ROS 2 Jazzy is needed, as sensor_msgs/msg/Image"
        )
    return found[0], found[1]


@functools.cache
def type_hash(name: str) -> str:
    """The ``RIHS01_…`` hash of a type, equal to the one of ROS 2."""
    definition(name)
    with _lock:
        return str(_store().hash_rihs01(name))


def dds_type_name(name: str) -> str:
    """``sensor_msgs/msg/Image`` as the wire has it: ``sensor_msgs::msg::dds_::Image_``."""
    package, kind, cls = name.split("/")
    return f"{package}::{kind}::dds_::{cls}_"


def ros_type_name(dds_name: str) -> str:
    """The reverse of ``dds_type_name``; a name of another form is returned as it is."""
    head, separator, cls = dds_name.partition("::dds_::")
    return f"{head.replace('::', '/')}/{cls.removesuffix('_')}" if separator else dds_name


@functools.cache
def idl_type(name: str, service_header: bool = False) -> Any:
    """The IDL class that describes a type to Cyclone DDS.

    With ``service_header`` the two fields come first that ROS puts before every request and reply.
    """
    _, fields = definition(name)
    members: dict[str, Any] = {"client_guid": idl.uint64, "sequence_number": idl.int64} if service_header else {}
    members.update((field, _idl_member(kind)) for field, kind in fields)
    with _lock:
        return make_idl_struct(name.rpartition("/")[2], dds_type_name(name).replace("::", "."), members)


def _idl_member(kind: Any) -> Any:
    if kind[0] == Nodetype.BASE:
        primitive, bound = kind[1]
        if primitive == "string":
            return idl.bounded_str[bound] if bound else str
        return _PRIMITIVES[primitive]
    if kind[0] == Nodetype.NAME:
        return idl_type(kind[1])
    inner, bound = _idl_member(kind[1][0]), kind[1][1]
    if kind[0] == Nodetype.ARRAY:
        return idl.array[inner, bound]
    return idl.sequence[inner, bound] if bound else idl.sequence[inner]
