"""MAT files of level 5 for the tests, as MATLAB lays them out."""

from __future__ import annotations

import struct
import zlib

import numpy as np

DOUBLE_CLASS, CELL_CLASS = 6, 1


def element(kind: int, data: bytes, order: str) -> bytes:
    if len(data) <= 4:
        return struct.pack(order + "I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def matrix(name: str, values: np.ndarray, order: str, *, class_: int = DOUBLE_CLASS) -> bytes:
    kind = {"f8": 9, "u2": 4, "u1": 2}[values.dtype.str[1:]]
    body = element(6, struct.pack(order + "II", class_, 0), order)
    body += element(5, struct.pack(order + "ii", len(values), 1), order)
    body += element(1, name.encode(), order)
    body += element(kind, values.astype(values.dtype.newbyteorder(order)).tobytes(), order)
    return element(14, body, order)


def mat_file(*elements: bytes, order: str = "<") -> bytes:
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + {"<": b"IM", ">": b"MI"}[order]
    return head + b"".join(elements)


def compressed(data: bytes, order: str = "<") -> bytes:
    packed = zlib.compress(data)
    return struct.pack(order + "II", 15, len(packed)) + packed
