"""Values of message fields: what is accepted, and the form in which the CDR codec wants them."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from ..errors import DepthAnythingError

_ROS_NAMES = {"bool": "boolean", "byte": "octet", "float32": "float", "float64": "double"}


class MessageError(DepthAnythingError, ValueError):
    """A field of a message holds what its type cannot, or bytes are not a message of the type."""


def dtype_of(primitive: str) -> np.dtype[Any]:
    """NumPy type of a primitive that is not a string."""
    return np.dtype({"bool": "bool", "byte": "uint8"}.get(primitive, primitive))


def is_number(kind: Any) -> bool:
    """Whether a field type is a primitive other than a string."""
    return bool(kind[0] == Nodetype.BASE and kind[1][0] != "string")


def accessor(slot: Any, where: str, kind: Any) -> Any:
    """What a class shows of a slot: the slot itself, or a property that converts. ``where`` names it in errors."""
    node, detail = kind
    if node == Nodetype.BASE:
        return _byte_property(slot, where) if detail[0] == "byte" else slot
    if node == Nodetype.NAME:
        return slot
    count = detail[1] if node == Nodetype.ARRAY else None
    if not is_number(detail[0]):
        return property(slot.__get__, lambda self, value: slot.__set__(self, _as_list(value, count, where)))
    dtype = dtype_of(detail[0][1][0])
    return property(slot.__get__, lambda self, value: slot.__set__(self, as_array(value, dtype, count, where)))


def _byte_property(slot: Any, where: str) -> property:
    """ROS's ``byte`` is ``bytes`` of length 1 in Python; on the wire it is a small signed number."""

    def set_byte(self: Any, value: Any) -> None:
        if not isinstance(value, bytes) or len(value) != 1:
            raise MessageError(f"{where} is {_short(value)}; bytes of length 1 are needed")
        slot.__set__(self, int.from_bytes(value, "little", signed=True))

    return property(lambda self: bytes([slot.__get__(self) & 0xFF]), set_byte)


def _as_list(value: Any, count: int | None, where: str) -> list[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise MessageError(f"{where} is {_short(value)}; a list is needed")
    items = value if isinstance(value, list) else list(value)
    if count is not None and len(items) != count:
        raise MessageError(f"{where} has {len(items)} items; {count} are needed")
    return items


def as_array(value: Any, dtype: np.dtype[Any], count: int | None, where: str) -> np.ndarray:
    """The value as a flat array of that type: a view where the caller's memory already is one, else a copy.

    Raises MessageError for values that the type cannot hold, and for another number of them than ``count``.
    """
    if dtype == np.uint8 and isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes):
        value = b"".join(value)
    if isinstance(value, (bytes, bytearray)) and dtype == np.uint8:
        array = np.frombuffer(value, np.uint8) if value else np.empty(0, np.uint8)
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise MessageError(f"{where} cannot be an array of {dtype}: {error}") from None
    if array.ndim == 0:
        raise MessageError(f"{where} is {_short(value)}; a sequence of {dtype} is needed")
    if array.dtype != dtype:
        array = _converted(array, dtype, where)
    array = np.ascontiguousarray(array).reshape(-1)
    if count is not None and array.size != count:
        raise MessageError(f"{where} has {array.size} values; {count} are needed")
    return array


def _converted(array: np.ndarray, dtype: np.dtype[Any], where: str) -> np.ndarray:
    accepted = {"b": "b", "i": "biu", "u": "biu", "f": "biuf"}[dtype.kind]
    if array.size and array.dtype.kind not in accepted:
        raise MessageError(f"{where} holds {array.dtype} values; {dtype} is needed")
    if array.size and dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        if int(array.min()) < bounds.min or int(array.max()) > bounds.max:
            raise MessageError(f"{where} holds values outside {bounds.min}..{bounds.max}, the range of {dtype}")
    return array.astype(dtype)


def describe(kind: Any) -> str:
    """A field type in rclpy's words: ``sequence<uint8>``, ``double[9]``, ``std_msgs/Header``."""
    node, detail = kind
    if node == Nodetype.BASE:
        name, bound = detail
        return f"string<{bound}>" if bound else _ROS_NAMES.get(name, name)
    if node == Nodetype.NAME:
        return str(detail).replace("/msg/", "/")
    inner, size = describe(detail[0]), detail[1]
    if node == Nodetype.ARRAY:
        return f"{inner}[{size}]"
    return f"sequence<{inner}, {size}>" if size else f"sequence<{inner}>"


def problem_of(value: Any, kind: Any, where: str) -> str | None:
    """Why the value of a field cannot be written, as one line; None where nothing is wrong with it."""
    node, detail = kind
    if node == Nodetype.NAME:
        fields = getattr(value, "__fields__", None)
        if fields is None or value.__msgtype__ != detail:
            return f"{where} is a {type(value).__name__}; a {detail} is needed"
        problems = (problem_of(getattr(value, f"_{name}"), field, f"{where}.{name}") for name, field in fields.items())
        return next(filter(None, problems), None)
    if node == Nodetype.BASE:
        return _scalar_problem(value, detail[0], where)
    if is_number(detail[0]):
        return None
    items = (problem_of(item, detail[0], f"{where}[{index}]") for index, item in enumerate(value))
    return next(filter(None, items), None)


def _scalar_problem(value: Any, primitive: str, where: str) -> str | None:
    if primitive == "string":
        return None if isinstance(value, str) else f"{where} is {_short(value)}; a str is needed"
    dtype = dtype_of(primitive)
    try:
        if dtype.kind == "f":
            float(value)
        elif dtype.kind in "iu" and primitive != "byte":
            bounds = np.iinfo(dtype)
            if not bounds.min <= operator.index(value) <= bounds.max:
                return f"{where} is {_short(value)}; {dtype} holds {bounds.min}..{bounds.max}"
    except (TypeError, ValueError):
        return f"{where} is {_short(value)}; {dtype} is needed"
    return None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
