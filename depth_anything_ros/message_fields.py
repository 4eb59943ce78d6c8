"""Reading the fields of image messages, whatever made them: rclpy, rosbags, an IDL class or a plain namespace."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .errors import ImageError


def field(msg: Any, name: str) -> Any:
    """That field of the message. Raises ImageError if the message has none."""
    try:
        return getattr(msg, name)
    except AttributeError:
        raise ImageError(f"a {type(msg).__name__} has no field {name!r}; an image message is needed") from None


def whole_field(msg: Any, name: str) -> int:
    """A whole number (or truth value) as int. Raises ImageError for anything else."""
    value = field(msg, name)
    try:
        return int(value) if isinstance(value, np.bool_) else operator.index(value)
    except TypeError:
        raise ImageError(f"{name} is {short(value)}; a whole number is needed") from None


def as_bytes(data: Any) -> np.ndarray:
    """Message bytes as a flat uint8 array.

    A view of bytes, bytearray, memoryview, array.array or ndarray; a copy of a list. Raises ImageError for what does
    not hold contiguous bytes.
    """
    if isinstance(data, (list, tuple)):
        try:
            data = bytes(data)
        except (TypeError, ValueError) as error:
            raise ImageError(f"data is a {type(data).__name__} that holds more than bytes: {error}") from None
    try:
        view = memoryview(data)
    except (TypeError, ValueError, BufferError):
        raise ImageError(f"data is a {type(data).__name__}; a sequence of bytes is needed") from None
    if view.itemsize != 1 or not view.c_contiguous:
        raise ImageError(f"data holds {view.format!r} items with strides {view.strides}; contiguous bytes are needed")
    return np.frombuffer(view, np.uint8) if view.nbytes else np.empty(0, np.uint8)


def short(value: object) -> str:
    """A value as one short line, for a message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def one_line(error: Exception) -> str:
    """The gist of an OpenCV error, which spreads over several lines."""
    lines = str(getattr(error, "err", "") or error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
