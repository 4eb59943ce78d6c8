"""Points out of PLY and PCD files, ascii and binary, with NumPy alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SourceError

_MAX_HEADER_LINES = 200
_PLY_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2"},
    **{"int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8"},
}
_PLY_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_PCD_KINDS = {"F": "f", "I": "i", "U": "u"}

Columns = list[tuple[str, str]]


def read_cloud_file(path: Path) -> npt.NDArray[np.float32]:
    """Return the finite points (N, 3) [m] of a PLY or PCD file, told by its first bytes.

    Raises SourceError for another kind, a malformed or truncated file, one without x, y and z or without points, and a
    PCD that is compressed.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cloud {path} cannot be read: {error.strerror or error}") from error
    is_ply = data.startswith(b"ply")
    end = b"end_header" if is_ply else b"DATA"
    try:
        header, body = _split(data, end)
        vertices = _ply_vertices(header, body) if is_ply else _pcd_points(header, body)
        points_N3 = np.stack([vertices[axis].astype(np.float32) for axis in "xyz"], axis=1)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise SourceError(f"cloud {path}: {what}; accepted: PLY and PCD, ascii or binary") from error
    points_N3 = points_N3[np.isfinite(points_N3).all(axis=1)]
    if not len(points_N3):
        raise SourceError(f"cloud {path} has no finite points")
    return points_N3


def _split(data: bytes, end: bytes) -> tuple[list[list[str]], bytes]:
    """The words of the header's lines, up to the one that begins with ``end``, and what follows it."""
    lines: list[list[str]] = []
    start = 0
    while len(lines) < _MAX_HEADER_LINES:
        stop = data.find(b"\n", start)
        if stop < 0:
            break
        line = data[start:stop]
        start = stop + 1
        lines.append(line.decode("ascii", "replace").split())
        if line.startswith(end):
            return lines, data[start:]
    raise ValueError("its header is not one of a cloud")


def _ply_vertices(header: list[list[str]], body: bytes) -> dict[str, npt.NDArray[Any]]:
    form = {line[0]: line[1] for line in header if len(line) > 1}["format"]
    elements = [line for line in header if line[:1] == ["element"]]
    if elements[0][1] != "vertex":
        raise ValueError(f"its first element is {elements[0][1]}, not vertex")
    number, columns = int(elements[0][2]), []
    own = header[header.index(elements[0]) + 1 :]
    for line in own[: own.index(elements[1]) if len(elements) > 1 else None]:
        if line[:1] == ["property"]:
            if line[1] not in _PLY_TYPES:
                raise ValueError(f"a vertex has a property of type {line[1]}")
            columns.append((line[-1], _PLY_TYPES[line[1]]))
    if form == "ascii":
        return _ascii_columns(body, columns, number)
    if form not in _PLY_ORDERS:
        raise ValueError(f"its format is {form}")
    return _binary_columns(body, [(name, _PLY_ORDERS[form] + kind) for name, kind in columns], number)


def _pcd_points(header: list[list[str]], body: bytes) -> dict[str, npt.NDArray[Any]]:
    keys = {line[0]: line[1:] for line in header if line and not line[0].startswith("#")}
    names, sizes, types = keys["FIELDS"], keys["SIZE"], keys["TYPE"]
    counts = [int(count) for count in keys.get("COUNT", ["1"] * len(names))]
    number = int(keys["POINTS"][0]) if "POINTS" in keys else int(keys["WIDTH"][0]) * int(keys["HEIGHT"][0])
    columns: Columns = []
    for name, size, kind, count in zip(names, sizes, types, counts, strict=True):
        form = f"<{_PCD_KINDS[kind]}{int(size)}"
        # A field of several values, and padding, whose name _ comes more than once, get names of their own.
        is_single = count == 1 and name != "_"
        columns += [(name if is_single else f"{name} {len(columns)} {i}", form) for i in range(count)]
    if keys["DATA"] == ["ascii"]:
        return _ascii_columns(body, columns, number)
    if keys["DATA"] != ["binary"]:
        raise ValueError(
            f"its data are {' '.join(keys['DATA'])}; write it again with: pcl_convert_pcd_ascii_binary IN.pcd OUT.pcd 1"
        )
    return _binary_columns(body, columns, number)


def _ascii_columns(body: bytes, columns: Columns, number: int) -> dict[str, npt.NDArray[Any]]:
    words = body.split()[: number * len(columns)]
    if len(words) < number * len(columns):
        raise ValueError(f"it holds fewer than its {number} points")
    table_NC = np.array(words, np.float64).reshape(number, len(columns))
    return {name: table_NC[:, i] for i, (name, _) in enumerate(columns)}


def _binary_columns(body: bytes, columns: Columns, number: int) -> dict[str, npt.NDArray[Any]]:
    layout = np.dtype(columns)
    if number < 0 or len(body) < number * layout.itemsize:
        raise ValueError(f"it holds fewer than its {number} points")
    table_N = np.frombuffer(body, layout, count=number)
    return {name: table_N[name] for name, _ in columns}
