"""Numbers in a MAT file of level 5 (what MATLAB writes without ``-v7.3``), without SciPy for it.

Follows MathWorks' "MAT-File Format": a header of 128 bytes, then elements of tag (type, bytes) and data, each padded to
8 bytes; a compressed element holds one matrix element. Only real numeric matrices are read, others are left out.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_anything_ros.errors import SourceError

from .arrays import read_hdf5

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x0800


def read_mat(path: Path, name: str) -> NDArray[Any]:
    """Return the numeric matrix ``name`` of a MAT file of level 5, or of version 7.3 (HDF5), flat, in MATLAB's order.

    Raises SourceError, naming the file and, where the matrix is not in it, the matrices that are.
    """
    try:
        head = path.read_bytes()[:_HEADER_BYTES]
    except OSError:
        raise SourceError(f"{path}: no such file") from None
    if b"HDF5" in head or head.startswith(b"MATLAB 7.3"):
        return read_hdf5(path, name).reshape(-1)
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if order is None:
        raise SourceError(f"{path}: not a MAT file (level 5 or 7.3 is accepted)")
    try:
        matrices = dict(_matrices(path.read_bytes()[_HEADER_BYTES:], order))
    except (struct.error, zlib.error, ValueError, KeyError):
        raise SourceError(f"{path}: a damaged MAT file of level 5") from None
    if name not in matrices:
        raise SourceError(f"{path}: no numeric matrix {name!r} in it; it has {', '.join(sorted(matrices)) or 'none'}")
    return matrices[name]


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each element in ``data``."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind >> 16:  # Up to 4 bytes of data stand in the tag itself.
            kind, size, begin, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            begin = at + 8
            after = begin + size + (0 if kind == _COMPRESSED else -size % 8)
        if begin + size > len(data):
            raise ValueError("truncated")
        yield kind, data[begin : begin + size]
        at = after


def _matrices(data: bytes, order: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for kind, body in _elements(data, order):
        if kind == _COMPRESSED:
            yield from _matrices(zlib.decompress(body), order)
        elif kind == _MATRIX:
            parts = list(_elements(body, order))
            flags = struct.unpack_from(order + "I", parts[0][1])[0]
            if flags & 0xFF in _NUMERIC_CLASSES and not flags & _COMPLEX:
                stored, values = parts[3]
                yield parts[2][1].decode("latin-1"), np.frombuffer(values, order + _NUMBERS[stored])
